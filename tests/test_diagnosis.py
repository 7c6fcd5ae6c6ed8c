"""Verdicts: known settings get theirs, every repair helps, and no setting is without one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snn_core.activations import ACTIVATIONS
from snn_core.constraints import CONSTRAINTS
from snn_core.initializers import INITIALIZERS
from snn_core.probes import KINDS, TRAPS, Diagnosis, diagnose, repaired
from snn_core.probes.course import course
from snn_core.probes.traps import trapped
from snn_core.propagate import Propagation, run
from snn_core.spec import Experiment, NetworkSpec, from_query

FINE = ("holds", "settles")


def propagated(query: dict[str, str], seed: int = 0) -> Propagation:
    small = {"width": "128", "batch": "32", "seeds": "4", "seed": str(seed)}
    return run(from_query(small | query))


def said(found: Diagnosis) -> str:
    return " ".join((found.headline, *found.sentences, found.reason))


# Whole tables


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_network_gets_a_verdict_and_every_repair_is_a_change_that_builds(
    activation: str,
) -> None:
    dense = [name for name, law in INITIALIZERS.items() if "mlp" in law.kinds]
    pairs = {*((name, "none") for name in dense)}
    pairs |= {("lecun_normal", name) for name in CONSTRAINTS}
    for initializer, constraint in sorted(pairs):
        net = NetworkSpec(
            depth=5, width=8, activation=activation, initializer=initializer,
            constraint=constraint,
        )  # fmt: skip
        experiment = Experiment(net, batch=8, seeds=2)
        found = diagnose(run(experiment), repairs=initializer in ("he_normal", "lecun_normal"))
        assert found.kind in KINDS and found.headline.endswith(".")
        assert "nan" not in said(found).lower().replace("finance", "") and "inf " not in said(
            found
        )
        for repair in found.repairs:
            assert repaired(experiment, repair) != experiment
            assert repair.label and repair.why.endswith(".") and repair.cause
        assert not (found.kind == "holds" and found.repairs)


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.96, 1.0, 1.04, 1.1, 3.0])
def test_a_geometric_curve_is_what_its_rate_says(rate: float) -> None:
    variance = rate ** np.arange(129.0)
    found = course(np.zeros(129), variance)
    assert found is not None and math.isclose(found.rate, rate)
    expected = "holds" if rate == 1.0 else "explodes" if rate > 1.0 else "vanishes"
    assert found.kind == expected
    if rate == 0.9:
        assert variance[found.layer] < 1e-3 <= variance[found.layer - 1]


@pytest.mark.parametrize("end", [0.04, 0.83, 1.0, 1.4, 3.0])
@pytest.mark.parametrize("slope", [0.5, 0.78, 0.9])
def test_a_curve_that_approaches_a_value_settles_there(end: float, slope: float) -> None:
    variance = end * (1.0 / end) ** (slope ** np.arange(97.0))
    found = course(np.zeros(97), variance)
    assert found is not None
    assert found.kind == ("holds" if 0.8 <= end <= 1.5 else "settles")
    settled = np.abs(variance / variance[-1] - 1.0) <= 0.05
    assert settled[found.layer :].all() and (found.layer == 0 or not settled[found.layer - 1])


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
    ({"depth": "24", "activation": "sigmoid"}, "forgets", ""),
    ({"depth": "48", "activation": "gelu"}, "vanishes", ""),
    ({"depth": "48", "activation": "silu"}, "vanishes", ""),
    ({"depth": "12", "activation": "identity", "width": "512"}, "holds", ""),
    ({"depth": "48", "activation": "identity", "weight_factor": "1.3"}, "explodes",
     "weight_factor"),
    ({"depth": "48", "activation": "scaled_elu"}, "settles", ""),
    ({"depth": "48", "activation": "gelu", "normalization": "layer"}, "settles", ""),
    # the frame
    ({"depth": "48", "residual": "1"}, "explodes", "residual"),
    ({"depth": "200", "dtype": "float16", "initializer": "he_normal"}, "overflows", "dtype"),
    ({"depth": "200", "dtype": "float16"}, "holds", ""),
    ({"depth": "60", "width": "4", "features": "4", "seeds": "16"}, "scatters", "width"),
    ({"depth": "24", "kind": "cnn", "dense": "1", "channels": "48", "image_size": "8",
      "kernel": "5", "batch": "32"}, "settles", "padding"),
    ({"depth": "24", "kind": "cnn", "dense": "1", "channels": "48", "image_size": "8",
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
    number = float(found.headline.split("settles at ")[1].split(" ")[0])
    assert number == pytest.approx(variance, rel=0.15)


def test_he_weights_explode_at_the_rate_of_the_field() -> None:
    found = diagnose(propagated({"initializer": "he_normal", "depth": "96", "width": "512"}))
    rate = float(found.headline.split("×")[-1].split(" ")[0])
    assert rate == pytest.approx(1.10, abs=0.015)


# Repairs


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_gets_its_verdict_and_its_first_repair_mends_it(name: str) -> None:
    experiment = trapped(TRAPS[name])
    found = diagnose(run(experiment))
    assert found.kind == TRAPS[name].kind, said(found)
    assert bool(found.repairs) == (found.kind != "holds")
    if found.repairs:
        after = diagnose(run(repaired(experiment, found.repairs[0])))
        assert after.kind in FINE, said(after)


@pytest.mark.parametrize("query", [q for q, kind, _ in KNOWN if kind != "holds"], ids=str)
def test_a_repair_that_theory_follows_mends_what_is_measured(query: dict[str, str]) -> None:
    p = propagated(query)
    for repair in diagnose(p).repairs[:1]:
        after = diagnose(run(repaired(p.experiment, repair)))
        # He weights keep the variance of a ReLU, on average; they bring nothing back
        kept = (*FINE, "scatters") if "He normal" in repair.label else FINE
        assert after.kind in kept, f"{repair.label}: {said(after)}"


def test_a_repair_leaves_the_rest_as_it_is() -> None:
    experiment = from_query(
        {"depth": "24", "width": "64", "initializer": "he_normal", "seed": "3"}
    )
    (repair, *_) = diagnose(run(experiment)).repairs
    after = repaired(experiment, repair)
    assert (after.network.depth, after.network.width, after.seed) == (24, 64, 3)
    assert after.network.initializer == "lecun_normal"
