"""What the contrast of two networks says and draws comes from their results."""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pytest

from pages.propagate.contrast.comparison import BINS, UNITS, _common_edges, _histograms, compared
from snn_core.propagate import Propagation, run
from snn_core.settings import Experiment, NetworkSpec
from snn_core.wording import brief

DEPTH = 12
SELU: dict[str, Any] = {"activation": "selu"}
RELU: dict[str, Any] = {"activation": "relu"}
HE: dict[str, Any] = {"activation": "relu", "initializer": "he_normal"}
# Network, and what becomes of its signal.
CASES: list[tuple[dict[str, Any], str]] = [
    (SELU, "keeps its signal"),
    (RELU, "loses its signal layer by layer"),
    ({"activation": "relu", "weight_factor": 5.0}, "blows its signal up"),
    (
        {"activation": "identity", "weight_factor": 100.0, "dtype": "float16"},
        "blows its signal up",
    ),
    (HE, "changes its signal"),
]


@functools.lru_cache
def propagated(settings: tuple[tuple[str, Any], ...]) -> Propagation:
    own = dict(settings)
    dtype = own.pop("dtype", "float32")
    network = NetworkSpec(depth=DEPTH, width=64, **own)
    return run(Experiment(network, batch=64, seeds=2, dtype=dtype), detail=True)


def of(settings: dict[str, Any]) -> Propagation:
    return propagated(tuple(settings.items()))


def sentence(left: Propagation, right: Propagation) -> str:
    return "".join(text for text, _ in compared(left, right)["words"])


@pytest.mark.parametrize(("settings", "outcome"), CASES)
def test_the_sentence_says_of_both_what_becomes_of_their_signal(
    settings: dict[str, Any], outcome: str
) -> None:
    p = of(settings)
    assert outcome in sentence(of(SELU), p)
    assert outcome in sentence(p, of(SELU)).partition(";")[0]
    ends = np.median(p.variance, axis=0)[[0, -1]]
    if outcome != "keeps its signal":
        assert f"{brief(ends[0])} to {brief(ends[1])}" in sentence(of(SELU), p)


@pytest.mark.parametrize(("settings", "same"), [(RELU, True), (HE, False)])
def test_the_very_same_weights_are_claimed_only_where_they_are(
    settings: dict[str, Any], same: bool
) -> None:
    assert ("very same weights" in sentence(of(SELU), of(settings))) is same


@pytest.mark.parametrize("settings", [settings for settings, _ in CASES])
def test_every_layer_has_its_numbers_its_units_and_its_bars(settings: dict[str, Any]) -> None:
    p = of(settings)
    data = compared(of(SELU), p)
    json.dumps(data, allow_nan=False)  # a browser reads no NaN
    drawn = data["networks"][1]
    variance, mean = np.median(p.variance, axis=0), np.median(p.mean, axis=0)
    for index, reading in enumerate(drawn["layers"]):
        assert reading["variance"] == brief(float(variance[index]))
        assert reading["mean"] == brief(float(mean[index]))
        assert reading["theory"] == brief(float(p.predicted.variance[index]))
    for table, width in ((drawn["spread"], UNITS), (drawn["bars"], BINS)):
        assert np.shape(table) == (DEPTH + 1, width)
        assert np.min(table) >= 0
    assert np.max(drawn["bars"]) <= 1
    assert (
        drawn["label"] in drawn["alt"] and brief(float(p.predicted.variance[-1])) in drawn["alt"]
    )


@pytest.mark.parametrize("settings", [SELU, RELU, HE])
def test_a_histogram_on_other_edges_keeps_its_shares(settings: dict[str, Any]) -> None:
    p = of(settings)
    assert p.detail is not None
    shares = _histograms(p, _common_edges([of(SELU), p]))
    assert shares.sum(1) == pytest.approx(1.0)
    own = p.detail.edges
    merged = np.diff(np.concatenate([np.zeros(1), p.detail.histogram.mean(0)[-1].cumsum()])[::8])
    again = np.array([_histograms(p, own[::8])[-1]])
    assert again == pytest.approx(merged[None])


def test_what_a_relu_sets_to_0_is_in_the_middle_bar() -> None:
    shares = _histograms(of(RELU), _common_edges([of(SELU), of(RELU)]))
    assert (shares[1:, BINS // 2] > 0.45).all()
    assert shares[-1, BINS // 2] == pytest.approx(1.0)
