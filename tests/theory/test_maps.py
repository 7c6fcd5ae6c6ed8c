"""The moment map in the paper's convention, and the correlation map against known kernels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from snn_core.activations import ACTIVATIONS, activation, gaussian_moments
from snn_core.theory.mean_field.pairs import pair_products
from snn_core.theory.moments.maps import correlation_map, moment_map

CORRELATIONS = np.array([-1.0, -0.97, -0.4, 0.0, 1e-5, 0.3, 0.9, 0.9999, 1.0])
every_name = pytest.mark.parametrize("name", list(ACTIVATIONS))


@every_name
def test_map_is_the_moments_of_the_preactivation(name: str) -> None:
    got = moment_map(name, -0.3, 1.4, omega=0.5, tau=0.9)
    z = gaussian_moments(name, -0.15, 1.26)
    assert got.mean == z.mean and got.variance == z.variance
    assert got.second_moment == z.second_moment
    assert got.derivative_second_moment == z.derivative_second_moment
    np.testing.assert_allclose(got.jacobian, z.jacobian @ np.diag([0.5, 0.9]))


@pytest.mark.parametrize("name", ["selu", "tanh", "hardswish"])
def test_jacobian_is_by_the_layers_own_moments(name: str) -> None:
    mean, variance, h = 0.4, 1.3, 1e-5
    at = lambda m, v: moment_map(name, m, v, omega=-0.7, tau=1.6)
    got = at(mean, variance).jacobian
    for column, (dm, dv) in enumerate(((h, 0.0), (0.0, h))):
        up, down = at(mean + dm, variance + dv), at(mean - dm, variance - dv)
        slope = [(up.mean - down.mean) / (2 * h), (up.variance - down.variance) / (2 * h)]
        np.testing.assert_allclose(got[:, column], slope, rtol=1e-7, atol=1e-9)


def test_variance_is_not_a_second_moment() -> None:
    """tau multiplies nu alone: the mean of the inputs enters by omega only."""
    shifted, centred = moment_map("identity", 5.0, 2.0, tau=0.5), moment_map("identity", 0.0, 1.0)
    assert shifted.variance == 1.0 and shifted.mean == 0.0 == centred.mean


def test_arguments_broadcast() -> None:
    got = moment_map("selu", np.zeros((3, 1)), np.ones(4), omega=np.zeros((2, 1, 1)), tau=1.0)
    assert got.mean.shape == (2, 3, 4) and got.jacobian.shape == (2, 3, 4, 2, 2)
    one = moment_map(activation("selu"), 0.0, 1.0)
    assert one.mean.shape == () and one.jacobian.shape == (2, 2)


def test_selu_constants() -> None:
    """Klambauer et al. 2017: J(0, 1) and its singular value; and theorem 1's extreme mean."""
    got = moment_map("selu", 0.0, 1.0).jacobian
    np.testing.assert_allclose(got, [[0, 0.0888347551068901], [0, 0.782647883196813]], atol=1e-15)
    assert np.linalg.norm(got, 2) == pytest.approx(0.787673360465716, rel=1e-14)
    assert moment_map("selu", -0.1, 0.8, 0.1, 0.95).mean == pytest.approx(-0.0310605018, abs=1e-10)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0.0, -1.0), "variance must be"),
        ((0.0, 1.0, 0.0, -0.1), "tau must be finite and at least 0, got -0.1"),
        ((0.0, 1.0, math.nan), "omega must be a finite number"),
        ((math.inf, 1.0), "mean must be"),
    ],
)
def test_bad_numbers_are_named(arguments: tuple[float, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        moment_map("selu", *arguments)


@every_name
def test_correlation_map_at_its_ends(name: str) -> None:
    m = gaussian_moments(name, 0.4, 1.7)
    assert correlation_map(name, 1.7, 1.0, 0.4) == m.second_moment
    assert correlation_map(name, 1.7, 0.0, 0.4) == m.mean**2
    # The quadrature itself meets both ends.
    near = correlation_map(name, 1.7, [1 - 1e-13, 1e-13], 0.4)
    np.testing.assert_allclose(near, [m.second_moment, m.mean**2], rtol=1e-10)


@every_name
def test_correlation_map_by_a_plain_double_integral(name: str) -> None:
    """Against the midpoint rule over both variables, which knows no kinks and no closed forms."""
    q, c, mean = 1.3, 0.6, 0.3
    x = torch.linspace(-8, 8, 1601, dtype=torch.float64)[:-1] + 0.005
    weight = torch.exp(-0.5 * x * x) * 0.01 / math.sqrt(2 * math.pi)
    f = ACTIVATIONS[name].fn
    s = math.sqrt(q)
    second = f(mean + s * (c * x[:, None] + math.sqrt(1 - c * c) * x))
    expected = float(weight * f(mean + s * x) @ (second @ weight))
    assert float(correlation_map(name, q, c, mean)) == pytest.approx(expected, rel=2e-5)


@every_name
def test_correlation_map_has_the_derivatives_that_theory_says(name: str) -> None:
    """d E f f/dc is q E f' f': q (E f')^2 at c = 0; below q E f'^2 everywhere."""
    q, h = 1.5, 1e-4
    m = gaussian_moments(name, 0.0, q)
    ends = correlation_map(name, q, [-h, h])
    slope = (ends[1] - ends[0]) / (2 * h)
    assert slope == pytest.approx(q * float(m.derivative_mean) ** 2, rel=1e-6, abs=1e-9)
    values = correlation_map(name, q, np.linspace(-1, 1, 9))
    steps = np.diff(values) / 0.25
    assert (np.abs(steps) <= q * m.derivative_second_moment * (1 + 1e-9)).all()


def test_arc_cosine_kernel() -> None:
    """ReLU: q (sin t + (pi - t) cos t)/(2 pi) with cos t = c (Cho and Saul 2009)."""
    angle = np.arccos(CORRELATIONS)
    q = 2.5
    kernel = q / (2 * np.pi) * (np.sin(angle) + (np.pi - angle) * CORRELATIONS)
    np.testing.assert_allclose(correlation_map("relu", q, CORRELATIONS), kernel, atol=1e-12)


def test_arc_sine_kernel() -> None:
    """erf: (2/pi) arcsin(2 q c/(1 + 2 q)) (Williams 1997)."""
    q = np.array([0.1, 1.0, 20.0])[:, None]
    kernel = 2 / np.pi * np.arcsin(2 * q * CORRELATIONS / (1 + 2 * q))
    np.testing.assert_allclose(correlation_map("erf", q, CORRELATIONS), kernel, atol=1e-12)


@every_name
@pytest.mark.parametrize("mean", [0.0, 0.3])
def test_the_product_of_a_pair_is_the_integral(name: str, mean: float) -> None:
    """By a series, straight lines' closed form, or the integral itself: one number."""
    act = activation(name)
    tolerance = 1e-11 if act.moments is not None else 1e-4  # by a trapezoidal rule
    for q in (0.3, 30.0):
        scale = float(gaussian_moments(act, mean, q).second_moment)
        for c in CORRELATIONS[1::2]:
            given = np.full((1, 1, 1), mean), np.full((1, 1, 1), q), np.full((1, 1), q * c)
            got = pair_products(act, given[0], given[1], given[2] + mean**2).item()
            exact = float(correlation_map(act, q, c, mean))
            assert got == pytest.approx(exact, abs=tolerance * scale), (q, c)


def test_sine_kernel() -> None:
    got = correlation_map("sin", 2.0, CORRELATIONS)
    np.testing.assert_allclose(got, math.exp(-2) * np.sinh(2 * CORRELATIONS), atol=1e-12)


def test_identity_is_the_covariance_and_the_mean() -> None:
    got = correlation_map("identity", 3.0, CORRELATIONS, mean=-0.7)
    np.testing.assert_allclose(got, 3.0 * CORRELATIONS + 0.49, atol=1e-13)


def test_selu_slope_at_zero_decorrelates() -> None:
    """C'(0) = (E f')^2 = 0.97068: uncorrelated samples stay so, slowly (33.6 layers)."""
    got = correlation_map("selu", 1.0, [0.0, 1e-6])
    assert abs(got[0]) < 1e-15
    assert got[1] / 1e-6 == pytest.approx(0.97068, abs=1e-5)


def test_kinks_off_the_mean_stay_sharp_near_correlation_one() -> None:
    """hardtanh, mean far from its kinks: 1 - c = 1e-8 loses q E f'^2 (1 - c) to first order."""
    q, mean, gap = 0.8, 1.2, 1e-8
    m = gaussian_moments("hardtanh", mean, q)
    lost = m.second_moment - correlation_map("hardtanh", q, 1 - gap, mean)
    assert float(lost) == pytest.approx(q * float(m.derivative_second_moment) * gap, rel=1e-3)


def test_no_variance_is_the_square() -> None:
    got = correlation_map("tanh", 0.0, CORRELATIONS, mean=0.5)
    np.testing.assert_allclose(got, math.tanh(0.5) ** 2, rtol=1e-12)


def test_correlations_broadcast_and_are_checked() -> None:
    assert correlation_map("selu", np.ones((5, 1)), CORRELATIONS).shape == (5, len(CORRELATIONS))
    assert correlation_map("selu", 1.0, np.zeros(0)).shape == (0,)
    for bad in (1.0001, -2.0, math.nan):
        with pytest.raises(ValueError, match="correlation must be between -1 and 1"):
            correlation_map("selu", 1.0, bad)
