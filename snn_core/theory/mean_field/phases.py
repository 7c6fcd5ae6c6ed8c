"""Mean field: lengths, gradients and memory of a wide network over weight and bias scales.

Notation of the bodies: weights have variance sigma_w^2 / fan_in and mean 0, biases sigma_b^2;
q = E z^2; h(q) = E f(z)^2, d(q) = E f'(z)^2 for z ~ N(0, q). A layer takes q to
sigma_w^2 h(q) + sigma_b^2 (Poole et al. 2016, arXiv:1606.05340, eq. 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.optimize import elementwise

from snn_core.activations import Activation, activation, gaussian_moments
from snn_core.gaussian import GaussianMoments
from snn_core.theory.mean_field.correlation_limit import limits

__all__ = ["Phase", "at_zero", "lengths", "phase", "scales", "slopes_at_zero"]

LOWEST, HIGHEST = 1e-12, 1e12  # of q; below counts as 0, above as infinite
PER_DECADE = 24
CELLS = 4096  # at a time, so that the table of residuals stays at some 20 MB
ROUNDING = 1e-12
TOLERANCES = {"xatol": 1e-15, "xrtol": 4e-16, "fatol": 1e-15, "frtol": 0.0}  # on ln q
LARGEST = 1e3  # of sigma_w and sigma_b


@dataclass(frozen=True)
class Phase:
    """What becomes of signals and gradients; every array has the broadcast shape of the scales.

    Attributes:
        q: The length that q = 1 leads to: 0 where signals vanish, inf where they explode.
        chi_1: sigma_w^2 E f'^2 there: the factor per layer of the squared gradient on the way
            back, and of the squared distance of two samples near each other on the way forth.
            Above 1 is chaos. At q = 0 and q = inf its limits.
        slope: d(next q) / dq there: what a layer leaves of a deviation from q.
        correlation: c that two samples' correlation goes to: 1 where chi_1 <= 1, below 1 in chaos;
            NaN where q is 0 or inf.
        depth_scale_q: Layers in which a deviation from q shrinks by e; 0 < slope < 1, else NaN.
        depth_scale_c: The same for the correlation (Schoenholz et al. 2017, arXiv:1611.01232,
            eq. 9): how deep a network may be for inputs to be told apart; inf at the edge, NaN
            where q is 0 or inf. Good to 0.5 % where f has kinks.
    """

    q: np.ndarray
    chi_1: np.ndarray
    slope: np.ndarray
    correlation: np.ndarray
    depth_scale_q: np.ndarray
    depth_scale_c: np.ndarray

    @property
    def depth_scale_gradient(self) -> np.ndarray:
        """Layers in which the squared gradient grows or shrinks by e; inf at the edge."""
        return _layers(self.chi_1)


def scales(sigma_w: ArrayLike, sigma_b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Returns both as float64 arrays of one shape; a ValueError tells a scale out of range."""
    pair = np.broadcast_arrays(np.asarray(sigma_w, np.float64), np.asarray(sigma_b, np.float64))
    for name, values in zip(("sigma_w", "sigma_b"), pair, strict=True):
        bad = ~((values >= 0) & (values <= LARGEST))
        if bad.any():
            raise ValueError(f"{name} must be between 0 and {LARGEST:g}, got {values[bad][0]}.")
    return pair[0], pair[1]


def phase(act: str | Activation, sigma_w: ArrayLike, sigma_b: ArrayLike) -> Phase:
    """Returns the limits of a deep, wide network with those weights and biases.

    The length is the fixed point of the length map that iterating it from q = 1 leads to, found
    without iterating: E f^2 grows with q, so it is the next root of the residual in the direction
    of the first step.

    >>> at = phase("selu", 1.0, 0.0)
    >>> round(float(at.q), 9), round(float(at.chi_1), 5), round(float(at.depth_scale_c), 1)
    (1.0, 1.07157, 33.6)

    Args:
        sigma_w, sigma_b: Standard deviations, of sqrt(fan_in) times a weight and of a bias; they
            broadcast.

    Raises:
        ValueError: The activation is unknown, or a scale is not between 0 and 1000.
    """
    act = activation(act)
    w, b = scales(sigma_w, sigma_b)
    flat = np.square(w.ravel()), np.square(b.ravel())
    table = lengths()
    at = gaussian_moments(act, 0.0, table)
    q = np.concatenate([np.zeros(0)] + [
        _length(act, flat[0][i : i + CELLS], flat[1][i : i + CELLS], table, at)
        for i in range(0, w.size, CELLS)
    ])  # fmt: skip
    here = gaussian_moments(act, 0.0, np.clip(q, LOWEST, HIGHEST))
    chi_1 = flat[0] * here.derivative_second_moment
    slope = flat[0] * _length_slope(here)
    chi_1[q == 0] = slope[q == 0] = flat[0][q == 0] * slopes_at_zero(act)
    correlation, memory = limits(act, *flat, q, chi_1, here.second_moment)
    kept = np.where((slope > 0) & (slope < 1) & np.isfinite(q), slope, np.nan)
    results = (q, chi_1, slope, correlation, _layers(kept), _layers(memory))
    return Phase(*(result.reshape(w.shape) for result in results))


def lengths() -> np.ndarray:
    """Returns lengths from LOWEST to HIGHEST, 1 among them."""
    decades = round(np.log10(HIGHEST))
    return np.logspace(-decades, decades, 2 * decades * PER_DECADE + 1)


def _length_slope(at: GaussianMoments) -> np.ndarray:
    """Returns d h / dq = d(variance + mean^2) / dq."""
    return at.jacobian[..., 1, 1] + 2.0 * at.mean * at.jacobian[..., 0, 1]


def _layers(factor: np.ndarray) -> np.ndarray:
    """Returns in how many layers a quantity that is multiplied by the factor changes by e."""
    with np.errstate(all="ignore"):
        return 1.0 / np.abs(np.log(factor))


def _length(
    act: Activation, w2: np.ndarray, b2: np.ndarray, table: np.ndarray, at: GaussianMoments
) -> np.ndarray:
    """Returns the length that q = 1 leads to for every pair of squared scales ``(n,)``."""
    start = table.size // 2
    residual = np.multiply.outer(w2, at.second_moment) + b2[:, None] - table
    first = residual[:, start]
    rises, still = first > 0, np.abs(first) <= ROUNDING
    up, down = residual[:, start + 1 :] <= 0, residual[:, start - 1 :: -1] >= 0
    step = np.where(rises, up.argmax(1), down.argmax(1)) + 1
    inner = np.where(rises, start + step - 1, start - step)
    found = np.where(rises, up.any(1), down.any(1)) & ~still
    q = np.where(rises, np.inf, 0.0)
    q[still] = 1.0
    if found.any():
        bracket = table[inner[found]], table[inner[found] + 1]
        q[found] = _root(act, w2[found], b2[found], bracket)
    # Below the table h is a line: q = sigma_b^2 + sigma_w^2 (h_0 + h' (q - q_0)).
    small = ~(rises | found | still) & ((b2 > 0) | (at_zero(act) != 0))
    line = float(_length_slope(at)[0])
    offset = float(at.second_moment[0]) - line * table[0]
    q[small] = (b2[small] + w2[small] * max(offset, 0.0)) / (1.0 - w2[small] * line)
    return q


def _root(
    act: Activation, w2: np.ndarray, b2: np.ndarray, bracket: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Returns the q between the brackets at which the length map rests, by Chandrupatla's rule."""

    def gap(log_q: np.ndarray, w2: np.ndarray, b2: np.ndarray) -> np.ndarray:
        q = np.exp(log_q)
        return (w2 * gaussian_moments(act, 0.0, q).second_moment + b2) / q - 1.0

    ends = np.log(bracket[0]), np.log(bracket[1])
    found = elementwise.find_root(gap, ends, args=(w2, b2), tolerances=TOLERANCES)
    # Where rounding took the change of sign away, an end of the bracket is the root.
    ends_gap = [np.abs(gap(end, w2, b2)) for end in ends]
    nearest = np.where(ends_gap[0] < ends_gap[1], *ends)
    return np.exp(np.where(np.isfinite(found.x), found.x, nearest))


def at_zero(act: Activation) -> float:
    """Returns f(0)."""
    return float(act.fn(torch.zeros((), dtype=torch.float64)))


def slopes_at_zero(act: Activation) -> float:
    """Returns the mean of the squared slopes on both sides of 0, the limit of E f'^2 at q = 0."""
    sides = torch.tensor([-1e-12, 1e-12], dtype=torch.float64)
    return float(act.derivative(sides).square().mean())
