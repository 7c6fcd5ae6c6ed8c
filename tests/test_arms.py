"""Several experiments in one link: nothing is lost, nothing raises but a ValueError."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_core.activations import ACTIVATIONS
from snn_core.constraints import CONSTRAINTS
from snn_core.settings import (
    LETTERS,
    SHARED,
    Experiment,
    NetworkSpec,
    SettingError,
    TrainingSpec,
    arm_of,
    arm_settings,
    arms_from_query,
    arms_to_query,
    merged,
    read_arms,
    to_query,
)

arm = st.builds(
    lambda name, rule, depth, slope, rate, manner: Experiment(
        NetworkSpec(
            depth=depth,
            activation=name,
            activation_parameters={"negative_slope": slope} if name == "leaky_relu" else (),
            constraint=rule,
        ),
        data="moons",
        seeds=3,
        training=TrainingSpec(learning_rate=rate, constraint_manner=manner),
    ),
    st.sampled_from(["selu", "elu", "leaky_relu", "leaky_relu"]),
    st.sampled_from(list(CONSTRAINTS)),
    st.integers(1, 3),
    st.sampled_from([0.01, 0.2, 0.5]),
    st.sampled_from([0.01, 0.1]),
    st.sampled_from(["projection", "parametrization"]),
)


@settings(max_examples=150)
@given(st.lists(arm, min_size=1, max_size=4))
def test_a_link_brings_back_its_arms(arms: list[Experiment]) -> None:
    query = arms_to_query(arms)
    assert arms_from_query(query) == tuple(arms)
    assert read_arms(query) == (tuple(arms), [])


def test_one_arm_is_an_ordinary_link() -> None:
    one = Experiment(NetworkSpec(depth=7), data="moons")
    assert arms_to_query([one]) == to_query(one)
    assert arms_from_query({}) == (Experiment(),)


def test_what_all_share_stands_once() -> None:
    arms = [
        Experiment(NetworkSpec(depth=8, constraint=name), data="moons")
        for name in ("none", "centralize_layer", "centralize_layer")
    ]
    assert arms_to_query(arms) == {
        "arms": "3",
        "data": "moons",
        "depth": "8",
        "b.constraint": "centralize_layer",
        "c.constraint": "centralize_layer",
    }


@pytest.mark.parametrize("name", ["leaky_relu", "selu", "gelu"])
def test_a_part_chosen_anew_has_its_own_parameters(name: str) -> None:
    shared = {"arms": "2", "activation": "leaky_relu", "activation.negative_slope": "0.3"}
    first, second = arms_from_query(shared | {"b.activation": name})
    assert dict(first.network.activation_parameters) == {"negative_slope": 0.3}
    assert second.network.activation_parameters == ()
    assert merged(shared | {"b.activation": name}, "b") == {"arms": "2", "activation": name}


def test_what_is_recorded_and_learned_is_shared() -> None:
    for name in ("data", "seeds", "seed", "steps", "record_every"):
        assert name in SHARED
        with pytest.raises(SettingError, match="same for all arms"):
            arms_from_query({"arms": "2", f"b.{name}": "1"})
    assert arm_of("b.data.noise") == ("b", "data.noise")
    with pytest.raises(SettingError, match="same for all arms"):
        arms_from_query({"b.data.noise": "1", "arms": "2"})


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"arms": "5"}, "arms must be 1 to 4, got '5'"),
        ({"arms": "-1"}, "arms must be 1 to 4"),
        ({"arms": "nan"}, "arms must be 1 to 4"),
        ({"arms": "2", "c.depth": "3"}, "arms is 2"),
        ({"arms": "2", "b.depth": "x"}, "Arm B: depth must be a whole number"),
        ({"arms": "2", "b.activation": "sellu"}, "Did you mean 'selu'"),
        ({"arms": "2", "depth": "0"}, "Arm A: depth must be"),
        ({"b.": "1", "arms": "2"}, "Unknown setting"),
        ({f"x{k}": "1" for k in range(400)}, "at most 320 settings"),
    ],
)
def test_a_bad_link_says_what_is_wrong_and_keeps_the_rest(
    query: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        arms_from_query(query)
    arms, problems = read_arms(query | {"width": "17"} if len(query) < 9 else query)
    assert problems and all(isinstance(each, Experiment) for each in arms)
    if len(query) < 9:
        assert arms[0].network.width == 17


KEYS = st.sampled_from(["arms", "depth", "b.depth", "b", "b.", "c.b.depth", "a.activation.alpha",
                        "d.__class__", "e.depth", "a.data", "activation", "view.tab"])  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(["", "nan", "2", "4", "-1", "1e999", "9" * 5000, "cnn", "relu", "true"]),
    st.text(max_size=20),
)


@settings(max_examples=300)
@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_no_link_raises_anything_but_a_value_error(query: dict[str, str]) -> None:
    arms, problems = read_arms(query)
    assert 1 <= len(arms) <= len(LETTERS)
    assert arms_from_query(arms_to_query(arms)) == arms
    try:
        assert arms_from_query(query) == arms
    except ValueError:
        assert problems


def test_an_arm_keeps_its_depth_where_a_default_has_no_room() -> None:
    query = {"arms": "2", "kind": "cnn", "data": "digits", "b.depth": "2"}
    arms, problems = read_arms(query)
    assert not problems and [arm.network.depth for arm in arms] == [32, 2]
    assert [arm.network.dense for arm in arms] == [3, 1]


def test_there_are_one_to_four_arms() -> None:
    for count in (0, 5):
        with pytest.raises(ValueError, match="1 to 4 arms"):
            arms_to_query([Experiment()] * count)
    four = [
        replace(Experiment(), network=NetworkSpec(activation=n)) for n in list(ACTIVATIONS)[:4]
    ]
    assert arm_settings(four)["d.activation"] == list(ACTIVATIONS)[3]
