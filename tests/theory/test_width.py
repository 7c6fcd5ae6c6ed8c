"""Finite-width bands against drawn networks, and where they end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from snn_core.activations import activation
from snn_core.settings import Experiment, NetworkSpec
from snn_core.theory.mean_field.hermite import coefficients, powers_of
from snn_core.theory.mean_field.predict import predict
from snn_core.theory.mean_field.width import input_scatter
from snn_core.theory.moments.maps import correlation_map

NETWORKS = 240


def simulated(
    e: Experiment, generator: torch.Generator, gain: float, rho: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns pooled mean and variance ``(networks, depth + 1)`` of freshly drawn networks."""
    net, act = e.network, activation(e.network.activation)
    common = torch.randn(NETWORKS, 1, net.width, generator=generator)
    own = torch.randn(NETWORKS, e.batch, net.width, generator=generator)
    h = rho**0.5 * common + (1 - rho) ** 0.5 * own
    found = [(h.mean((1, 2)), h.var((1, 2), unbiased=False))]
    for _ in range(net.depth):
        weight = torch.randn(NETWORKS, net.width, net.width, generator=generator)
        weight *= (gain / net.width) ** 0.5
        if net.constraint == "centralize_layer":
            weight -= weight.mean((1, 2), keepdim=True)
        h = act.fn(torch.bmm(h, weight) + net.bias)
        found.append((h.mean((1, 2)), h.var((1, 2), unbiased=False)))
    means, variances = (torch.stack(rows, 1).double().numpy() for rows in zip(*found, strict=True))
    return means, variances


@pytest.mark.parametrize(("settings", "gain", "batch", "rho"), [
    ({"activation": "selu"}, 1.0, 32, 0.0),
    ({"activation": "selu"}, 1.0, 16, 0.8),
    ({"activation": "selu"}, 1.0, 1, 0.0),
    ({"activation": "relu", "initializer": "he_normal"}, 2.0, 16, 0.0),
    ({"activation": "relu", "constraint": "centralize_layer"}, 1.0, 16, 0.5),
    ({"activation": "sigmoid", "constraint": "centralize_layer"}, 1.0, 16, 0.5),
    ({"activation": "tanh", "weight_factor": 1.44, "bias": 0.3}, 1.44, 16, 0.3),
])  # fmt: skip
def test_bands_are_what_networks_do(
    settings: dict[str, Any], gain: float, batch: int, rho: float
) -> None:
    e = Experiment(
        network=NetworkSpec(depth=6, width=80, **settings),
        data="correlated", data_parameters=(("correlation", rho),), batch=batch,
    )  # fmt: skip
    p = predict(e)
    means, variances = simulated(e, torch.Generator().manual_seed(1), gain, rho)
    # 240 networks know a standard deviation to 5 %, or 8 % where tails are heavy.
    for sample, sd in ((means, p.mean_sd), (variances, p.variance_sd)):
        ratio = sample.std(0) / sd
        assert (0.78 < ratio).all() and (ratio < 1.25).all(), np.round(ratio, 2)
        assert 0.88 < ratio.mean() < 1.13
    inside = np.abs(variances - p.variance) < 2 * p.variance_sd
    assert 0.90 < inside.mean() < 0.99


def test_bands_shrink_with_width_not_with_batch() -> None:
    def band(width: int, batch: int) -> float:
        net = NetworkSpec(depth=12, width=width)
        data = {"data": "correlated", "data_parameters": (("correlation", 0.8),)}
        return float(predict(Experiment(network=net, batch=batch, **data)).variance_sd[-1])

    assert band(512, 64) / band(2048, 64) == pytest.approx(2.0, rel=0.05)
    assert band(256, 8192) > 0.8 * band(256, 256)


def test_bands_are_free_of_scale() -> None:
    small, large = (
        predict(Experiment(
            network=NetworkSpec(activation="relu", initializer="he_normal", depth=6),
            data_parameters=(("variance", variance),),
        ))
        for variance in (1e-4, 100.0)
    )  # fmt: skip
    assert np.allclose(small.variance_sd / small.variance, large.variance_sd / large.variance)


@pytest.mark.parametrize("settings", [
    {"kind": "cnn"}, {"initializer": "orthogonal"}, {"constraint": "unit_norm"},
    {"normalization": "layer"}, {"dropout": "alpha"}, {"residual": True},
])  # fmt: skip
def test_where_there_is_no_band(settings: dict[str, Any]) -> None:
    p = predict(Experiment(network=NetworkSpec(depth=4, dense=1, **settings)))
    assert np.isnan(p.mean_sd).all() and np.isnan(p.variance_sd).all()
    assert any("finite-width" in reason for reason in p.reasons)


def test_bands_end_where_tails_get_heavy() -> None:
    net = NetworkSpec(activation="relu", initializer="he_normal", depth=64, width=64)
    p = predict(Experiment(network=net))
    end = int(np.isnan(p.variance_sd).argmax())
    assert 2 < end < 20 and np.isnan(p.mean_sd[end:]).all()
    assert any(f"layer {end}" in reason for reason in p.reasons)


@pytest.mark.parametrize("name", ["selu", "relu", "tanh", "gelu"])
def test_hermite_series_is_the_correlation_map(name: str) -> None:
    a = coefficients(activation(name), np.array(0.3), np.array(1.7))[0]
    for c in (-0.9, -0.2, 0.0, 0.5, 0.9):
        exact = float(correlation_map(name, 1.7, c, 0.3))
        assert float(a * a @ powers_of(c)[0]) == pytest.approx(exact, abs=2e-4)


def test_powers_are_derivatives() -> None:
    step = 1e-5
    for c in (-0.5, 0.0, 0.3):
        below, above = powers_of(c - step), powers_of(c + step)
        for order in (0, 1):
            slope = (above[order] - below[order]) / (2 * step)
            assert powers_of(c)[order + 1] == pytest.approx(slope, rel=1e-5, abs=1e-5)


def test_input_scatter_by_sampling() -> None:
    generator = np.random.default_rng(0)
    m, v, r, n, draws = 0.7, 1.5, 0.4, 3, 200_000
    common = generator.standard_normal((draws, n))
    own = generator.standard_normal((2, draws, n))
    a, b = m + np.sqrt(v) * (np.sqrt(r) * common + np.sqrt(1 - r) * own)
    aa, bb, ab = (a * a).mean(1), (b * b).mean(1), (a * b).mean(1)
    scatter = input_scatter(m, v, r, 3.0, n)
    pairs = {
        "same": (aa, aa), "other": (aa, bb), "mixed": (aa, ab), "cross": (ab, ab),
        "mean_same": (a.mean(1), a.mean(1)), "mean_other": (a.mean(1), b.mean(1)),
        "joint_same": (aa, a.mean(1)), "joint_other": (aa, b.mean(1)),
    }  # fmt: skip
    for field, (x, y) in pairs.items():
        assert getattr(scatter, field) == pytest.approx(np.cov(x, y)[0, 1], rel=0.03), field
    assert scatter.product == pytest.approx(ab.mean(), rel=0.01)
