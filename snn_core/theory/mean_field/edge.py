"""The edge of chaos: the weights at which gradients neither vanish nor explode."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import elementwise

from snn_core.activations import Activation, activation, gaussian_moments
from snn_core.theory.mean_field.phases import (
    LARGEST,
    ROUNDING,
    TOLERANCES,
    at_zero,
    lengths,
    phase,
    scales,
    slopes_at_zero,
)

__all__ = ["edge_of_chaos"]


def edge_of_chaos(act: str | Activation, sigma_b: ArrayLike) -> np.ndarray:
    """Returns the sigma_w at which chi_1 = 1, NaN where there is none; the shape of sigma_b.

    chi_1 = 1 is sigma_w^2 = 1 / d(q), and then q is kept if sigma_b^2 = q - h(q) / d(q), an
    equation for q alone. At sigma_b = 0 an f with f(0) = 0 has its edge where q = 0 stops
    attracting, sigma_w = 1 / |f'(0)| or, at a kink, 1 / sqrt of the mean of both squared slopes:
    the limit of the edges at small sigma_b. Signals vanish there, so it is
    no place for a network; for SELU it is 0.69049, and no sigma_w above it has chi_1 = 1.

    >>> edge_of_chaos("selu", [0.3, 0.6, 1.0]).round(5).tolist()
    [0.98369, 1.07487, 1.14792]
    >>> edge_of_chaos("relu", [0.0, 0.1]).round(9).tolist()
    [1.414213562, nan]

    Raises:
        ValueError: The activation is unknown, or a scale is not between 0 and 1000.
    """
    act = activation(act)
    _, b = scales(0.0, sigma_b)
    return _edge(act, np.square(b.ravel())).reshape(b.shape)


def _edge(act: Activation, b2: np.ndarray) -> np.ndarray:
    """Returns the edge's sigma_w for every squared sigma_b ``(n,)``."""

    def excess(log_q: np.ndarray, b2: np.ndarray) -> np.ndarray:
        q = np.exp(log_q)
        at = gaussian_moments(act, 0.0, q)
        return 1.0 - at.second_moment / (q * at.derivative_second_moment) - b2 / q

    edge = np.full(b2.shape, np.nan)
    table = lengths()
    at = gaussian_moments(act, 0.0, table)
    kept = 1.0 - at.second_moment / (table * at.derivative_second_moment)
    signs = np.sign(kept - np.divide.outer(b2, table))
    cell, place = np.nonzero((signs[:, 1:] * signs[:, :-1] < 0) & (b2 > 0)[:, None])
    if cell.size:
        ends = np.log(table[place]), np.log(table[place + 1])
        found = elementwise.find_root(excess, ends, args=(b2[cell],), tolerances=TOLERANCES)
        q = np.exp(found.x)
        w = gaussian_moments(act, 0.0, q).derivative_second_moment ** -0.5
        # Only lengths that a network comes to count: w slightly off, it comes to one nearby.
        reached = phase(act, np.minimum(w, LARGEST), np.sqrt(b2[cell])).q
        good = np.isclose(reached, q, rtol=1e-4)
        edge[cell[good]] = w[good]
    if at_zero(act) == 0.0:
        edge[b2 == 0.0] = _edge_without_bias(act, kept[table.size // 2])
    return edge


def _edge_without_bias(act: Activation, kept: float) -> float:
    """Returns the edge's sigma_w at sigma_b = 0 for f(0) = 0; ``kept`` is 1 - h / d at q = 1."""
    if abs(kept) <= ROUNDING:  # a homogeneous f, which at its edge keeps every length
        return float(gaussian_moments(act, 0.0, 1.0).derivative_second_moment) ** -0.5
    slopes = slopes_at_zero(act)
    w = slopes**-0.5 if slopes > LARGEST**-2 else np.inf
    below = w * (1.0 - 1e-6)
    return w if w <= LARGEST and float(phase(act, below, 0.0).q) == 0.0 else np.nan
