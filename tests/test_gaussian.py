"""Quadrature against integrals known in closed form, and its edges."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from snn_core.gaussian import (
    gaussian_input,
    moments_from_expectations,
    quadrature_mean,
    quadrature_moments,
    split_nodes,
)

MEANS = np.linspace(-3, 3, 7)[:, None]
VARIANCES = np.array([1e-6, 1e-2, 0.5, 1.0, 9.0, 100.0])


def _square(z: Tensor) -> Tensor:
    return z * z


def _double(z: Tensor) -> Tensor:
    return 2 * z


def test_square_has_the_moments_of_a_noncentral_chi_square() -> None:
    m, v = np.broadcast_arrays(MEANS, VARIANCES)
    got = quadrature_moments(_square, _double, (), m, v)
    np.testing.assert_allclose(got.mean, m**2 + v, rtol=1e-13)
    np.testing.assert_allclose(got.variance, 2 * v**2 + 4 * m**2 * v, rtol=2e-10)
    np.testing.assert_allclose(got.derivative_mean, 2 * m, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(got.derivative_second_moment, 4 * (m**2 + v), rtol=1e-13)
    jacobian = np.moveaxis(
        np.array([[2 * m, np.ones_like(m)], [8 * m * v, 4 * v + 4 * m**2]]), (0, 1), (-2, -1)
    )
    scale = np.abs(jacobian).max((-2, -1))[..., None, None]
    assert (np.abs(got.jacobian - jacobian) / scale).max() < 1e-11


def test_exponential_has_lognormal_moments_at_small_variance() -> None:
    v = np.array([1e-10, 1e-8, 1e-4, 1e-2, 1.0])
    got = quadrature_moments(torch.exp, torch.exp, (), 0.3, v)
    np.testing.assert_allclose(got.mean, np.exp(0.3 + v / 2), rtol=1e-13)
    np.testing.assert_allclose(got.variance, np.expm1(v) * np.exp(0.6 + v), rtol=1e-9)


def test_kink_away_from_zero_is_split() -> None:
    """E max(z - 2, 0) = s phi(a) - 2 Phi(-a) with a = 2/s; unsplit it loses nine digits."""
    v = np.array([0.25, 1.0, 30.0])
    s = np.sqrt(v)
    a = 2 / s
    tail = np.array([0.5 * math.erfc(x / math.sqrt(2)) for x in a])
    exact = s * np.exp(-0.5 * a * a) / math.sqrt(2 * math.pi) - 2 * tail
    clipped = lambda z: (z - 2).clamp(min=0)
    np.testing.assert_allclose(quadrature_mean(clipped, (2.0,), 0.0, v), exact, rtol=1e-11)
    assert (np.abs(quadrature_mean(clipped, (), 0.0, v) - exact) > 1e-9).any()


def test_mean_alone_equals_the_mean_of_the_moments() -> None:
    m, v = np.broadcast_arrays(MEANS, VARIANCES)
    dense = lambda z: 1 / z.cosh() ** 2
    full = quadrature_moments(torch.tanh, dense, (), m, v)
    np.testing.assert_allclose(
        quadrature_mean(torch.tanh, (), m, v), full.mean, rtol=1e-13, atol=1e-16
    )


@pytest.mark.parametrize("cuts", [(0.0,), (0.0, -1.0, 2.5), (50.0,)])
def test_nodes_carry_the_normal_moments(cuts: tuple[float, ...]) -> None:
    mean, scale = np.array([0.0, -2.0, 10.0]), np.array([1.0, 0.1, 30.0])
    t, weight = split_nodes(mean, scale, cuts)
    for power, expected in ((0, 1.0), (1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)):
        total = (weight * t**power).sum(-1)
        np.testing.assert_allclose(total, expected, atol=1e-13 * 100**power / 10)


def test_variance_zero_is_the_function_itself() -> None:
    m = np.array([-2.0, -0.5, 0.0, 1.5, 40.0])
    sech2 = lambda z: 1 / z.cosh() ** 2
    got = quadrature_moments(torch.tanh, sech2, (), m, 0.0)
    t = np.tanh(m)
    np.testing.assert_array_equal(got.mean, torch.tanh(torch.from_numpy(m)).numpy())
    np.testing.assert_array_equal(got.variance, 0.0)
    np.testing.assert_allclose(got.jacobian[..., 0, 0], 1 - t * t, atol=1e-9)
    np.testing.assert_allclose(got.jacobian[..., 0, 1], -t * (1 - t * t), atol=1e-8)
    np.testing.assert_array_equal(got.jacobian[..., 1, 0], 0.0)
    np.testing.assert_allclose(got.jacobian[..., 1, 1], (1 - t * t) ** 2, atol=1e-9)


def test_tiny_variances_join_zero_smoothly() -> None:
    """Also where the standard deviation is below the spacing of floats around the mean."""
    v = np.logspace(-40, -8, 17)
    got = quadrature_moments(torch.exp, torch.exp, (), 3.0, v)
    np.testing.assert_allclose(got.variance / v, math.exp(6.0), rtol=1e-7)


def test_relu_at_its_kink_scales_down_to_tiny_variances() -> None:
    step = lambda z: (z > 0).to(z.dtype)
    v = np.logspace(-30, 0, 7)
    got = quadrature_moments(torch.relu, step, (0.0,), 0.0, v)
    np.testing.assert_allclose(got.mean / np.sqrt(v), 1 / math.sqrt(2 * math.pi), rtol=1e-12)
    np.testing.assert_allclose(got.variance / v, 0.5 - 0.5 / math.pi, rtol=1e-12)


def test_shapes_broadcast_and_large_grids_are_cut_in_parts() -> None:
    m, v = np.linspace(-1, 1, 700)[:, None], np.array([0.5, 1.0])
    got = quadrature_moments(torch.sin, torch.cos, (), m, v)
    assert got.mean.shape == (700, 2) and got.jacobian.shape == (700, 2, 2, 2)
    np.testing.assert_allclose(got.mean, np.exp(-v / 2) * np.sin(m), atol=1e-14)
    empty = quadrature_moments(torch.sin, torch.cos, (), np.zeros((0, 3)), 1.0)
    assert empty.mean.shape == (0, 3) and empty.jacobian.shape == (0, 3, 2, 2)


@pytest.mark.parametrize("variance", [1e12, 1e60, 1e300])
def test_huge_variances_neither_raise_nor_warn(variance: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = quadrature_moments(torch.tanh, torch.zeros_like, (), 0.0, variance)
    assert abs(float(got.second_moment) - 1) < 1e-5


@pytest.mark.parametrize(
    ("mean", "variance", "words"),
    [
        (0.0, -1e-9, "variance must be finite and at least 0, got -1e-09"),
        (0.0, math.nan, "variance must be"),
        (0.0, math.inf, "variance must be"),
        (math.nan, 1.0, "mean must be a finite number, got nan"),
        ([0.0, math.inf], 1.0, "mean must be"),
    ],
)
def test_bad_input_is_named(mean: float, variance: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        gaussian_input(mean, variance)


def test_a_cancelled_variance_is_marked() -> None:
    one = np.ones(2)
    second = np.array([1.0 + 1e-6, 2.0])
    got = moments_from_expectations(one, second, one, one, one, (one, one), np.array([True, True]))
    assert np.isnan(got.variance[0]) and got.variance[1] == 1.0
