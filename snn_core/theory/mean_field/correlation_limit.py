"""What a deep, wide network remembers of the correlation of two inputs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.interpolate import CubicSpline

from snn_core.activations import Activation, gaussian_moments
from snn_core.gaussian import split_nodes
from snn_core.theory.mean_field.hermite import ORDERS

__all__ = ["limits"]

Pair = tuple[np.ndarray, np.ndarray]

BINS = 40  # half-octaves of Hermite orders beyond the last coefficient
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
    tail = _tail(1.0 - share.sum(1), chi_1 - share @ np.arange(ORDERS))
    c = np.zeros(q.size)
    for _ in range(60):
        value, first = tail(c)
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


def _tail(rest: np.ndarray, missing: np.ndarray) -> Callable[[np.ndarray], Pair]:
    """Returns c -> (sum, slope) of what the series leaves out, from its value and slope at c = 1.

    A kink in f has a_k^2 ~ k^-5/2, which makes the map's slope a square root near c = 1, where the
    edge of chaos is decided. That law is summed over half-octaves of k, each as one power of c
    with the right sum and slope; what else is missing is one power more.
    """
    start = ORDERS - 0.5
    ends = start * np.append(np.sqrt(2.0) ** np.arange(BINS), np.inf)
    mass = (ends[:-1] ** -1.5 - ends[1:] ** -1.5) / 1.5
    slope = (ends[:-1] ** -0.5 - ends[1:] ** -0.5) / 0.5
    power = slope / mass
    kinked = (missing - ORDERS * rest) / (slope.sum() - ORDERS * mass.sum())
    smooth = rest - kinked * mass.sum()

    def at(c: np.ndarray) -> Pair:
        value, first = smooth * c**ORDERS, ORDERS * smooth * c ** (ORDERS - 1)
        inverse = 1.0 / np.maximum(c, 1e-300)
        raised = [c ** power[0], c ** power[1]]  # the others are powers of two of these
        for k in range(BINS):
            term = kinked * mass[k] * (raised[k % 2] if k < BINS - 1 else c ** power[k])
            value, first = value + term, first + power[k] * term * inverse
            raised[k % 2] = raised[k % 2] ** 2
        return value, first

    return at


def _shares(act: Activation, q: np.ndarray) -> np.ndarray:
    """Returns a_k^2 / E f^2 at every q, ``(n, ORDERS)``, by splines over ln q."""
    low, high = np.log(q.min()) - 1e-3, np.log(q.max()) + 1e-3
    knots = np.linspace(low, high, 8 + int(TABULATED * (high - low) / np.log(10.0)))
    at = np.exp(knots)
    shares = np.square(_split_coefficients(act, at))
    moments = gaussian_moments(act, 0.0, at)
    # a_0 = E f and a_1 = s E f' are known to the last digit.
    shares[:, 0], shares[:, 1] = moments.mean**2, at * moments.derivative_mean**2
    shares /= moments.second_moment[:, None]
    return np.maximum(CubicSpline(knots, shares)(np.log(q)), 0.0)


def _split_coefficients(act: Activation, q: np.ndarray) -> np.ndarray:
    """Returns E[f(s t) He_k(t)] / sqrt(k!) at every q, ``(n, ORDERS)``, split at the kinks.

    `hermite.coefficients` is faster, but where f has kinks it is wrong by 1e-4, and near the edge
    of chaos the depth scale magnifies that a hundred times.
    """
    s = np.sqrt(q)
    result = np.zeros((q.size, ORDERS))
    t, weight = split_nodes(np.zeros(q.size), s, (0.0, *act.kinks))
    before, now = np.zeros_like(t), weight * act.fn(torch.from_numpy(s[:, None] * t)).numpy()
    for k in range(ORDERS):
        result[:, k] = now.sum(-1)
        before, now = now, (t * now - np.sqrt(k) * before) / np.sqrt(k + 1.0)
    return result
