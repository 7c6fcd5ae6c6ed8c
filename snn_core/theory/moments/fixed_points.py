"""Fixed points of the moment map: where a deep network's mean and variance settle, if anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize

from snn_core.activations import Activation, activation
from snn_core.tables import number
from snn_core.theory.moments.maps import moment_map
from snn_core.wording import amount

__all__ = ["FixedPoint", "NoFixedPoint", "describe", "distance", "fixed_point", "words_of"]

LAYERS = 1000
SETTLED = 1e-12  # a step shorter than this, relative to the standard deviation or the variance
ROUNDING = 1e-14  # a step that is no more than that
NEUTRAL = 1e-6  # an eigenvalue this near 1 in absolute value neither attracts nor repels
NEARBY = 1e-3  # a fixed point this near the start is the one that was asked for
TINY, HUGE = 1e-9, 1e9  # a variance beyond these is on its way to 0 or to infinity

Point = tuple[float, float]


@dataclass(frozen=True)
class FixedPoint:
    """A (mean, variance) that a layer maps to itself.

    Attributes:
        jacobian: ``(2, 2)``: d(next mean, next variance) / d(mean, variance) there.
        eigenvalues: ``(2,)``, of the jacobian, largest absolute value first.
        singular_values: ``(2,)``, of the jacobian, largest first.
        spectral_norm: The largest of them; below 1, every step comes nearer.
        residual: How far one more layer moves the point, the larger of mean and variance.
        kind: "attracting" if every |eigenvalue| < 1, "repelling" if one is > 1, else "neutral".
        reason: The same as a sentence.
        contraction: What becomes of a small deviation in the long run, as a sentence: "A small
            deviation shrinks by 22 % each layer."
    """

    mean: float
    variance: float
    jacobian: np.ndarray
    eigenvalues: np.ndarray
    singular_values: np.ndarray
    spectral_norm: float
    residual: float
    kind: Literal["attracting", "repelling", "neutral"]
    reason: str
    contraction: str


@dataclass(frozen=True)
class NoFixedPoint:
    """What the map does instead of settling.

    Attributes:
        mean, variance: The last point that was reached.
        layers: After how many layers.
        trend: "vanishing" (the variance goes to 0), "exploding", or "unsettled".
        reason: The same as a sentence.
    """

    mean: float
    variance: float
    layers: int
    trend: Literal["vanishing", "exploding", "unsettled"]
    reason: str


def fixed_point(
    act: str | Activation, omega: float = 0.0, tau: float = 1.0, start: Point = (0.0, 1.0)
) -> FixedPoint | NoFixedPoint:
    """Returns the fixed point of the moment map that belongs to the start, or why there is none.

    That is the fixed point at the start itself (within 0.1 %), else the one that iterating the map
    from the start leads to. Both are polished by Newton's method, so a repelling point, which
    iteration leaves, can be looked at by starting from it. Variance 0 is not reported as a fixed
    point, though it is one of the map wherever f(0) = 0: no signal passes there.

    >>> point = fixed_point("selu")
    >>> round(point.mean, 6) + 0.0, round(point.variance, 6), point.kind
    (0.0, 1.0, 'attracting')

    Source: Klambauer et al. 2017 (arXiv:1706.02515), section 2.

    Args:
        omega, tau: Sum and sum of squares of a unit's incoming weights.
        start: Mean and variance to start from.

    Raises:
        ValueError: The activation is unknown, or a number is out of its range.
    """
    act = activation(act)
    omega = number("omega", omega, -1e3, 1e3)
    tau = number("tau", tau, 0.0, 1e6)
    start = (number("mean", start[0], -1e6, 1e6), number("variance", start[1], TINY, HUGE))

    def step(point: Point) -> Point:
        after = moment_map(act, *point, omega=omega, tau=tau)
        return float(after.mean), float(after.variance)

    here = _polish(act, omega, tau, start)
    if here and distance(here, start) < NEARBY:
        return describe(act, omega, tau, here)
    last, layers, before = start, 0, start
    while layers < LAYERS and TINY < last[1] < HUGE:
        before, last, layers = last, step(last), layers + 1
        if distance(before, last) < SETTLED:
            break
    there = _polish(act, omega, tau, last) if TINY < last[1] < HUGE else None
    # Newton's method may run off to another point: only one near the orbit's end is its limit.
    if there and distance(there, last) < 0.5:
        return describe(act, omega, tau, there)
    return _explain(start, before, last, layers)


def distance(a: Point, b: Point) -> float:
    """Returns how far apart two (mean, variance) are, relative to the larger variance.

    That is the larger of the mean's shift in standard deviations and the variance's share.
    """
    variance = max(a[1], b[1])
    if not 0 < variance < np.inf:
        return np.inf if a != b else 0.0
    return max(abs(a[0] - b[0]) / variance**0.5, abs(a[1] - b[1]) / variance)


def _polish(act: Activation, omega: float, tau: float, start: Point) -> Point | None:
    """Returns the root of (mean~ - mean, variance~ - variance) that Newton finds, or None."""
    scale = np.array([start[1] ** 0.5, start[1]])  # so that both unknowns are of order 1

    def shift(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, variance = x * scale
        if not 0 < variance < HUGE:
            return np.full(2, 1e6), np.eye(2)
        after = moment_map(act, mean, variance, omega=omega, tau=tau)
        gap = np.array([after.mean - mean, after.variance - variance]) / scale
        return gap, after.jacobian * scale / scale[:, None] - np.eye(2)

    if np.abs(shift(np.array(start) / scale)[0]).max() < ROUNDING:  # on a line of fixed points too
        return start
    found = optimize.root(shift, np.array(start) / scale, jac=True, tol=1e-14)
    mean, variance = found.x * scale
    if not TINY < variance < HUGE:
        return None
    gap, slopes = shift(found.x)
    settled = np.abs(gap).max() <= SETTLED and np.isfinite(slopes).all()  # NaN is not
    return (float(mean), float(variance)) if settled else None


def describe(act: Activation, omega: float, tau: float, point: Point) -> FixedPoint:
    """Returns what is to be said of a point that is known to be a fixed point of the map."""
    after = moment_map(act, *point, omega=omega, tau=tau)
    jacobian = np.asarray(after.jacobian, dtype=np.float64).reshape(2, 2)
    eigenvalues = np.linalg.eigvals(jacobian)
    eigenvalues = eigenvalues[np.argsort(-np.abs(eigenvalues))]
    radius = float(np.abs(eigenvalues[0]))
    if abs(radius - 1) <= NEUTRAL:
        kind, words = "neutral", "points near it come no nearer and do not leave"
    elif radius < 1:
        kind, words = "attracting", f"each layer multiplies a small deviation by {amount(radius)}"
    else:
        kind, words = "repelling", f"each layer multiplies a small deviation by {amount(radius)}"
    residual = max(abs(float(after.mean) - point[0]), abs(float(after.variance) - point[1]))
    return FixedPoint(
        mean=point[0],
        variance=point[1],
        jacobian=jacobian,
        eigenvalues=eigenvalues,
        singular_values=(singular := np.linalg.svd(jacobian, compute_uv=False)),
        spectral_norm=float(singular[0]),
        residual=residual,
        kind=kind,
        reason=f"The fixed point at {words_of(point)} is {kind}: {words}.",
        contraction=_contraction(radius),
    )


def _contraction(radius: float) -> str:
    """Returns the factor per layer as a share: of 0.78, that a deviation shrinks by 22 %."""
    share = 100.0 * abs(1.0 - radius)
    digits = 0 if share >= 10.0 else 1 if share >= 1.0 else 2
    if abs(radius - 1.0) <= NEUTRAL:
        return "A small deviation stays as large as it is."
    if radius < 5e-3:
        return "A small deviation is gone after one layer."
    if share < 0.01:
        nearly = "shrinks" if radius < 1.0 else "grows"
        return f"A small deviation {nearly} by less than 0.01 % each layer."
    if radius < 1.0:
        return f"A small deviation shrinks by {share:.{digits}f} % each layer."
    return f"A small deviation grows by {share:.{digits}f} % each layer."


def _explain(start: Point, before: Point, last: Point, layers: int) -> NoFixedPoint:
    trend: Literal["vanishing", "exploding", "unsettled"]
    if last[1] <= TINY:
        trend, words = (
            "vanishing",
            f"the variance goes to 0 (below {amount(TINY, 1)} after {layers} layers)",
        )
    elif not last[1] < HUGE:
        trend, words = (
            "exploding",
            f"the variance explodes (above {amount(HUGE, 1)} after {layers} layers)",
        )
    else:
        trend = "unsettled"
        moved = "falls" if last[1] < before[1] else "grows"
        words = (
            f"after {layers} layers the variance is {amount(last[1], 3)} and still {moved}, by "
            f"{amount(100 * abs(1 - last[1] / before[1]), 1)} % a layer; it may go on, or cycle"
        )
    reason = f"From {words_of(start)} the orbit reaches no fixed point: {words}."
    return NoFixedPoint(last[0], last[1], layers, trend, reason)


def words_of(point: Point) -> str:
    """Returns "mean 0 and variance 1"."""
    mean = 0.0 if abs(point[0]) < 1e-9 * point[1] ** 0.5 else point[0]  # rounding is no mean
    return f"mean {amount(mean)} and variance {amount(point[1])}"
