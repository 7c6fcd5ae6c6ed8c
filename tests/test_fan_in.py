"""The mean that all inputs share: what is measured is what theory predicts, at every fan-in."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from snn_core.diagnosis import FAN_INS, FanIn, fan_in_experiment
from snn_core.diagnosis.fan_in import COMPARED
from snn_core.propagate import Stopped, run
from snn_core.settings import Experiment, NetworkSpec
from snn_core.theory.moments.maps import correlation_map, moment_map

NONE, LAYER, UNIT = range(3)  # in COMPARED
EXACT = (*COMPARED, "standardize_unit", "unit_norm")
SMALL: dict[str, Any] = {"fan_ins": (4, 32), "units": 256, "layers": 2, "batch": 64}


def errors(found: FanIn, name: str) -> np.ndarray:
    """How many standard errors the mean over networks is from the prediction."""
    error = getattr(found, f"{name}_sd") / np.sqrt(found.networks)[:, None]
    return (getattr(found, name) - getattr(found, f"predicted_{name}")) / error


def same(a: FanIn, b: FanIn) -> bool:
    names = [f.name for f in fields(FanIn) if f.name not in ("seconds", "constraints")]
    equal = (np.array_equal(getattr(a, n), getattr(b, n), equal_nan=True) for n in names[3:])
    return a.constraints == b.constraints and all(equal)


@pytest.fixture(scope="module")
def default() -> FanIn:
    return fan_in_experiment(fan_ins=(4, 16, 64, 256, 1024), units=8192)


@pytest.mark.parametrize(
    ("activation", "mean", "variance"),
    [("selu", 0.5, 1.0), ("relu", -1.0, 0.5), ("tanh", 2.0, 0.1), ("identity", 1.0, 1.0)],
)
def test_the_first_layer_is_as_predicted_at_every_fan_in(
    activation: str, mean: float, variance: float
) -> None:
    found = fan_in_experiment(
        activation, EXACT, (4, 16, 64), mean, variance, layers=1, seeds=16, units=4096
    )
    assert found.exact.all() and found.mean.shape == (5, 3, 1)
    for name in ("mean", "variance", "between"):
        assert np.abs(errors(found, name)).max() < 5.0
    # the standard deviation over k networks has itself a relative error of about 1/sqrt(2 k)
    ratio = (found.mean_sd / found.predicted_mean_sd)[..., 0]
    off = np.abs(ratio - 1.0) * np.sqrt(2.0 * found.networks)
    assert off[:, 1:].max() < 5.0 and off[[NONE, UNIT], 0].max() < 5.0


def test_later_layers_of_wide_networks_are_as_predicted(default: FanIn) -> None:
    for name in ("mean", "variance", "between"):
        assert np.abs(errors(default, name)[:, -1]).max() < 6.0
    assert np.allclose(
        default.unit_spread[:2, -1], default.predicted_unit_spread[:2, -1], rtol=0.05
    )


def test_what_the_shift_leaves_does_not_depend_on_the_fan_in(default: FanIn) -> None:
    own = default.predicted_own_spread[..., 0]
    assert np.ptp(own[NONE]) < 0.01 * own[NONE].mean() and np.ptp(own[LAYER]) < 0.02
    assert np.allclose(default.unit_spread[:2, :, 0], 0.484, atol=0.02)
    assert np.allclose(default.omega[NONE], 1.0, atol=0.05)
    assert np.allclose(default.omega[LAYER, 1:], 1.0, atol=0.06)
    assert np.allclose(default.tau[:2, 2:], 1.0, atol=0.02)
    # without the shift, what is left comes from tau and falls with the fan-in
    assert (np.diff(own[UNIT]) < 0).all() and own[UNIT, -1] < 0.01 * own[NONE, -1]
    assert own[UNIT, 2:] == pytest.approx(0.08883 * np.sqrt(2 / default.fan_ins[2:]), rel=0.02)


def test_a_centralized_layer_frees_only_its_mean(default: FanIn) -> None:
    first = default.mean_sd[..., 0]
    assert (first[LAYER] < 0.35 * first[NONE]).all()
    assert default.unit_spread[LAYER, 1:, 0] == pytest.approx(
        default.unit_spread[NONE, 1:, 0], rel=0.01
    )
    second = default.mean_sd[..., 1]
    assert (second[LAYER] > 0.8 * second[NONE]).all()  # and only for one layer


def test_centralized_units_know_nothing_of_the_inputs_mean() -> None:
    still, moved = (fan_in_experiment(mean=mean, **SMALL) for mean in (0.0, 3.0))
    assert np.abs(moved.omega[UNIT]).max() < 1e-6
    for name in ("mean", "mean_sd", "variance", "between", "between_sd"):
        a, b = getattr(still, name), getattr(moved, name)
        assert np.allclose(a[UNIT], b[UNIT], atol=1e-5)
        assert np.abs(a[NONE] - b[NONE]).max() > 1e-3
    names = [f.name for f in fields(FanIn) if f.name.startswith("predicted")]
    for name in names:
        a, b = getattr(still, name)[UNIT, :, 0], getattr(moved, name)[UNIT, :, 0]
        assert np.allclose(a, b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("activation", ["selu", "tanh", "gelu"])
def test_the_wide_limit_is_the_mean_fields(activation: str) -> None:
    """Two routes to one number: averaging over omega, and a correlated pair of samples."""
    mean, variance = 0.8, 0.6
    found = fan_in_experiment(
        activation, ["none"], (4096,), mean, variance, layers=1, seeds=2, units=2, batch=2
    )
    q = mean**2 + variance
    pooled = moment_map(activation, 0.0, q)
    pair = correlation_map(activation, q, mean**2 / q) - pooled.mean**2
    own = (found.predicted_between - found.predicted_noise).item()
    assert own == pytest.approx(float(pair), rel=2e-3)
    assert found.predicted_mean.item() == pytest.approx(float(pooled.mean), abs=1e-3)
    assert found.predicted_variance.item() == pytest.approx(float(pooled.variance), rel=2e-3)


def test_a_network_is_the_seed_of_an_experiment() -> None:
    found = fan_in_experiment("elu", EXACT, (8,), layers=3, seeds=3, units=8, batch=64, seed=5)
    assert found.networks.tolist() == [3.0]
    for c, name in enumerate(EXACT):
        network = NetworkSpec(depth=3, width=8, activation="elu", constraint=name)
        p = run(
            Experiment(network, "gaussian", {"mean": 0.5}, batch=64, seeds=3, seed=5), detail=True
        )
        assert p.detail is not None
        assert found.mean[c, 0] == pytest.approx(p.mean[:, 1:].mean(0), abs=1e-6)
        assert found.mean_sd[c, 0] == pytest.approx(p.mean[:, 1:].std(0, ddof=1), rel=1e-4)
        assert found.variance[c, 0] == pytest.approx(p.variance[:, 1:].mean(0), rel=1e-5)
        between = p.detail.between[:, 1:].mean(0) * 8 / 7
        assert found.between[c, 0] == pytest.approx(between, rel=1e-4)
        omega = np.sqrt([np.square(u).mean() for u in p.detail.unit_omega])
        assert found.omega[c, 0] == pytest.approx(omega, abs=1e-6)
        assert found.tau[c, 0] == pytest.approx(p.tau.mean(0), rel=1e-5)


def test_the_same_seed_gives_the_same_numbers_whatever_else_is_asked() -> None:
    found = fan_in_experiment(**SMALL)
    assert same(found, fan_in_experiment(**SMALL)) and found.networks.tolist() == [64.0, 8.0]
    assert not np.array_equal(found.mean, fan_in_experiment(**SMALL, seed=1).mean)
    alone = fan_in_experiment(constraints=["centralize_unit"], **SMALL | {"fan_ins": [32]})
    assert np.array_equal(alone.between[0, 0], found.between[UNIT, 1])
    assert np.array_equal(alone.predicted_mean[0, 0], found.predicted_mean[UNIT, 1])
    for f in fields(FanIn):
        value = getattr(found, f.name)
        if isinstance(value, np.ndarray) and f.name != "exact":
            assert value.dtype == np.float64


def test_constraints_without_an_exact_law_have_the_wide_limit() -> None:
    found = fan_in_experiment(constraints=["none", "spectral_norm"], **SMALL)
    assert found.exact.tolist() == [True, False]
    assert np.isfinite(found.predicted_between).all()
    assert np.isnan(found.predicted_mean_sd[1]).all()


def test_parameters_of_the_activation_count() -> None:
    small = SMALL | {"layers": 1, "units": 4096}
    found = fan_in_experiment("leaky_relu", activation_parameters={"negative_slope": 0.5}, **small)
    assert np.abs(errors(found, "variance")).max() < 5.0
    assert not np.allclose(found.mean, fan_in_experiment("leaky_relu", **small).mean, atol=1e-2)


def test_progress_rises_and_stops() -> None:
    seen: list[float] = []
    fan_in_experiment(**SMALL, progress=seen.append)
    assert seen == sorted(seen) and seen[0] == 0.0 and seen[-1] == 1.0 and len(seen) > 8
    told = iter([True, True, False])
    with pytest.raises(Stopped):
        fan_in_experiment(**SMALL, progress=lambda share: next(told))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"activation": "sellu"}, "Unknown activation 'sellu'. Did you mean 'selu'"),
        ({"constraints": ["centralise_unit"]}, "Did you mean 'centralize_unit'"),
        ({"constraints": []}, "at least one constraint"),
        ({"fan_ins": [1]}, "fan_in must be a whole number between 2 and 4096, got 1; the nearest"),
        ({"fan_ins": [8.5]}, "got 8.5; the nearest is 8"),
        ({"fan_ins": []}, "There can be 1 to 32 fan-ins, got 0"),
        ({"fan_ins": range(2, 60)}, "There can be 1 to 32 fan-ins, got 58"),
        ({"mean": 11}, "mean must be a number between -10 and 10, got 11; the nearest is 10"),
        ({"variance": 0.0}, "variance must be a number between 0.01 and 100, got 0.0"),
        ({"mean": np.nan}, "mean must be a number between -10 and 10, got nan"),
        ({"layers": 17}, "layers must be a whole number between 1 and 16, got 17"),
        ({"seeds": 1}, "seeds must be a whole number between 2 and 64, got 1"),
        ({"units": 0}, "units must be a whole number between 2 and 65536"),
        ({"batch": 1}, "batch must be a whole number between 2 and 2048"),
        ({"seed": -1}, "seed must be a whole number between 0 and"),
        ({"fan_ins": [4096], "seeds": 64, "batch": 2048, "layers": 16}, "Too much for this mach"),
        ({"activation_parameters": {"beta": 1.0}}, "parameter"),
    ],
    ids=str,
)
def test_what_is_out_of_bounds_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fan_in_experiment(**SMALL | settings)


def test_the_usual_fan_ins_are_powers_of_two() -> None:
    assert np.log2(FAN_INS).tolist() == list(range(2, 12))
