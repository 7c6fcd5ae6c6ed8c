"""What a curve of variances over depth does: holds, settles elsewhere, vanishes, explodes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["EXPLODED", "STEADY", "VANISHED", "Course", "course"]

HOLDS_VARIANCE = (0.8, 1.5)  # Theorem 1's domain, used as a measure for the pooled moments
HOLDS_MEAN = 0.1
STEADY = 1.02  # a factor a layer; less is the scatter of networks as wide as a page's
FAR = 10.0  # from here on a drift is called vanishing or exploding
SHORT = 12  # layers; of fewer nothing can be said of slowing down
SLOWING = 0.7  # of the rate before
NEAR = 0.05  # of the last value: within it a curve has settled
VANISHED, EXPLODED = 1e-3, 1e3  # marks on the way, for a person


@dataclass(frozen=True)
class Course:
    """What the moments do over the layers 1 to depth.

    Attributes:
        kind: "holds", "settles", "drifts", "vanishes" or "explodes".
        mean, variance: At the last layer.
        rate: The variance's factor a layer over the second half of the depth.
        layer: Where it settles: the first layer from which the variance stays within 5 % of the
            last; or the first one beyond 1e-3 or 1e3; or the last.
    """

    kind: str
    mean: float
    variance: float
    rate: float
    layer: int


def course(mean: np.ndarray, variance: np.ndarray) -> Course | None:
    """Returns the course of a mean and a variance, ``(depth + 1,)`` each, the input first.

    None where the last layers are not finite or have no variance.
    """
    depth = len(variance) - 1
    last, at_end = float(variance[-1]), float(mean[-1])
    half = max(depth // 2, min(1, depth - 1))
    before = float(variance[half])
    if not (math.isfinite(last) and math.isfinite(before) and last > 0.0 and before > 0.0):
        return None
    rate = (last / before) ** (1.0 / max(depth - half, 1))
    whole = last / float(variance[0]) if variance[0] > 0.0 else last
    if _rests(variance, half, rate):
        near = abs(at_end) <= HOLDS_MEAN and HOLDS_VARIANCE[0] <= last <= HOLDS_VARIANCE[1]
        return Course("holds" if near else "settles", at_end, last, rate, _settled(variance))
    kind = "drifts"
    if rate < 1.0 and whole < 1.0 / FAR:
        kind = "vanishes"
    if rate > 1.0 and whole > FAR:
        kind = "explodes"
    beyond = variance < VANISHED if rate < 1.0 else variance > EXPLODED
    return Course(kind, at_end, last, rate, int(beyond.argmax()) if beyond.any() else depth)


def _rests(variance: np.ndarray, half: int, rate: float) -> bool:
    """Whether a curve stands still at its end, or slows down so much that it soon will."""
    depth = len(variance) - 1
    if 1.0 / STEADY < rate < STEADY or (depth - half) * abs(math.log(rate)) < math.log(1.1):
        return True
    middle = (half + depth) // 2
    if depth < SHORT or not variance[middle] > 0.0:
        return False
    before, after = (abs(math.log(variance[b] / variance[a])) / (b - a) for a, b in
                     ((half, middle), (middle, depth)))  # fmt: skip
    return after < SLOWING * before and after < math.log(1.05)


def _settled(variance: np.ndarray) -> int:
    far = ~(np.abs(variance / variance[-1] - 1.0) <= NEAR)
    return int(np.flatnonzero(far)[-1]) + 1 if far.any() else 0
