"""What a curve of variances over depth does: holds, settles elsewhere, vanishes, explodes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = [
    "EXPLODED",
    "FAR",
    "HOLDS_MEAN",
    "HOLDS_VARIANCE",
    "SCATTER",
    "VANISHED",
    "Trend",
    "trend",
]

HOLDS_VARIANCE = (0.8, 1.5)  # Theorem 1's domain, used as a measure for the pooled moments
HOLDS_MEAN = 0.1
SCATTER = 1.02  # a factor a layer; less is the scatter of networks as wide as a page's
FAR = 10.0  # from here on a drift is called vanishing or exploding
STILL = 1.1  # a factor over half the depth: less is standing still
SHORT = 12  # layers; of fewer nothing can be said of slowing down
SLOWING = 0.7  # of the rate before
NEAR = 0.05  # of the last value: within it a curve has settled
VANISHED, EXPLODED = 1e-3, 1e3  # marks on the way, for a person


@dataclass(frozen=True)
class Trend:
    """What the moments do over the layers 1 to depth.

    Attributes:
        kind: "holds", "settles", "drifts", "vanishes" or "explodes".
        mean, variance: At the last layer.
        rate: The variance's factor a layer over the second half of the depth.
        layer: The first layer from which on the variance stays within 5 % of the last, or, where
            it vanishes or explodes, beyond 1e-3 or 1e3; else the last layer.
    """

    kind: str
    mean: float
    variance: float
    rate: float
    layer: int


def trend(mean: np.ndarray, variance: np.ndarray, scatter: float = 1.0) -> Trend | None:
    """Returns the trend of a mean and a variance, ``(depth + 1,)`` each, the input first.

    A measured curve strays: one that changes by less than ``scatter`` a layer stands still. Of a
    predicted curve nothing is forgiven, so a slow fall (tanh's) is told from a fixed point.
    None where the last layer is not finite or has no variance.
    """
    depth = len(variance) - 1
    last, at_end = float(variance[-1]), float(mean[-1])
    if not (math.isfinite(last) and math.isfinite(at_end) and last > 0.0):
        return None
    half = max(depth // 2, min(1, depth - 1))
    before = float(variance[half])
    sound = math.isfinite(before) and before > 0.0
    rate = (last / before) ** (1.0 / max(depth - half, 1)) if sound else 1.0
    if sound and _rests(variance, half, rate, scatter):
        near = abs(at_end) <= HOLDS_MEAN and HOLDS_VARIANCE[0] <= last <= HOLDS_VARIANCE[1]
        away = np.abs(variance / last - 1.0) > NEAR
        return Trend("holds" if near else "settles", at_end, last, rate, _since(~away))
    start = float(variance[0]) if variance[0] > 0.0 else 1.0
    # a large input that comes down to 1, as SELU's does, is no vanishing
    if rate < 1.0 and max(last, last / start) < 1.0 / FAR:
        return Trend("vanishes", at_end, last, rate, _since(variance < VANISHED))
    if rate > 1.0 and min(last, last / start) > FAR:
        return Trend("explodes", at_end, last, rate, _since(variance > EXPLODED))
    return Trend("drifts", at_end, last, rate, depth)


def _rests(variance: np.ndarray, half: int, rate: float, scatter: float) -> bool:
    """Whether a curve stands still at its end, or slows down so much that it soon will."""
    depth = len(variance) - 1
    change = abs(math.log(rate))
    if change < math.log(scatter) or (depth - half) * change < math.log(STILL):
        return True
    middle = (half + depth) // 2
    if depth < SHORT or not variance[middle] > 0.0:
        return False
    before, after = (abs(math.log(variance[b] / variance[a])) / (b - a) for a, b in
                     ((half, middle), (middle, depth)))  # fmt: skip
    return after < SLOWING * before and after < math.log(1.05)


def _since(holds: np.ndarray) -> int:
    """The first layer from which on it holds; the last one where it does not hold there."""
    broken = np.flatnonzero(~holds)
    return min(int(broken[-1]) + 1, len(holds) - 1) if len(broken) else 0
