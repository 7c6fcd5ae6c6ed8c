"""How an activation moves the products of pairs of samples."""

from __future__ import annotations

import math

import numpy as np

from snn_core.activations import Activation, gaussian_moments
from snn_core.theory.mean_field.hermite import ORDERS, are_exact, coefficients, powers
from snn_core.theory.mean_field.interpolation import moments_at
from snn_core.theory.moments.maps import correlation_map

__all__ = ["pair_products"]

MOST_KINKS = 4  # each multiplies the panels of the exact map's double integral
SMALLEST = 1e-12  # variance; the exact map's closed forms lose their digits below


def pair_products(
    act: Activation, mean: np.ndarray, variance: np.ndarray, product: np.ndarray
) -> np.ndarray:
    """Returns E f(z_a) f(z_b) for all pairs of samples ``(K, K)``, NaN where not known.

    z_a ~ N(mean_a, variance_a), given ``(K, 1, 1)``, with E z_a z_b = product. For one
    representative the answer is exact; for several it is the Hermite series, good to 1e-4 where f
    has kinks.
    """
    if not np.isfinite(product).all():
        return np.full_like(product, np.nan)
    m, v = mean.ravel(), variance.ravel()
    if not np.isfinite(m + v).all():
        return np.full_like(product, np.nan)
    if product.size == 1:
        return np.array([[_one_pair(act, m.item(), v.item(), product.item())]])
    covariance = product - np.outer(m, m)
    length = np.sqrt(np.outer(v, v))
    with np.errstate(all="ignore"):
        correlation = np.where(length > 0.0, np.clip(covariance / length, -1.0, 1.0), 1.0)
    a = coefficients(act, m, v)[0]
    rest = np.maximum(gaussian_moments(act, m, v).second_moment - np.square(a).sum(1), 0.0)
    total = np.sqrt(np.outer(rest, rest))  # what the series leaves out, as one more order
    for k in range(ORDERS - 1, -1, -1):
        total = total * correlation + np.outer(a[:, k], a[:, k])
    return total


def _one_pair(act: Activation, mean: float, variance: float, product: float) -> float:
    moments = moments_at(act, mean, variance)
    second = moments.second_moment
    ratio = (product - mean * mean) / variance if variance > 0.0 else 1.0
    correlation = min(max(ratio, -1.0), 1.0)
    if correlation == 1.0:
        return second
    if act.slopes is not None and mean == 0.0:
        return variance * _straight(*act.slopes, correlation)
    if abs(correlation) < 1e-8:  # the next term is of its square
        centre, slope = moments.mean, moments.derivative_mean
        return centre * centre + correlation * variance * slope * slope  # ** raises, not overflows
    exact = are_exact(act, mean)
    if exact or act.moments is None:  # the map's integral costs a hundred times as much
        a = coefficients(act, np.array(mean), np.array(variance))[0]
        a *= a
        rest = second - float(a.sum())
        last = rest * correlation**ORDERS
        found = float(a @ powers(correlation))
        if abs(last) < (1e-13 if exact else 1e-9) * second:
            return found
        if variance < SMALLEST if exact else len(act.kinks) > MOST_KINKS:
            return found + last
    return float(correlation_map(act, variance, correlation, mean))


def _straight(left: float, right: float, c: float) -> float:
    """Returns E f(t_a) f(t_b) of two straight lines that meet in 0 (Cho, Saul 2009, degree 1)."""
    sizes = 2.0 / math.pi * (math.sqrt((1.0 - c) * (1.0 + c)) + c * math.asin(c))  # E |t_a t_b|
    return 0.25 * ((right + left) ** 2 * c + (right - left) ** 2 * sizes)
