"""The correlation of two samples from layer to layer, and where it settles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from snn_core.activations import Activation, activation, gaussian_moments
from snn_core.theory.mean_field.hermite import coefficients
from snn_core.theory.mean_field.phases import phase, scales
from snn_core.theory.moments.maps import correlation_map
from snn_core.wording import amount

__all__ = ["CorrelationCurve", "CorrelationPoint", "correlation_curve"]

GRID = 33  # correlations from -1 to 1 between which a change of sign is looked for
STEP = 1e-4  # of the difference quotient
NEUTRAL = 1e-6
ROUNDING = 1e-8  # a correlation that is no more than the rounding of the activation's parameters

Map = Callable[[ArrayLike], np.ndarray]


@dataclass(frozen=True)
class CorrelationPoint:
    """A correlation that a layer keeps, and d(next correlation) / d(correlation) there."""

    correlation: float
    slope: float
    kind: Literal["attracting", "repelling", "neutral"]


@dataclass(frozen=True)
class CorrelationCurve:
    """What a layer does to the correlation of two samples of the settled length.

    Attributes:
        correlation, next_correlation: Before and after a layer, of one shape; the latter NaN where
            signals vanish or explode.
        q: The length, 0 where signals vanish and inf where they explode.
        points: The correlations that are kept, from -1 to 1; 1 is always the last. Of a linear
            network, which keeps every one, 1 alone.
        reason: One sentence: what becomes of the correlation in a deep network.
    """

    correlation: np.ndarray
    next_correlation: np.ndarray
    q: float
    points: tuple[CorrelationPoint, ...]
    reason: str


def correlation_curve(
    act: str | Activation, sigma_w: float, sigma_b: float, correlation: ArrayLike
) -> CorrelationCurve:
    """Returns c' = (sigma_w^2 E f(z1) f(z2) + sigma_b^2) / q at those c, and what it keeps.

    z1, z2 ~ N(0, q) have correlation c, and q is the length that the network settles at
    (Poole et al. 2016, arXiv:1606.05340, eq. 5 and 6).

    >>> correlation_curve("selu", 1.0, 0.0, [0.0, 0.5, 1.0]).reason
    '... goes to 0; each layer multiplies its distance from there by 0.9707.'

    Raises:
        ValueError: The activation is unknown, a scale is not between 0 and 1000, or a correlation
            is not between -1 and 1.
    """
    act = activation(act)
    w, b = (float(scale) for scale in scales(sigma_w, sigma_b))
    c = np.asarray(correlation, np.float64)
    if not (np.abs(c) <= 1).all():
        raise ValueError("correlation must be between -1 and 1.")
    at = phase(act, w, b)
    q = float(at.q)
    if not 0.0 < q < np.inf:
        fate = "vanish" if q == 0.0 else "explode"
        words = f"No correlation settles: signals {fate} at σ_w {amount(w)}, σ_b {amount(b)}."
        return CorrelationCurve(c, np.full(c.shape, np.nan), q, (), words)
    after = _map(act, w, b, q)
    chi_1 = float(at.chi_1)
    points = _kept(after, chi_1, float(at.correlation))
    return CorrelationCurve(c, after(c), q, points, _reason(points))


def _map(act: Activation, w: float, b: float, q: float) -> Map:
    """Returns the function c -> c'."""
    if act.moments is None:  # the exact map costs 10 ms a point without a closed form
        a = coefficients(act, np.zeros(()), np.array(q))[0]
        second = float(gaussian_moments(act, 0.0, q).second_moment)
        if abs(second - a @ a) < 1e-10 * second:
            powers = np.square(a)
            powers[-1] += second - a @ a  # so that c = 1 is kept to the last digit
            series = np.polynomial.Polynomial(powers)
            return lambda c: (w * w * series(np.asarray(c)) + b * b) / q
    return lambda c: (w * w * correlation_map(act, q, c) + b * b) / q


def _kept(after: Map, chi_1: float, limit: float) -> tuple[CorrelationPoint, ...]:
    """Returns the fixed points: -1 and 0 if they are some, changes of sign between, and 1."""
    gap = lambda c: float(after(c)) - c
    grid = np.append(np.linspace(-1.0, 1.0, GRID)[:-1], 1.0 - 1e-3)
    gaps = after(grid) - grid
    if np.abs(gaps).max() < 1e-9:  # a line: every correlation is kept, 1 stands for all
        return (_kind(1.0, chi_1),)
    roots = [float(c) for c in grid[np.abs(gaps) < 1e-13]]
    for low, high, left, right in zip(grid, grid[1:], gaps, gaps[1:], strict=False):
        if left * right < 0 and min(abs(left), abs(right)) >= 1e-13:
            roots.append(optimize.root_scalar(gap, bracket=(low, high), xtol=1e-14).root)
    if chi_1 > 1 + NEUTRAL and gaps[-1] > 0:  # in chaos, so near 1 that the difference is lost
        roots.append(limit)
    found = [_point(after, c) for c in sorted(roots)]
    return (*found, _kind(1.0, chi_1))


def _point(after: Map, c: float) -> CorrelationPoint:
    low, high = max(c - STEP, -1.0), min(c + STEP, 1.0)
    ahead, behind = after(np.array([high, low]))
    return _kind(c, float(ahead - behind) / (high - low))


def _kind(c: float, slope: float) -> CorrelationPoint:
    size = abs(slope)
    c = c if abs(c) > ROUNDING else 0.0
    kind = "neutral" if abs(size - 1) <= NEUTRAL else "attracting" if size < 1 else "repelling"
    return CorrelationPoint(c, slope, kind)


def _reason(points: tuple[CorrelationPoint, ...]) -> str:
    last = points[-1]
    if last.kind == "attracting":
        return f"Two inputs become alike: their correlation goes to 1; {_pace(last)}."
    if last.kind == "repelling":
        below = points[-2]
        return (
            f"Two inputs become unlike: their correlation goes to {amount(below.correlation)}; "
            f"{_pace(below)}."
        )
    return "The edge of chaos: a small distance between two inputs is kept."


def _pace(point: CorrelationPoint) -> str:
    return f"each layer multiplies its distance from there by {amount(abs(point.slope))}"
