"""Names and bounds: one wording, and never a crash on a strange value."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_core.activations import ACTIVATIONS
from snn_core.datasets import DATASETS
from snn_core.initializers import INITIALIZERS
from snn_core.settings import from_query
from snn_core.tables import ELSEWHERE, Parameter, choose, number, pick, settle

ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())
)


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(ValueError, match="Unknown activation 'sellu'. Did you mean 'selu'"):
        pick({"selu": 1, "tanh": 2}, "sellu", "activation")


def test_swapped_letters_win_over_as_near_a_name() -> None:
    table = dict.fromkeys(("silu", "selu", "lselu"))
    for given_name in ("sleu", "SELU", "sellu"):
        with pytest.raises(ValueError, match="Did you mean 'selu'"):
            pick(table, given_name, "activation")


@pytest.mark.parametrize("name", [*ELSEWHERE, "kaiming_normal_", "Xavier_Uniform_"])
def test_a_name_from_elsewhere_is_pointed_to_the_same_thing_here(name: str) -> None:
    tables = {"initializer": INITIALIZERS, "activation": ACTIVATIONS, "data": DATASETS}
    meant = ELSEWHERE[name.lower().removesuffix("_")]
    kind = next(kind for kind, table in tables.items() if meant in table)
    with pytest.raises(ValueError, match=f"Did you mean '{meant}'"):
        from_query({kind: name})


@given(ANYTHING)
def test_pick_gives_a_value_or_a_short_value_error(name: object) -> None:
    with pytest.raises(ValueError) as caught:
        pick({"selu": 1}, name, "activation")
    assert len(str(caught.value)) < 300


@given(ANYTHING)
def test_number_gives_a_number_within_bounds_or_a_value_error(value: object) -> None:
    try:
        found = number("depth", value, 1, 512, integer=True)
    except ValueError as error:
        assert "depth must be a whole number between 1 and 512" in str(error)
        assert len(str(error)) < 300
    else:
        assert type(found) is int and 1 <= found <= 512


@pytest.mark.parametrize("value", [math.nan, math.inf, True, "3", None, 0, 513, 3.5])
def test_number_refuses(value: object) -> None:
    with pytest.raises(ValueError, match="depth"):
        number("depth", value, 1, 512, integer=True)


def test_number_takes_numpy_scalars_and_whole_floats() -> None:
    assert number("depth", np.int64(4), 1, 512, integer=True) == 4
    assert number("depth", 4.0, 1, 512, integer=True) == 4
    assert number("gain", np.float32(0.5), 0, 1) == 0.5


def test_choose_and_settle() -> None:
    alpha = Parameter("alpha", 1.0, 0.0, 10.0)
    assert choose(("a", "b"), "b", "letter") == "b"
    assert settle((alpha,), {}, "elu") == {"alpha": 1.0}
    assert settle((alpha,), {"alpha": 2}, "elu") == {"alpha": 2.0}
    with pytest.raises(ValueError, match="Did you mean 'alpha'"):
        settle((alpha,), {"alfa": 1.0}, "elu")
    with pytest.raises(ValueError, match="elu.alpha must be a number between 0 and 10, got 11"):
        settle((alpha,), {"alpha": 11.0}, "elu")
    with pytest.raises(ValueError, match="relu has no parameters"):
        settle((), {"alpha": 1.0}, "relu")
