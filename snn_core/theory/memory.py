"""What a deep, wide network remembers of the correlation of two inputs."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from snn_core.activations import Activation, gaussian_moments
from snn_core.theory.hermite import ORDERS, coefficients

__all__ = ["limits"]

ROUNDING = 1e-12
TABULATED = 12  # lengths per decade at which Hermite coefficients are taken


def limits(
    act: Activation,
    w2: np.ndarray,
    b2: np.ndarray,
    q: np.ndarray,
    chi_1: np.ndarray,
    second: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the correlation that pairs go to, and the slope of the correlation map there.

    By Mehler's formula c' = (w^2 sum_k a_k^2 c^k + b^2) / q, with a_k the Hermite coefficients of
    f at q. All terms are at least 0, so the map is convex on [0, 1]: in chaos its other fixed
    point is the only one below 1, and Newton's method climbs to it from 0.
    """
    limit = np.where((q > 0) & np.isfinite(q), 1.0, np.nan)
    slope = np.where(np.isnan(limit), np.nan, chi_1)
    chaos = np.flatnonzero((chi_1 > 1.0 + 1e-9) & np.isfinite(limit))
    if not chaos.size:
        return limit, slope
    w2, b2, q, chi_1, second = (x[chaos] for x in (w2, b2, q, chi_1, second))
    share = (w2 * second / q)[:, None] * _shares(act, q)
    share[:, 0] += b2 / q
    # What the series leaves out is one more power, that makes value and slope at c = 1 exact.
    rest = np.maximum(1.0 - share.sum(1), 0.0)
    missing = np.maximum(chi_1 - share @ np.arange(ORDERS), 0.0)
    power = np.where(rest > ROUNDING, missing / np.maximum(rest, ROUNDING), 0.0)
    power = np.maximum(power, ORDERS)
    c = np.zeros(q.size)
    for _ in range(60):
        value, first = rest * c**power, rest * power * c ** (power - 1.0)
        series, series_slope = np.zeros(q.size), np.zeros(q.size)
        for k in range(ORDERS - 1, -1, -1):
            series_slope = series_slope * c + series
            series = series * c + share[:, k]
        value, first = value + series, first + series_slope
        step = (value - c) / np.maximum(1.0 - first, 1e-12)
        c = np.clip(c + step, 0.0, 1.0)
        if np.abs(step).max() < 1e-13:
            break
    limit[chaos], slope[chaos] = c, first
    return limit, slope


def _shares(act: Activation, q: np.ndarray) -> np.ndarray:
    """Returns a_k^2 / E f^2 at every q, ``(n, ORDERS)``, by splines over ln q."""
    low, high = np.log(q.min()) - 1e-3, np.log(q.max()) + 1e-3
    knots = np.linspace(low, high, 8 + int(TABULATED * (high - low) / np.log(10.0)))
    at = np.exp(knots)
    shares = np.square(coefficients(act, np.zeros(at.size), at)[0])
    moments = gaussian_moments(act, 0.0, at)
    # a_0 = E f and a_1 = s E f' are known to the last digit.
    shares[:, 0], shares[:, 1] = moments.mean**2, at * moments.derivative_mean**2
    shares /= moments.second_moment[:, None]
    return np.maximum(CubicSpline(knots, shares)(np.log(q)), 0.0)
