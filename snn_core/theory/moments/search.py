"""All fixed points of the moment map in a window of means and variances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snn_core.activations import Activation, activation
from snn_core.tables import number
from snn_core.theory.moments.fixed_points import (
    HUGE,
    NEUTRAL,
    TINY,
    FixedPoint,
    describe,
    distance,
    words_of,
)
from snn_core.theory.moments.maps import moment_map
from snn_core.wording import amount

__all__ = ["FixedPoints", "fixed_points", "window_axis"]

LINE, SIDE = 400, 48  # points of the search along the variance alone, and along each axis
STEPS = 40  # of Newton's method; it needs some 6, at a double root some 25
EXACT = 1e-11  # a relative residual that is a fixed point's
SAME = 1e-5  # closer than that, two are one: a double root is known to 1e-6 only
CONTINUUM = 6  # so many neutral ones are no coincidence but a line

Bounds = tuple[float, float]


@dataclass(frozen=True)
class FixedPoints:
    """The fixed points in a window, or why there are none.

    Attributes:
        points: By rising variance. Of a whole line or area of them only the one nearest to mean 0
            and variance 1.
        continuum: Whether there is such a line or area.
        reason: One sentence: how many there are, or what the map does instead.
    """

    points: tuple[FixedPoint, ...]
    continuum: bool
    reason: str


def window_axis(name: str, bounds: Bounds, low: float, high: float) -> Bounds:
    """Returns the bounds as floats, the lower first; a ValueError says what is wrong with them."""
    first, last = (number(name, bound, low, high) for bound in bounds)
    if not first < last:
        raise ValueError(f"{name} must go from a smaller to a larger number, got {bounds!r}.")
    return first, last


def fixed_points(
    act: str | Activation,
    omega: float = 0.0,
    tau: float = 1.0,
    mean: Bounds = (-2.0, 2.0),
    variance: Bounds = (1e-3, 20.0),
) -> FixedPoints:
    """Returns all fixed points of the moment map in that window of means and variances.

    At omega = 0 the next moments depend on the variance alone, and every change of sign of
    (next variance - variance) on 400 of them is followed up. Otherwise Newton's method starts
    wherever both residuals change sign in a cell of a grid of 48 x 48 and wherever their size has
    a local minimum. Two fixed points closer than the grid may be taken for one or none; variance 0
    is outside of every window.

    >>> fixed_points("selu").reason
    'One fixed point, attracting: mean 0 and variance 1.'

    Source: Klambauer et al. 2017 (arXiv:1706.02515), section 2.

    Args:
        omega, tau: Sum and sum of squares of a unit's incoming weights.
        mean, variance: The window, ends included; the variance from 1e-9 on.

    Raises:
        ValueError: The activation is unknown, or a number is out of its range.
    """
    act = activation(act)
    omega = number("omega", omega, -1e3, 1e3)
    tau = number("tau", tau, 0.0, 1e6)
    mean = window_axis("mean", mean, -1e6, 1e6)
    variance = window_axis("variance", variance, TINY, HUGE)
    find = _starts_on_line if omega == 0.0 else _starts_on_grid
    starts, grows = find(act, omega, tau, mean, variance)
    centre = (float(np.clip(0.0, *mean)), float(np.clip(1.0, *variance)))
    roots = _polish(act, omega, tau, np.concatenate([[centre], starts]))
    inside = _inside(roots, mean, variance)
    nearest = sorted(map(tuple, inside.tolist()), key=lambda point: distance(point, centre))
    found: list[FixedPoint] = []
    neutral: list[FixedPoint] = []
    for m, v in nearest:
        if any(distance((m, v), (p.mean, p.variance)) < SAME for p in found):
            continue
        point = describe(act, omega, tau, (m, v))
        line = bool(np.abs(point.eigenvalues - 1.0).min() < NEUTRAL)
        if line and len(neutral) >= CONTINUUM:
            continue
        found.append(point)
        neutral += [point] if line else []
    continuum = len(neutral) >= CONTINUUM
    kept = [p for p in found if not continuum or p is neutral[0] or p not in neutral]
    kept.sort(key=lambda p: p.variance)
    return FixedPoints(tuple(kept), continuum, _reason(kept, continuum, grows, mean, variance))


def _starts_on_line(
    act: Activation, omega: float, tau: float, mean: Bounds, variance: Bounds
) -> tuple[np.ndarray, np.ndarray]:
    """Returns starts ``(n, 2)`` and the relative growth of the variance at every one looked at."""
    v = np.geomspace(*variance, LINE)
    after = moment_map(act, 0.0, v, omega, tau)
    growth = after.variance / v - 1.0
    size = np.abs(growth)
    crosses = np.append(np.sign(growth[1:]) != np.sign(growth[:-1]), False)
    good = crosses | np.roll(crosses, 1) | _is_lowest(size) | (size < EXACT)
    return np.stack([after.mean[good], v[good]], axis=-1), growth


def _starts_on_grid(
    act: Activation, omega: float, tau: float, mean: Bounds, variance: Bounds
) -> tuple[np.ndarray, np.ndarray]:
    """Returns starts ``(n, 2)`` and the relative growth of the variance at every one looked at."""
    m, v = np.meshgrid(np.linspace(*mean, SIDE), np.geomspace(*variance, SIDE), indexing="ij")
    after = moment_map(act, m, v, omega, tau)
    shift, growth = (after.mean - m) / np.sqrt(v), after.variance / v - 1.0
    corners = [(slice(a, SIDE - 1 + a), slice(b, SIDE - 1 + b)) for a in (0, 1) for b in (0, 1)]
    crosses = np.ones((SIDE - 1, SIDE - 1), dtype=bool)
    for residual in (shift, growth):
        four = np.stack([residual[corner] for corner in corners])
        crosses &= (four.min(0) <= 0.0) & (four.max(0) >= 0.0)
    size = np.hypot(shift, growth)
    good = _is_lowest(size) & (_is_lowest(size.T).T) | (size < EXACT)
    good[:-1, :-1] |= crosses
    return np.stack([m[good], v[good]], axis=-1), growth


def _is_lowest(size: np.ndarray) -> np.ndarray:
    """Returns where a value is at most its neighbours on the first axis."""
    edge = np.full((1, *size.shape[1:]), np.inf)
    return (size <= np.concatenate([edge, size[:-1]])) & (size <= np.concatenate([size[1:], edge]))


def _polish(act: Activation, omega: float, tau: float, starts: np.ndarray) -> np.ndarray:
    """Returns where Newton's method ends from ``(n, 2)`` starts, of those that reach a root.

    In the coordinates mean / s and ln(variance), steps cut to the unit square.
    """
    m, v = starts[:, 0].copy(), starts[:, 1].copy()
    best, score = starts.copy(), np.full(len(starts), np.inf)
    for _ in range(STEPS):
        after = moment_map(act, m, v, omega, tau)
        s = np.sqrt(v)
        gap = np.stack([(after.mean - m) / s, after.variance / v - 1.0], axis=-1)
        size = np.abs(gap).max(-1)
        better = size < score
        best[better] = np.stack([m, v], axis=-1)[better]
        score[better] = size[better]
        if not better.any():
            break
        slope = after.jacobian * np.stack([np.ones_like(s), s], -1)[:, None, :]
        slope[:, 1] /= s[:, None]
        slope -= np.diag([1.0, 1.0])
        # Least squares, since on a line of fixed points the matrix is singular.
        step = np.clip(-(np.linalg.pinv(slope, rcond=1e-12) @ gap[..., None])[..., 0], -1.0, 1.0)
        m = np.clip(m + step[:, 0] * s, -1e6, 1e6)
        v = np.clip(v * np.exp(step[:, 1]), TINY, HUGE)
    return best[score < EXACT]


def _inside(points: np.ndarray, mean: Bounds, variance: Bounds) -> np.ndarray:
    """Returns the points in the window; what rounding puts beside its edge is put back on it."""
    slack = 1e-9
    m, v = points[:, 0], points[:, 1]
    s = np.sqrt(v)
    inside = (m >= mean[0] - slack * s) & (m <= mean[1] + slack * s)
    inside &= (v >= variance[0] * (1 - slack)) & (v <= variance[1] * (1 + slack))
    return np.stack([np.clip(m, *mean), np.clip(v, *variance)], axis=-1)[inside]


def _reason(
    points: list[FixedPoint],
    continuum: bool,
    growth: np.ndarray,
    mean: Bounds,
    variance: Bounds,
) -> str:
    window = " and ".join(
        f"{name} {amount(low)} to {amount(high)}"
        for name, (low, high) in (("mean", mean), ("variance", variance))
    )
    if continuum:
        shown = min(points, key=lambda point: abs(np.log(abs(point.eigenvalues[0]))))
        return (
            f"Fixed points without a gap (to {-round(np.log10(EXACT))} digits), among them "
            f"{words_of((shown.mean, shown.variance))}. Where an orbit ends depends on its start."
        )
    if len(points) == 1:
        point = points[0]
        return f"One fixed point, {point.kind}: {words_of((point.mean, point.variance))}."
    if points:
        kinds = [point.kind for point in points]
        tally = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
        return f"{len(points)} fixed points: {', '.join(tally)}."
    if (growth < 0.0).all():
        return f"No fixed point at {window}: the variance falls everywhere there."
    if (growth > 0.0).all():
        return f"No fixed point at {window}: the variance grows everywhere there."
    return f"No fixed point at {window}: some variances there are kept, but the mean moves on."
