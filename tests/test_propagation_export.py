"""What is exported of a propagation is what was measured and predicted, to the last digit."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import fields, replace
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pytest

from snn_core.export import propagation, propagation_csv, propagation_json
from snn_core.export.propagation import COLUMNS, MEASURED, PREDICTED
from snn_core.export.text import setting_columns
from snn_core.propagate import Detail, Propagation, run
from snn_core.settings import Experiment, NetworkSpec, from_json, from_query
from snn_core.theory.mean_field.prediction import Prediction

MLP = Experiment(NetworkSpec(depth=3, width=32), "gaussian", {"mean": 0.1}, batch=32, seeds=3)
CNN = Experiment(
    NetworkSpec(kind="cnn", depth=4, dense=2, width=16, channels=4, pool="max", pool_every=2),
    "digits",
    seeds=2,
    batch=16,
)
NAMES = ["SELU, lecun", '=1+1 "x"']
WEIGHTS = ("omega", "tau", "inside")


@pytest.fixture(scope="module")
def results() -> list[Propagation]:
    return [run(MLP, backward=True, detail=True), run(CNN)]


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def strict(text: str) -> dict[str, Any]:
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def expected(p: Propagation, column: str, seed: int, layer: int) -> float:
    """What a cell is to hold; NaN for nothing."""
    if column.startswith("predicted_"):
        return getattr(p.predicted, column.removeprefix("predicted_"))[layer]
    values = getattr(p, column)
    if values is None or (column in WEIGHTS and layer == 0):
        return np.nan
    return values[seed, layer - 1 if column in WEIGHTS else layer]


def test_every_number_comes_back_to_the_last_digit(results: list[Propagation]) -> None:
    rows = table(propagation_csv(results, NAMES))
    assert len(rows) == 3 * 4 + 2 * 5 and tuple(rows[0])[: len(COLUMNS)] == COLUMNS
    keys = {(row["setting"], row["seed"], row["layer"]) for row in rows}
    assert len(keys) == len(rows)
    for row in rows:
        p, seed, layer = results[int(row["setting"])], int(row["seed"]), int(row["layer"])
        assert row["layer_name"] == p.layers[layer]
        for column in (*MEASURED, *(f"predicted_{name}" for name in PREDICTED)):
            value = expected(p, column, seed, layer)
            assert row[column] == ("" if np.isnan(value) else repr(float(value)))
    assert rows[-1]["gradient_variance"] == "" and rows[0]["gradient_variance"] != ""


def test_formulas_are_text_and_lines_end_as_the_rfc_has_it(results: list[Propagation]) -> None:
    names = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "a\nb", "good, 'name'"]
    text = propagation_csv([results[1]] * len(names), names)
    read = [row["setting_name"] for row in table(text)]
    assert read[::10] == [*(f"'{name}" for name in names[:6]), *names[6:]]
    assert text.startswith("setting,setting_name,seed,layer,") and text.endswith("\r\n")
    plain = propagation_csv(results, ["a", "b"])
    assert plain.count("\n") == plain.count("\r\n") == 1 + 3 * 4 + 2 * 5


def test_a_row_says_what_network_it_is_of(results: list[Propagation]) -> None:
    rows = table(propagation_csv(results, NAMES))
    for row in rows:
        p = results[int(row["setting"])]
        net = p.experiment.network
        assert row["setting.kind"] == net.kind and row["setting.width"] == str(net.width)
        assert row["setting.activation"] == "selu" and row["setting.seeds"] == str(len(p.mean))
        assert row["setting.data.mean"] == ("0.1" if net.kind == "mlp" else "")
        assert row["setting.pool_every"] == str(net.pool_every)
    lone = table(propagation_csv(results[1:], ["now"]))  # nothing differs, and yet it says so
    assert lone[0]["setting.kind"] == "cnn" and lone[0]["setting.data"] == "digits"


def test_a_parameter_is_told_of_every_part_that_has_it() -> None:
    nets = [
        NetworkSpec(activation="leaky_relu", activation_parameters={"negative_slope": 0.3}),
        NetworkSpec(activation="leaky_relu"),
        NetworkSpec(activation="=1.6*tanh(z)"),
    ]
    columns = setting_columns([Experiment(net) for net in nets])
    assert columns["activation.negative_slope"] == [0.3, 0.01, ""]
    assert columns["activation"][2] == "'=1.6*tanh(z)"  # no spreadsheet computes it


def test_gradients_are_there_where_one_result_has_them(results: list[Propagation]) -> None:
    assert "gradient_variance" in table(propagation_csv(results, NAMES))[0]
    without = table(propagation_csv(results[1:], NAMES[1:]))[0]
    assert not {"gradient_mean", "gradient_variance"} & set(without)
    assert "predicted_gradient_variance" in without


def test_what_is_not_finite_is_inf_or_empty_or_null(results: list[Propagation]) -> None:
    p = results[0]
    mean, variance = p.mean.copy(), p.variance.copy()
    mean[1, 2], variance[1, 2] = np.nan, np.inf
    broken = replace(p, mean=mean, variance=variance, diverged_at=(None, 2, None), detail=None)
    row = table(propagation_csv([broken], ["a"]))[4 + 2]
    assert (row["mean"], row["variance"]) == ("", "inf")
    whole = strict(propagation_json([broken], ["a"]))
    (found,) = whole["results"]
    assert found["measured"]["variance"][1][2] is None and found["measured"]["mean"][1][2] is None
    assert found["not_finite"] == {"measured.mean": 1, "measured.variance": 1}
    assert found["diverged_at"] == [None, 2, None] and found["detail"] is None
    assert "null stands for" in whole["nulls"]


def test_the_json_object_holds_the_settings_and_every_array(results: list[Propagation]) -> None:
    whole = strict(propagation_json(results, NAMES))
    assert whole["format_version"] == 1 and whole["versions"]["numpy"] == np.__version__
    assert [found["name"] for found in whole["results"]] == NAMES
    for found, p in zip(whole["results"], results, strict=True):
        assert from_json(json.dumps(found["settings"])) == p.experiment
        assert from_query(dict(parse_qsl(found["query"]))) == p.experiment
        assert found["layers"] == list(p.layers) and found["seconds"] == p.seconds
        assert found["reasons"] == list(p.predicted.reasons) and found["left_out"] == []
        for column in MEASURED:
            values = getattr(p, column)
            assert found["measured"][column] == (None if values is None else values.tolist())
        for column in (f.name for f in fields(Prediction) if f.name != "reasons"):
            back = np.array(found["predicted"][column], dtype=float)
            assert np.array_equal(back, getattr(p.predicted, column), equal_nan=True)
    cnn = whole["results"][1]
    assert cnn["not_finite"]["predicted.mean_sd"] == 5 and cnn["detail"] is None


def test_the_costlier_statistics_come_along_as_far_as_they_fit(
    results: list[Propagation], monkeypatch: pytest.MonkeyPatch
) -> None:
    detail = results[0].detail
    assert detail is not None
    found = strict(propagation_json(results[:1], ["a"]))["results"][0]
    assert list(found["detail"]) == [f.name for f in fields(Detail)]
    assert found["detail"]["histogram"] == detail.histogram.tolist()
    assert found["detail"]["unit_tau"][2] == detail.unit_tau[2].tolist()
    assert found["not_finite"] == {"detail.saturated": 3, "detail.dead": 3}  # of the input
    monkeypatch.setattr(propagation, "MOST_NUMBERS", 100)
    found = strict(propagation_json(results[:1], ["a"]))["results"][0]
    assert found["left_out"] == ["unit_mean", "unit_variance", "unit_omega", "unit_tau"]
    assert "unit_mean" not in found["detail"] and "histogram" in found["detail"]


def test_a_name_for_every_result(results: list[Propagation]) -> None:
    for export in (propagation_csv, propagation_json):
        with pytest.raises(ValueError, match="2 results; give a name for each, got 1 names"):
            export(results, ["one"])
        assert export([], [])
