"""Gaussian moments as functions of the variance, interpolated in its logarithm.

A deep network asks for one variance after the other, and each alone costs nearly as much as
twenty together.
"""

from __future__ import annotations

import bisect
import functools
import math
from typing import NamedTuple

import numpy as np
import torch

from snn_core.activations import Activation, gaussian_moments
from snn_core.gaussian import GaussianMoments

__all__ = ["PointMoments", "moments_along", "moments_at", "series_at"]

TERMS = 20  # of Chebyshev's series between two edges of ln variance; they leave 1e-13
# Quadrature changes its manner at a variance of 1e-12, and there must be an edge.
_SMALL = [-600.0, -64.0, math.log(1e-12), -16.0, -8.0]
EDGES = [*_SMALL, *np.arange(-4.0, 8.5, 1.5).tolist(), 16.0, 32.0, 64.0, 600.0]
LEFT_OUT = 1e-13  # where the last term is larger, relatively, moments are not interpolated
_K = np.arange(TERMS)
_NODES = np.cos(np.pi * (_K + 0.5) / TERMS)
_POWERS = np.array([1, 2, 0, 0, 0, -1, 1, 0])  # of the standard deviation, by column
_TO_SERIES = np.cos(np.outer(_K, np.arccos(_NODES))) * np.where(_K, 2.0, 1.0)[:, None] / TERMS


class PointMoments(NamedTuple):
    """Moments of f(z) at one mean and variance of z, as in `GaussianMoments`."""

    mean: float
    variance: float
    second_moment: float
    derivative_mean: float
    derivative_second_moment: float


@functools.lru_cache(maxsize=4096)
def moments_at(act: Activation, mean: float, variance: float) -> PointMoments:
    """Returns the moments of one Gaussian; a deep network asks for a fixed point's often."""
    position = math.log(variance) if variance > 0.0 else -math.inf
    panel = bisect.bisect(EDGES, position)
    series = series_at(act, mean, panel)
    if series is None:
        return PointMoments(*(field.item() for field in gaussian_moments(act, mean, variance)[:5]))
    low, high = EDGES[panel - 1 : panel + 1]
    angle = math.acos((2.0 * position - low - high) / (high - low))
    centre, spread, slope, slope2 = (np.cos(angle * _K) @ series.moments[:, :4]).tolist()
    first, second = series.centre + math.sqrt(variance) * centre, variance * spread
    return PointMoments(first, second, second + first * first, slope, slope2)


@np.errstate(all="ignore")  # of an f that grows fast the moments overflow
def moments_along(act: Activation, mean: float, variance: np.ndarray) -> GaussianMoments:
    """Returns the moments at variances ``(points,)``, all finite and at least 0."""
    position = np.log(variance)
    panels = np.searchsorted(EDGES, position, side="right")
    rows = np.empty((variance.size, 8))
    for panel in {*panels.tolist()}:
        here = panels == panel
        series = series_at(act, mean, panel)
        if series is None:
            rows[here] = _rows(gaussian_moments(act, mean, variance[here]))
            continue
        low, high = EDGES[panel - 1 : panel + 1]
        angle = np.arccos((2.0 * position[here] - low - high) / (high - low))
        found = np.cos(angle[:, None] * _K) @ series.moments
        found *= np.sqrt(variance[here])[:, None] ** _POWERS
        found[:, 0] += series.centre
        rows[here] = found
    first, spread, slope, slope2 = rows[:, :4].T
    jacobian = rows[:, 4:].reshape(-1, 2, 2)
    return GaussianMoments(first, spread, spread + first * first, slope, slope2, jacobian)


class Series(NamedTuple):
    """f(mean) and Chebyshev's coefficients between two edges ``(TERMS, 8)``.

    Of E f - f(mean), Var f and the rest as in `_rows`, each divided by the power of the standard
    deviation that it goes with, so that small ones keep their digits.
    """

    centre: float
    moments: np.ndarray


@functools.lru_cache(maxsize=1024)
@np.errstate(all="ignore")
def series_at(act: Activation, mean: float, panel: int) -> Series | None:
    """Returns the series below an edge, where it has terms enough."""
    if not 0 < panel < len(EDGES):
        return None
    low, high = EDGES[panel - 1 : panel + 1]
    variance = np.exp(0.5 * (low + high) + 0.5 * (high - low) * _NODES)
    centre = float(act.fn(torch.tensor(mean, dtype=torch.float64)))
    rows = _rows(gaussian_moments(act, mean, variance))
    rows[:, 0] -= centre
    rows /= np.sqrt(variance)[:, None] ** _POWERS
    series = _TO_SERIES @ rows
    positive = [1, 3]  # Var f and E f'^2
    enough = np.abs(series[-1, positive]) <= LEFT_OUT * rows[:, positive].min(0)
    return Series(centre, series) if enough.all() and np.isfinite(series).all() else None


def _rows(m: GaussianMoments) -> np.ndarray:
    """Returns mean, variance, the slope's two moments and the Jacobian's entries side by side."""
    first = m.mean, m.variance, m.derivative_mean, m.derivative_second_moment
    return np.column_stack([*first, m.jacobian.reshape(-1, 4)])
