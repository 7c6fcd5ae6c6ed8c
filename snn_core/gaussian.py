"""Expectations of a function of a Gaussian variable: the result type and split quadrature.

Notation of the formula bodies: z = m + s t ~ N(m, v) with s = sqrt(v) and t ~ N(0, 1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

__all__ = [
    "GaussianMoments",
    "gaussian_input",
    "moments_from_expectations",
    "quadrature_mean",
    "quadrature_moments",
    "split_nodes",
]

Function = Callable[[Tensor], Tensor]

# A closed form subtracts numbers of the size of its second moment; below these it loses digits.
SMALL_VARIANCE = 0.01
SMALL_RATIO = 0.01


class GaussianMoments(NamedTuple):
    """Moments of f(z), z ~ N(mean, variance), and how they move with the input's.

    Every array has the broadcast shape of the input mean and variance; ``jacobian`` has two more
    axes: ``[[d mean/d m, d mean/d v], [d variance/d m, d variance/d v]]``.
    """

    mean: np.ndarray
    variance: np.ndarray
    second_moment: np.ndarray
    derivative_mean: np.ndarray
    derivative_second_moment: np.ndarray
    jacobian: np.ndarray


def gaussian_input(mean: ArrayLike, variance: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and variance as float64 arrays of one broadcast shape, or as two float64.

    Raises:
        ValueError: A variance is negative, or something is NaN or infinite.
    """
    if isinstance(mean, float) and isinstance(
        variance, float
    ):  # arrays of one cost ten times more
        if math.isfinite(mean) and 0.0 <= variance < math.inf:
            return cast(np.ndarray, np.float64(mean)), cast(np.ndarray, np.float64(variance))
    m, v = np.broadcast_arrays(np.asarray(mean, np.float64), np.asarray(variance, np.float64))
    for name, values, allowed in (("mean", m, True), ("variance", v, v >= 0)):
        bad = ~(np.isfinite(values) & allowed)
        if bad.any():
            kind = "a finite number" if name == "mean" else "finite and at least 0"
            raise ValueError(f"{name} must be {kind}, got {values[bad].flat[0]}.")
    return m, v


def moments_from_expectations(
    mean: np.ndarray,
    second_moment: np.ndarray,
    derivative_mean: np.ndarray,
    derivative_second_moment: np.ndarray,
    curvature: np.ndarray,
    second_moment_slopes: tuple[np.ndarray, np.ndarray],
    precise: np.ndarray,
) -> GaussianMoments:
    """Returns the moments, given E f, E f^2, E f', E f'^2, E f'' and d E f^2/d(m, v).

    Stein's identities d E g/dm = E g' and d E g/dv = E g''/2 give the Jacobian. The variance is
    NaN, a sign for quadrature to step in, where ``precise`` is False or where E f^2 - (E f)^2
    cancels.
    """
    variance = second_moment - mean * mean
    trusted = precise & (variance > SMALL_RATIO * second_moment)
    jacobian = np.empty((*mean.shape, 2, 2))
    jacobian[..., 0, 0] = derivative_mean
    jacobian[..., 0, 1] = 0.5 * curvature
    jacobian[..., 1, 0] = second_moment_slopes[0] - 2 * mean * derivative_mean
    jacobian[..., 1, 1] = second_moment_slopes[1] - mean * curvature
    return GaussianMoments(
        mean,
        np.where(trusted, variance, np.nan),
        second_moment,
        derivative_mean,
        derivative_second_moment,
        jacobian,
    )


def _tanh_sinh(count: int, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns nodes x on (0, 1), 1 - x without cancellation, and weights (Takahasi, Mori 1974)."""
    u = np.linspace(-reach, reach, count)
    q = np.exp(-np.pi * np.sinh(u))
    x, y = 1 / (1 + q), q / (1 + q)
    weight = (u[1] - u[0]) * np.pi * np.cosh(u) * x * y
    for array in (x, y, weight):
        array.setflags(write=False)
    return x, y, weight


# 200 nodes a side: 140 leave 2e-10 for gelu_tanh at variance 100. Beyond 9 standard deviations
# the weight is below 2e-19.
_NODES = _tanh_sinh(200, 3.25)
_REACH = 9.0
# Points at a time: the work arrays stay in the cache and below the 32,768 elements from which
# most of torch's functions start threads, which on a busy machine cost more than they save.
_POINTS = 80


def split_nodes(
    mean: np.ndarray, scale: np.ndarray, cuts: Sequence[float | np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns ``(t, weight)``, each ``(*points, nodes)``, for all panels between the cuts.

    ``sum(weight * g(mean + scale * t))`` over the nodes is E g(z). The rule is tanh-sinh, which
    crowds its nodes at the cuts, so that a kink there or a narrow feature beside it costs nothing.
    Gauss-Hermite would be wrong by 1e-3 for a function with a kink.
    """
    x, y, rule = _NODES
    ends = np.stack([np.broadcast_to((cut - mean) / scale, mean.shape) for cut in cuts])
    ends = np.sort(np.clip(ends, -_REACH, _REACH), axis=0)
    edge = np.full((1, *mean.shape), _REACH)
    ends = np.moveaxis(np.concatenate([-edge, ends, edge]), 0, -1)
    wide = (ends[..., 1:] != ends[..., :-1]).reshape(-1, len(cuts) + 1).any(0)
    low, high = ends[..., :-1][..., wide, None], ends[..., 1:][..., wide, None]
    width = high - low
    # From the nearer end, so that the distance to the cut is exact.
    t = np.where(x <= 0.5, low + width * x, high - width * y)
    weight = width * (rule / math.sqrt(2 * math.pi)) * np.exp(-0.5 * t * t)
    return t.reshape(*mean.shape, -1), weight.reshape(*mean.shape, -1)


def _apply(function: Function, z: np.ndarray) -> np.ndarray:
    return function(torch.from_numpy(np.ascontiguousarray(z))).numpy()


def quadrature_mean(
    fn: Function, kinks: Sequence[float], mean: ArrayLike, variance: ArrayLike
) -> np.ndarray:
    """Returns E f(z), z ~ N(mean, variance), by quadrature split at the kinks and at 0."""
    m, v = gaussian_input(mean, variance)
    flat_m, flat_s = m.ravel(), np.sqrt(v.ravel())
    result = np.empty(flat_m.shape)
    for start in range(0, flat_m.size, _POINTS):
        part = slice(start, start + _POINTS)
        centre, s = flat_m[part], np.maximum(flat_s[part], 1e-150)
        at_mean = _apply(fn, centre)
        t, weight = split_nodes(centre, s, (0.0, *kinks))
        change = _apply(fn, centre[:, None] + s[:, None] * t) - at_mean[:, None]
        result[part] = at_mean + np.einsum("pn,pn->p", weight, change)
    return result.reshape(m.shape)


def quadrature_moments(
    fn: Function,
    derivative: Function,
    kinks: Sequence[float],
    mean: ArrayLike,
    variance: ArrayLike,
) -> GaussianMoments:
    """Returns the Gaussian moments of f by tanh-sinh quadrature, split at the kinks and at 0.

    Some 1e-13 relative for variances up to 100; a rapidly oscillating f at a large variance is out
    of its reach. At variance 0 the result is exact for a smooth f: mean f(m), variance 0,
    Jacobian ``[[f'(m), f''(m)/2], [0, f'(m)^2]]``. At a kink d mean/dv really diverges there;
    what is returned is its large finite value beside 0.

    Args:
        fn, derivative: f and f', elementwise on float64 tensors; f must be continuous.
        kinks: Where f' jumps.
        mean, variance: Of z; they broadcast.

    Raises:
        ValueError: A variance is negative, or something is NaN or infinite.
    """
    m, v = gaussian_input(mean, variance)
    flat_m, flat_v = m.ravel(), v.ravel()
    rows = np.empty((9, flat_m.size))
    for start in range(0, flat_m.size, _POINTS):
        part = slice(start, start + _POINTS)
        rows[:, part] = _quadrature_rows(fn, derivative, kinks, flat_m[part], flat_v[part])
    first, spread, second, slope, slope2 = (row.reshape(m.shape) for row in rows[:5])
    jacobian = np.moveaxis(rows[5:].reshape(2, 2, *m.shape), (0, 1), (-2, -1))
    return GaussianMoments(first, spread, second, slope, slope2, jacobian)


@np.errstate(all="ignore")  # beyond a variance of 1e200 z^3 overflows; the result says so
def _quadrature_rows(
    fn: Function, derivative: Function, kinks: Sequence[float], m: np.ndarray, v: np.ndarray
) -> np.ndarray:
    """Returns the five moments and the four Jacobian entries of 1-D arrays, as nine rows.

    f and f' are centred at their values at m, which keeps their digits when v is small, and the
    Jacobian needs no second derivative: E f'' = E[(f'(z) - f'(m)) t]/s and
    d Var f/dv = Cov(f, f' t)/s.
    """
    # Below some 1e-6 |m| the nodes would round to m. There f is linear or has a kink at m, so the
    # moments at a larger s are known multiples of those at s.
    s = np.maximum(np.sqrt(v), np.maximum(1e-6 * np.abs(m), 1e-6))
    ratio = v / (s * s)
    for kink in kinks:
        ratio = np.where(np.abs(m - kink) < _REACH * s, np.sqrt(v) / s, ratio)
    f0, d0 = _apply(fn, m), _apply(derivative, m)
    t, weight = split_nodes(m, s, (0.0, *kinks))
    z = m[:, None] + s[:, None] * t
    g, slope = _apply(fn, z) - f0[:, None], _apply(derivative, z)
    change, wg, wt = slope - d0[:, None], weight * g, weight * t
    terms = [(weight, g), (wg, g), (weight, slope), (weight * slope, slope), (wt, change),
             (wg, change), (wg * t, slope), (wt, slope)]  # fmt: skip
    sums = [np.einsum("pn,pn->p", left, right) for left, right in terms]
    g1, g2, d1, d2, dt, gd, gdt, slope_t = sums
    mean = f0 + ratio * g1
    variance = np.maximum(g2 - g1 * g1, 0.0) * v / (s * s)
    return np.stack([
        mean,
        variance,
        variance + mean * mean,
        d1,
        d2,
        d1,
        0.5 * dt / s,
        2 * ratio * (gd - g1 * (d1 - d0)),
        (gdt - g1 * slope_t) / s,
    ])  # fmt: skip
