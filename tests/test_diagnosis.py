"""Verdicts: known settings get theirs, every repair helps, and no setting is without one."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from benchmarks.verdicts_hold_over_random_settings import complaints, drawn
from snn_core.activations import ACTIVATIONS
from snn_core.constraints import CONSTRAINTS
from snn_core.diagnosis import KINDS, TRAPS, Diagnosis, diagnose, repaired
from snn_core.diagnosis.failures import trapped
from snn_core.diagnosis.forecast import forecast
from snn_core.diagnosis.trend import RUNAWAY, gradient_trend, trend
from snn_core.initializers import INITIALIZERS
from snn_core.propagate import Propagation, run
from snn_core.settings import Experiment, NetworkSpec, from_query

FINE = ("holds", "settles")


def propagated(query: dict[str, str], seed: int = 0) -> Propagation:
    small = {"width": "128", "batch": "48", "seeds": "4", "seed": str(seed)}
    return once(from_query(small | query))


@cache  # many tests ask for the same ones
def once(experiment: Experiment) -> Propagation:
    return run(experiment)


def said(found: Diagnosis) -> str:
    repairs = (f"{repair.label} {repair.why}" for repair in found.repairs)
    return " ".join((found.headline, *found.sentences, found.reason, *repairs))


def check(experiment: Experiment, found: Diagnosis) -> None:
    """What holds of every verdict."""
    assert found.kind in KINDS
    for sentence in (found.headline, *found.sentences, *(r.why for r in found.repairs)):
        assert sentence.endswith(".") and sentence[0].isupper() and "  " not in sentence
    words = said(found).lower()
    for plain in ("brings none", "none of them", "float", "informat", "-activ"):
        words = words.replace(plain, "")
    for strange in ("nan", "inf", "not a number", "none", "-"):
        assert strange not in words, said(found)
    fine = found.kind == "holds" and found.gradient not in RUNAWAY
    assert not (fine and (found.repairs or found.cause or found.reason))
    assert not found.cause or found.reason
    labels = [repair.label for repair in found.repairs]
    assert len(set(labels)) == len(labels) <= 3
    for repair in found.repairs:
        assert repaired(experiment, repair) != experiment
        assert repair.label and repair.cause


# Whole tables


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_network_gets_a_verdict_and_every_repair_is_a_change_that_builds(
    activation: str,
) -> None:
    laws = [name for name, law in INITIALIZERS.items() if "mlp" in law.kinds]
    first = list(ACTIVATIONS).index(activation)  # where one has LeCun's weights the next has He's
    turns = [("lecun_normal", "he_normal")[(first + j) % 2] for j in range(len(CONSTRAINTS))]
    pairs = [*((law, "none") for law in laws), *zip(turns, CONSTRAINTS, strict=True)]
    for index, (law, rule) in enumerate(pairs):
        net = NetworkSpec(
            depth=3, width=8, activation=activation, initializer=law, constraint=rule
        )  # fmt: skip
        experiment = Experiment(net, batch=4, seeds=2)
        check(experiment, diagnose(run(experiment), repairs=index % 2 == 0))


ODD: list[dict[str, str]] = [
    {"width": "1", "batch": "1", "features": "1"},
    {"depth": "1", "seeds": "1"},
    {"data.variance": "0"},
    {"data.variance": "0", "data.mean": "1"},
    {"data.variance": "1e-4", "data.mean": "3", "depth": "5"},
    {"weight_factor": "0"},
    {"weight_factor": "100", "depth": "100"},
    {"weight_factor": "100", "depth": "100", "dtype": "float16"},
    {"weight_factor": "0.01", "depth": "200", "dtype": "bfloat16"},
    {"activation": "relu", "width": "2", "depth": "64"},
    {"dropout": "standard", "dropout_rate": "0.95"},
    {"residual": "1", "residual_scale": "10", "depth": "128"},
    {"normalization": "batch", "activation": "relu", "initializer": "lsuv"},
    {"kind": "cnn", "depth": "6", "dense": "0", "initializer": "delta_orthogonal"},
    {
        "kind": "cnn",
        "depth": "6",
        "pool": "average",
        "pool_every": "2",
        "initializer": "he_normal",
    },
    {"kind": "cnn", "depth": "6", "pool": "max", "pool_every": "1", "activation": "gelu"},
    {"kind": "cnn", "depth": "6", "data": "fashion_mnist", "residual": "1"},
    {"data": "moons", "activation": "sin", "activation.omega_0": "30"},
]


@pytest.mark.parametrize("query", ODD, ids=str)
def test_a_network_at_the_edge_of_what_can_be_set_gets_a_verdict(query: dict[str, str]) -> None:
    small = {"depth": "12", "width": "16", "batch": "8", "seeds": "2", "image_size": "8"}
    for gradients in (False, True):
        p = run(from_query(small | query), backward=gradients)
        check(p.experiment, diagnose(p))
        check(p.experiment, diagnose(p, repairs=False))


@pytest.mark.parametrize("data", ["wine", "digits", "vowel", "fashion_mnist"])
def test_the_numbers_of_a_table_are_not_taken_for_standard_ones(data: str) -> None:
    p = propagated({"data": data, "depth": "4", "width": "64", "seeds": "2"})
    found = diagnose(p)
    check(p.experiment, found)
    if found.cause == "input":
        assert ("standardize", True) in found.repairs[0].settings
        assert diagnose(once(repaired(p.experiment, found.repairs[0]))).kind in FINE
    shift = abs(math.log(p.predicted.variance[0]))
    if shift > math.log(5.0):  # 4 layers do not make up for it
        assert found.cause == "input", said(found)


# Courses


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.96, 1.0, 1.04, 1.1, 3.0])
def test_a_geometric_curve_is_what_its_rate_says(rate: float) -> None:
    variance = rate ** np.arange(129.0)
    found = trend(np.zeros(129), variance)
    assert found is not None and math.isclose(found.rate, rate)
    expected = "holds" if rate == 1.0 else "explodes" if rate > 1.0 else "vanishes"
    assert found.kind == expected
    if rate == 0.9:
        assert variance[found.layer] < 1e-3 <= variance[found.layer - 1]


@pytest.mark.parametrize("end", [0.04, 0.83, 1.0, 1.4, 3.0])
@pytest.mark.parametrize("slope", [0.5, 0.78, 0.9])
def test_a_curve_that_approaches_a_value_settles_there(end: float, slope: float) -> None:
    variance = end * (1.0 / end) ** (slope ** np.arange(97.0))
    found = trend(np.zeros(97), variance)
    assert found is not None
    assert found.kind == ("holds" if 0.8 <= end <= 1.5 else "settles")
    settled = np.abs(variance / variance[-1] - 1.0) <= 0.05
    assert settled[found.layer :].all() and (found.layer == 0 or not settled[found.layer - 1])


@pytest.mark.parametrize("depth", [48, 96, 400])
def test_a_slow_fall_is_no_resting_place(depth: int) -> None:
    fall = 1.0 / (1.0 + 2.0 * np.arange(depth + 1.0))  # tanh's, at tau = 1
    found = trend(np.zeros(depth + 1), fall)
    assert found is not None and found.kind == "vanishes"


@pytest.mark.parametrize("start", [1e4, 30.0, 1e-4])
def test_what_comes_back_to_1_neither_vanishes_nor_explodes(start: float) -> None:
    variance = np.exp(math.log(start) * 0.8 ** np.arange(7.0))
    found = trend(np.zeros(7), variance)
    assert found is not None and found.kind in ("drifts", *FINE)


@pytest.mark.parametrize("last", [0.0, math.nan, math.inf])
def test_what_has_no_end_has_no_course(last: float) -> None:
    assert trend(np.zeros(3), np.array([1.0, 1.0, last])) is None


@pytest.mark.parametrize("rate", [1e-3, 0.5, 0.95, 1.0, 1.05, 2.0, 1e3])
@pytest.mark.parametrize("depth", [1, 2, 17, 400])
def test_a_gradients_trend_is_what_its_rate_says(rate: float, depth: int) -> None:
    with np.errstate(all="ignore"):
        found = gradient_trend(rate ** np.arange(depth, -1.0, -1.0))
    steps = max(depth - 1, 1)  # the step to the input does not count, where there is another
    size = abs(steps * math.log10(rate))
    assert found is not None
    if size < 300:
        assert found.rate == pytest.approx(rate)
        assert math.log10(found.ratio) == pytest.approx(steps * math.log10(rate), abs=1e-9)
    ways = ("explodes", "grows") if rate > 1.0 else ("vanishes", "shrinks")
    assert found.kind == ("holds" if size < 2.0 else ways[0] if size >= 4.0 else ways[1])


@pytest.mark.parametrize("values", [[1.0, math.nan, 1.0], [1.0, 1.0, 0.0], [1.0, 1.0, math.inf]])
def test_a_gradient_that_is_not_known_has_no_trend(values: list[float]) -> None:
    assert gradient_trend(np.array(values)) is None


# Known settings

KNOWN: list[tuple[dict[str, str], str, str]] = [
    # SELU and its weights: field oracles
    ({"depth": "48"}, "holds", ""),
    ({"depth": "48", "initializer": "lecun_uniform"}, "holds", ""),
    ({"depth": "48", "initializer": "lecun_truncated"}, "holds", ""),
    ({"depth": "48", "initializer": "orthogonal"}, "holds", ""),
    ({"depth": "48", "initializer": "selu_gain"}, "settles", "initializer"),
    ({"depth": "48", "initializer": "pytorch_default"}, "forgets", "initializer"),
    ({"depth": "48", "initializer": "he_normal"}, "explodes", "initializer"),
    ({"depth": "48", "initializer": "he_uniform"}, "explodes", "initializer"),
    ({"depth": "16", "initializer": "he_normal"}, "explodes", "initializer"),  # only begun
    ({"depth": "64", "weight_factor": "0.3"}, "vanishes", "weight_factor"),
    ({"depth": "48", "weight_factor": "3"}, "explodes", "weight_factor"),
    ({"depth": "48", "weight_factor": "0.5625"}, "settles", "weight_factor"),
    ({"depth": "48", "bias": "0.1"}, "settles", "bias"),
    ({"depth": "48", "bias": "-0.2"}, "settles", "bias"),
    ({"depth": "48", "dropout": "alpha"}, "holds", ""),
    ({"depth": "48", "dropout": "standard", "dropout_rate": "0.3"}, "settles", "dropout"),
    ({"depth": "4", "data": "uniform"}, "drifts", "input"),
    ({"depth": "4", "data": "uniform", "standardize": "1"}, "holds", ""),
    ({"depth": "48", "constraint": "centralize_unit"}, "holds", ""),
    ({"depth": "48", "constraint": "standardize_unit"}, "holds", ""),
    ({"depth": "48", "constraint": "centralize_unit", "initializer": "he_normal"}, "settles",
     "initializer"),  # at 17: without omega a larger tau has a fixed point
    ({"depth": "48", "initializer": "he_normal", "constraint": "unit_norm"}, "holds", ""),
    # others' activations
    ({"depth": "48", "activation": "relu"}, "vanishes", "initializer"),
    ({"depth": "12", "activation": "relu", "initializer": "he_normal", "width": "512"}, "settles",
     ""),
    ({"depth": "48", "activation": "tanh", "initializer": "he_normal"}, "settles", ""),
    ({"depth": "24", "activation": "sigmoid"}, "forgets", "activation"),
    ({"depth": "48", "activation": "gelu"}, "vanishes", "activation"),
    # as 1 / depth
    ({"depth": "64", "activation": "tanh"}, "vanishes", "initializer"),
    ({"depth": "48", "activation": "silu"}, "vanishes", ""),
    ({"depth": "12", "activation": "identity", "width": "512"}, "holds", ""),
    ({"depth": "48", "activation": "identity", "weight_factor": "1.3"}, "explodes",
     "weight_factor"),
    ({"depth": "48", "activation": "scaled_elu"}, "settles", ""),
    ({"depth": "48", "activation": "gelu", "normalization": "layer"}, "settles", ""),
    # the frame
    ({"depth": "48", "residual": "1"}, "explodes", "residual"),
    # float16 ends sooner, but the weights are at fault
    ({"depth": "200", "dtype": "float16", "initializer": "he_normal"}, "overflows", "initializer"),
    ({"depth": "200", "dtype": "float16", "weight_factor": "0.3"}, "dies", "weight_factor"),
    # two faults at once
    ({"depth": "8", "initializer": "he_normal", "data": "uniform"}, "explodes", "initializer"),
    ({"depth": "48", "initializer": "he_normal", "constraint": "spectral_norm"}, "vanishes",
     "initializer"),
    # raw tables
    ({"depth": "4", "data": "digits"}, "drifts", "input"),
    ({"depth": "8", "data": "wine"}, "drifts", "input"),
    ({"depth": "4", "data": "fashion_mnist"}, "drifts", "input"),
    ({"depth": "200", "dtype": "float16"}, "holds", ""),
    ({"depth": "64", "activation": "relu", "initializer": "he_normal", "width": "3"}, "dies",
     "width"),
    ({"depth": "60", "width": "4", "features": "4", "seeds": "16"}, "scatters", "width"),
    ({"depth": "24", "kind": "cnn", "dense": "0", "channels": "48", "image_size": "8",
      "kernel": "5", "batch": "32"}, "settles", "padding"),
    ({"depth": "24", "kind": "cnn", "dense": "0", "channels": "48", "image_size": "8",
      "kernel": "5", "batch": "32", "padding": "circular"}, "holds", ""),
]  # fmt: skip


@pytest.mark.parametrize(("query", "kind", "cause"), KNOWN, ids=lambda part: str(part)[:60])
def test_a_known_setting_gets_its_verdict_whatever_the_seed(
    query: dict[str, str], kind: str, cause: str
) -> None:
    for seed in (0, 1000):
        found = diagnose(propagated(query, seed))
        assert found.kind == kind, said(found)
        if cause:
            assert found.cause == cause, said(found)
            assert found.reason


def test_enough_settings_are_known() -> None:
    assert len(KNOWN) >= 30


@pytest.mark.parametrize(("query", "variance"), [
    ({"initializer": "selu_gain", "depth": "96", "width": "512"}, 0.0398),
    ({"weight_factor": "0.95", "depth": "64", "width": "512"}, 0.830),
    ({"weight_factor": "1.1", "depth": "64", "width": "512"}, 1.408),
])  # fmt: skip
def test_the_headline_has_the_fields_numbers(query: dict[str, str], variance: float) -> None:
    p = propagated(query)
    assert p.predicted.variance[-1] == pytest.approx(variance, rel=5e-3)
    found = diagnose(p)
    number = float(found.headline.split(" at ")[1].split(" ")[0])
    assert number == pytest.approx(variance, rel=0.15)


def test_he_weights_explode_at_the_rate_of_the_field() -> None:
    found = diagnose(propagated({"initializer": "he_normal", "depth": "96", "width": "512"}))
    rate = float(found.headline.split("×")[-1].split(" ")[0])
    assert rate == pytest.approx(1.10, abs=0.015)


# Repairs


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_gets_its_verdict_and_its_first_repair_mends_it(name: str) -> None:
    experiment = trapped(TRAPS[name])
    found = diagnose(once(experiment))
    assert found.kind == TRAPS[name].kind, said(found)
    assert bool(found.repairs) == (found.kind != "holds")
    if found.repairs:
        after = diagnose(once(repaired(experiment, found.repairs[0])))
        assert after.kind in FINE, said(after)


@pytest.mark.parametrize("query", [q for q, kind, _ in KNOWN if kind != "holds"], ids=str)
def test_a_repair_that_theory_follows_mends_what_is_measured(query: dict[str, str]) -> None:
    p = propagated(query)
    for repair in diagnose(p).repairs[:1]:
        after = diagnose(once(repaired(p.experiment, repair)))
        # He weights keep the variance of a ReLU, on average; they bring nothing back
        kept = (*FINE, "scatters") if "He normal" in repair.label else FINE
        # scaled branches grow to e in all, whatever the depth
        kept = (*FINE, "drifts") if "Scale the branches" in repair.label else kept
        assert after.kind in kept, f"{repair.label}: {said(after)}"


@pytest.mark.parametrize("query", [q for q, kind, _ in KNOWN if kind != "holds"], ids=str)
def test_no_repair_makes_a_gradient_vanish_or_explode(query: dict[str, str]) -> None:
    p = propagated(query)
    before = forecast(p.experiment).gradient
    if before is None or before.kind in RUNAWAY:
        return
    for repair in diagnose(p).repairs:
        after = forecast(repaired(p.experiment, repair)).gradient
        assert after is None or after.kind not in RUNAWAY, repair.label


# Activations that hold, gradients that do not: setting, what the gradient does, what mends it.
GRADIENTS: list[tuple[dict[str, str], str, str]] = [
    ({"depth": "200"}, "explodes", "Use 5"),
    ({"depth": "64", "dropout": "alpha"}, "vanishes", "Use alpha dropout at 0.05"),
    ({"depth": "100", "activation": "tanh", "weight_factor": "100"}, "explodes",
     "Use SELU with LeCun normal weights"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "kind", "label"), GRADIENTS, ids=str)
def test_a_gradient_that_runs_away_is_a_fault_of_its_own(
    query: dict[str, str], kind: str, label: str
) -> None:
    experiment = from_query({"width": "64", "batch": "32", "seeds": "2"} | query)
    found = diagnose(run(experiment, backward=True))
    check(experiment, found)
    assert found.kind == "holds" and found.gradient == kind, said(found)
    assert found.repairs[0].label.startswith(label) and found.cause, said(found)
    after = diagnose(run(repaired(experiment, found.repairs[0]), backward=True))
    assert after.kind in FINE and after.gradient not in RUNAWAY, said(after)


def test_the_gain_of_an_activation_that_keeps_every_variance_is_known() -> None:
    """tau = 2 / (1 + a^2): He, Zhang, Ren, Sun 2015, eq. 15."""
    for slope in (0.25, 0.5):
        query = {"activation": "leaky_relu", "activation.negative_slope": str(slope)}
        found = diagnose(propagated(query | {"initializer": "he_normal", "depth": "50"}))
        assert dict(found.repairs[0].settings) == {
            "weight_factor": pytest.approx(1.0 / (1.0 + slope**2), rel=1e-3)
        }
        assert found.cause == "weight_factor"


def test_of_two_faults_both_are_mended_where_one_is_not_enough() -> None:
    p = propagated({"depth": "8", "initializer": "he_normal", "data": "uniform"})
    assert dict(diagnose(p).repairs[0].settings) == {
        "initializer": "lecun_normal", "weight_factor": 1.0, "standardize": True,
    }  # fmt: skip


def test_a_repair_that_can_be_seen_to_fail_in_theory_is_not_offered() -> None:
    p = propagated({"depth": "200", "dtype": "float16", "initializer": "he_normal"})
    assert all(dict(repair.settings).get("dtype") is None for repair in diagnose(p).repairs)


def test_weights_that_mend_the_variance_alone_are_said_to() -> None:
    query = {"depth": "64", "activation": "relu", "initializer": "glorot_normal", "seeds": "2"}
    said = diagnose(run(from_query(query)))
    assert "The variance can be repaired, the correlation cannot" in said.reason
    assert "use He normal weights, and the variance settles at 0.682; but" in said.reason
    assert all("He" not in repair.label for repair in said.repairs)
    shallow = diagnose(run(from_query(query | {"depth": "16"})))
    assert (
        "correlation" not in shallow.reason and shallow.repairs[0].label == "Use He normal weights"
    )


def test_where_theory_stands_still_the_number_format_or_the_width_is_at_fault() -> None:
    narrow = propagated({"depth": "60", "width": "4", "features": "4", "seeds": "16"})
    assert diagnose(narrow).cause == "width"
    assert [key for key, _ in diagnose(narrow).repairs[0].settings] == ["width"]
    lost = replace(
        propagated({"depth": "8", "dtype": "float16"}),
        variance=np.full((4, 9), np.inf) * np.arange(9.0).clip(0.1), diverged_at=(1,) * 4,
    )  # fmt: skip
    lost.variance[:, 0] = 1.0
    found = diagnose(lost)
    assert (found.kind, found.cause) == ("overflows", "dtype")
    assert found.repairs[0].settings == (("dtype", "float32"),)


def test_an_input_beyond_the_number_format_is_at_fault() -> None:
    p = propagated({"depth": "8", "dtype": "float16"})
    found = diagnose(replace(p, variance=np.full((4, 9), np.inf), diverged_at=(0,) * 4))
    assert (found.kind, found.cause) == ("overflows", "input")
    assert found.repairs[0].settings == (("dtype", "float32"),)


def test_that_the_truncated_normal_is_harmless_is_said() -> None:
    found = diagnose(once(trapped(TRAPS["truncated"])))
    assert found.kind == "holds" and "does no harm" in said(found)


def test_the_gradient_is_the_measured_one_where_there_is_one() -> None:
    experiment = from_query({"depth": "12", "width": "64", "batch": "32", "seeds": "2"})
    for backward, source in ((False, "(in theory)"), (True, "(measured)")):
        assert source in said(diagnose(run(experiment, backward=backward)))


def test_without_repairs_the_kind_and_the_headline_are_the_same() -> None:
    for query in ({"initializer": "he_normal"}, {"bias": "0.1"}, {"width": "6"}):
        p = propagated(query)
        whole, quick = diagnose(p), diagnose(p, repairs=False)
        assert (quick.kind, quick.headline) == (whole.kind, whole.headline)
        assert quick.repairs == ()


def test_a_repair_leaves_the_rest_as_it_is() -> None:
    experiment = from_query(
        {"depth": "24", "width": "64", "initializer": "he_normal", "seed": "3"}
    )
    (repair, *_) = diagnose(run(experiment)).repairs
    after = repaired(experiment, repair)
    assert (after.network.depth, after.network.width, after.seed) == (24, 64, 3)
    assert after.network.initializer == "lecun_normal"


# Random settings


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_over_random_settings_repairs_do_what_they_say(first: int) -> None:
    drawn_ones = {seed: drawn(seed) for seed in range(first, first + 10)}
    found = {seed: complaints(each) for seed, each in drawn_ones.items() if each is not None}
    assert len(found) >= 5
    assert not {seed: lines for seed, lines in found.items() if lines}
