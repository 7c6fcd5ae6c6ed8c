"""Specs are data: every setting round-trips through a link, and no link breaks anything."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_core.activations import ACTIVATIONS
from snn_core.constraints import CONSTRAINTS
from snn_core.datasets import DATASETS
from snn_core.initializers import INITIALIZERS
from snn_core.normalizations import NORMALIZATIONS
from snn_core.settings import (
    Experiment,
    NetworkSpec,
    SettingError,
    TrainingSpec,
    from_json,
    from_query,
    plan_of,
    read_query,
    to_json,
    to_query,
)

TABLES = {
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
    "constraint": CONSTRAINTS,
    "normalization": NORMALIZATIONS,
}


def entries() -> list[tuple[str, str]]:
    return [(part, name) for part, table in TABLES.items() for name in table]


def spec_with(part: str, name: str) -> NetworkSpec:
    """A network with that part, every parameter of it moved off its default."""
    moved = {
        p.name: round((p.default + (p.high if p.high > p.default else p.low)) / 2, 3)
        for p in TABLES[part][name].parameters
    }
    moved = {key: 4.0 if key == "groups" else value for key, value in moved.items()}
    return NetworkSpec(**{"kind": "cnn", part: name, f"{part}_parameters": moved})


def round_trips(experiment: Experiment) -> None:
    query = to_query(experiment)
    assert all(isinstance(k, str) and isinstance(v, str) for k, v in query.items())
    assert from_query(query) == experiment
    assert read_query(query) == (experiment, [])
    assert from_json(to_json(experiment)) == experiment
    assert hash(from_query(query)) == hash(experiment)


@pytest.mark.parametrize(("part", "name"), entries())
def test_every_table_entry_round_trips(part: str, name: str) -> None:
    round_trips(Experiment(network=spec_with(part, name)))


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_round_trips(name: str) -> None:
    round_trips(Experiment(data=name, standardize=True))


def knob_values(kind: type) -> st.SearchStrategy[dict[str, object]]:
    """Any valid value of any plain setting, each by itself."""
    options = []
    for f in fields(kind):
        meta = f.metadata
        if not meta:
            continue
        if meta["options"] is not None:
            values = st.sampled_from(tuple(meta["options"]))
        elif isinstance(f.default, bool):
            values = st.booleans()
        elif isinstance(f.default, int):
            values = st.integers(int(meta["low"]), int(meta["high"]))
        else:
            values = st.floats(meta["low"], meta["high"])
        options.append(st.tuples(st.just(f.name), values))
    return st.lists(st.one_of(options), max_size=8).map(dict)


@given(knob_values(NetworkSpec), knob_values(Experiment), knob_values(TrainingSpec))
@settings(max_examples=300, deadline=None)
def test_any_settings_round_trip_or_are_refused_in_words(
    network: dict[str, object], rest: dict[str, object], training: dict[str, object]
) -> None:
    try:
        experiment = Experiment(
            network=NetworkSpec(**network), training=TrainingSpec(**training), **rest
        )
    except SettingError as error:
        assert error.settings and str(error).endswith(".")
    else:
        round_trips(experiment)
        assert len(plan_of(experiment)) == experiment.network.depth


def test_no_two_settings_share_a_key() -> None:
    kinds = (NetworkSpec, Experiment, TrainingSpec)
    names = [f.name for kind in kinds for f in fields(kind)]
    assert len(names) == len(set(names))
    assert len(names) + 16 <= 80  # with the parts' parameters, all of them fit into one link


def test_training_stands_flat_in_a_link() -> None:
    training = TrainingSpec(optimizer="adam", nesterov=True, clip=1.0)
    query = {"optimizer": "adam", "nesterov": "1", "clip": "1.0", "depth": "4"}
    experiment = Experiment(network=NetworkSpec(depth=4), training=training)
    assert to_query(experiment).items() == query.items()
    opened, problems = read_query(query | {"optimizer": "adan", "momentum": "2"})
    assert opened == Experiment(
        network=NetworkSpec(depth=4), training=TrainingSpec(nesterov=True, clip=1.0)
    )
    assert len(problems) == 2 and any("Did you mean 'adam'" in text for text in problems)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"optimizer": "sdg"}, "Did you mean 'sgd'"),
        ({"learning_rate": float("inf")}, "got inf"),
        ({"steps": 0}, "between 1 and"),
        ({"nesterov": True, "momentum": 0.0}, "momentum above 0"),
        ({"mixup": -1.0}, "the nearest is 0"),
        ({"trainable_scale": 1}, "True or False"),
    ],
)
def test_a_wrong_training_is_refused_with_what_is_right(given: dict, sentence: str) -> None:
    with pytest.raises(SettingError, match=sentence):
        TrainingSpec(**given)
    with pytest.raises(SettingError, match="must be a TrainingSpec"):
        Experiment(training="sgd")


KEYS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [f.name for kind in (NetworkSpec, Experiment, TrainingSpec) for f in fields(kind)]
    ),
    st.sampled_from(
        ["activation.alpha", "activation.__class__", "data.variance", "network.depth", "."]
    ),
)
VALUES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["nan", "-inf", "1e999", "9" * 5000, "[" * 100_000, "__import__('os')", "", "0", "-1"]
    ),
    st.integers().map(str),
    st.floats().map(str),
)


@given(st.dictionaries(KEYS, VALUES, max_size=10))
@settings(max_examples=400, deadline=None)
def test_a_hostile_link_gives_an_experiment_and_sentences(query: dict[str, str]) -> None:
    experiment, problems = read_query(query)
    assert isinstance(experiment, Experiment)
    assert all(0 < len(problem) < 2000 for problem in problems)
    assert from_query(to_query(experiment)) == experiment
    if problems:
        with pytest.raises(ValueError):
            from_query(query)
    else:
        assert from_query(query) == experiment


@given(st.text(max_size=200))
def test_json_gives_an_experiment_or_a_value_error(text: str) -> None:
    try:
        assert isinstance(from_json(text), Experiment)
    except ValueError:
        pass


@pytest.mark.parametrize("text", ["[" * 99_000, "[]", "3", '{"depth": [1]}', '{"depth": "4"}'])
def test_hostile_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        from_json(text)


def test_only_the_setting_at_fault_falls_back() -> None:
    query = {"depth": "40", "width": "1e9", "activation": "sellu", "batch": "64"}
    experiment, problems = read_query(query)
    assert experiment == Experiment(network=NetworkSpec(depth=40), batch=64)
    assert len(problems) == 2
    assert any("Did you mean 'selu'" in problem for problem in problems)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_default_gives_way_to_what_a_link_says(depth: int) -> None:
    query = {"kind": "cnn", "data": "digits", "depth": str(depth)}
    experiment, problems = read_query(query)
    assert not problems and experiment == from_query(query)
    assert (experiment.network.depth, experiment.network.dense) == (depth, depth - 1)
    _, problems = read_query(query | {"dense": "3"})
    assert any("room for at most" in problem for problem in problems)


def test_the_default_is_the_empty_link_and_defaults_are_left_out() -> None:
    assert to_query(Experiment()) == {}
    assert to_query(Experiment(network=NetworkSpec(depth=32, width=128))) == {"width": "128"}
    usual = NetworkSpec(activation="elu", activation_parameters={"alpha": 1.0})
    assert usual == NetworkSpec(activation="elu")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"activation": "sellu"}, "Did you mean 'selu'"),
        ({"depth": 0}, "between 1 and 512"),
        ({"depth": float("nan")}, "got nan"),
        ({"depth": True}, "got True"),
        ({"kernel": 4}, "nearest are 3 and 5"),
        ({"initializer": "delta_orthogonal"}, "an MLP has none"),
        ({"activation": "identity", "dropout": "alpha"}, "identity has none"),
        ({"kind": "cnn", "depth": 3, "dense": 3}, "at most 2 dense layers"),
        ({"activation_parameters": {"alfa": 1.0}}, "Did you mean 'alpha'"),
        ({"activation_parameters": {"alpha": -1e9}}, "selu.alpha must be"),
        ({"activation_parameters": 3}, "must map names to numbers"),
        ({"residual": "yes"}, "True or False"),
    ],
)
def test_a_wrong_network_is_refused_with_what_is_right(given: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        NetworkSpec(**given)


@pytest.mark.parametrize(
    ("network", "given", "sentence"),
    [
        ({"kind": "cnn"}, {"data": "wine"}, "has no images"),
        ({"kind": "cnn", "pool": "max", "pool_every": 1, "depth": 10}, {}, "can't be pooled"),
        ({"kind": "cnn", "padding": "reflect"}, {"image_size": 2, "data": "gaussian"}, ""),
        ({"normalization": "batch"}, {"batch": 1}, "at least 2"),
        ({"normalization": "group", "normalization_parameters": {"groups": 7}}, {}, "nearest"),
        ({}, {"data_parameters": {"variance": 0.0}, "standardize": True}, "variance 0"),
        ({}, {"seeds": 1000}, "between 1 and 64"),
        ({}, {"network": "mlp"}, "must be a NetworkSpec"),
    ],
)
def test_a_wrong_experiment_is_refused(network: dict, given: dict, sentence: str) -> None:
    if sentence == "":  # a reach of one pixel fits into two
        Experiment(network=NetworkSpec(**network), **given)
        given, sentence = {"image_size": 2}, "needs a larger image"
        network = {**network, "kernel": 5}
    with pytest.raises(ValueError, match=sentence):
        Experiment(**{"network": NetworkSpec(**network), **given})


def test_the_seed_case_is_one_spec() -> None:
    seed_case = NetworkSpec(
        kind="cnn", depth=15, dense=3, channels=16, channel_growth=1.75, pool="max", pool_every=4
    )
    layers = plan_of(Experiment(network=seed_case, data="fashion_mnist"))
    assert [layer.kind for layer in layers] == ["conv"] * 12 + ["dense"] * 3
    assert [layer.outputs for layer in layers[:12:4]] == [16, 28, 49]
    assert [layer.output_size for layer in layers[3:12:4]] == [14, 7, 3]
    assert layers[12].inputs == 49 * 9


def test_delta_orthogonal_needs_room_for_its_channels() -> None:
    net = NetworkSpec(kind="cnn", initializer="delta_orthogonal", channels=2)
    with pytest.raises(ValueError, match="at least 3 channels"):
        Experiment(network=net, image_channels=3)
    assert Experiment(network=replace(net, channels=3), image_channels=3).image_channels == 3


def test_a_setting_behind_a_hundred_unknown_ones_is_followed() -> None:
    query = {f"junk{k}": "1" for k in range(200)} | {"depth": "7"}
    experiment, problems = read_query(query)
    assert experiment.network.depth == 7 and len(problems) == 200


@pytest.mark.parametrize("key", ["activation.name", "data.name", "activation.__class__"])
def test_a_parameter_of_no_known_name_is_refused_in_words(key: str) -> None:
    experiment, problems = read_query({key: "1"})
    assert experiment == Experiment() and len(problems) == 1
    assert "argument" not in problems[0] and "parameter" in problems[0]


@pytest.mark.parametrize("text", [5, None, "1" * 9999])
def test_json_that_is_no_experiment_is_a_value_error(text: object) -> None:
    with pytest.raises(ValueError):
        from_json(text)


def test_what_a_person_reads_spells_standardize_as_the_link_does() -> None:
    root = Path(__file__).parents[1]
    for path in (*root.glob("pages/**/*.py"), *root.glob("snn_core/**/*.py")):
        assert "tandardis" not in path.read_text(), path
