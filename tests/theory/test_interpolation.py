"""Moments that are interpolated in the variance, against those computed at it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snn_core.activations import ACTIVATIONS, Activation, activation, gaussian_moments
from snn_core.theory.mean_field.interpolation import moments_along, moments_at

FORMULAS = (
    "=z * sigmoid(1.3*z) + 0.2*relu(z)",
    "=max(z, 0.2*z) - 0.3*abs(z-1)",
    "=exp(z)",
    "=z*z",
)
ALL = [*ACTIVATIONS.values(), activation("sin", omega_0=30.0), *map(activation, FORMULAS)]
every = pytest.mark.parametrize("act", ALL, ids=lambda act: act.name)


def assert_within(found: np.ndarray, exact: np.ndarray, bound: np.ndarray) -> None:
    """Where the scale is a number: beyond, what is exact is none either, or of no use."""
    known = np.isfinite(bound) & np.isfinite(exact)
    assert known.any()
    assert (np.abs(found - exact)[known] <= bound[known] + 1e-300).all()


@every
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # moments of exp(z) that overflow
@pytest.mark.parametrize("mean", [0.0, 0.1, -2.0])
def test_interpolated_moments_are_the_moments(act: Activation, mean: float) -> None:
    """On the scale of each: the standard deviation of what they go with."""
    variance = np.exp(np.random.default_rng(0).uniform(math.log(1e-11), 9.0, 200))
    exact, found = gaussian_moments(act, mean, variance), moments_along(act, mean, variance)
    root, steep = np.sqrt(exact.second_moment), np.sqrt(exact.derivative_second_moment)
    scales = (root, exact.variance, exact.second_moment, steep, steep**2)
    for values, reference, scale in zip(found, exact, scales, strict=False):
        assert_within(values, reference, 1e-11 * scale)
    s = np.sqrt(variance)
    units = np.stack([steep, steep / s, steep**2 * s, steep**2], 1).reshape(-1, 2, 2)
    assert_within(found.jacobian, exact.jacobian, 1e-8 * units)


@every
def test_one_is_as_many(act: Activation) -> None:
    variance = np.array([0.0, 1e-300, 1e-9, 0.3, 1.0, 7.0, 1e5, 1e290])
    many = moments_along(act, 0.1, variance)
    for index, value in enumerate(variance.tolist()):
        one = moments_at(act, 0.1, value)
        for name in one._fields:
            assert getattr(one, name) == pytest.approx(
                float(getattr(many, name)[index]), rel=1e-12, abs=1e-14, nan_ok=True
            ), (name, value)
