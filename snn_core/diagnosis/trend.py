"""What moments do over depth: they hold, settle elsewhere, vanish, explode. All thresholds.

A propagation, every record of a training and every repair that is tried are judged by these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = [
    "CHANGED",
    "CHANGED_FAR",
    "EXPLODED",
    "FAR",
    "GRADIENT_CHANGED",
    "GRADIENT_FAR",
    "GRADIENT_RATE",
    "HOLDS_MEAN",
    "RUNAWAY",
    "SCATTER",
    "SHIFTED",
    "VANISHED",
    "GradientTrend",
    "Trend",
    "gradient_trend",
    "trend",
]

HOLDS_VARIANCE = (0.8, 1.5)  # Theorem 1's domain, used as a measure for the pooled moments
HOLDS_MEAN = 0.1
SCATTER = 1.02  # a factor a layer; less is the scatter of networks as wide as a page's
FAR = 10.0  # from here on a drift is called vanishing or exploding
STILL = 1.2  # a factor over half the depth: less is standing still
SHORT = 12  # layers; of fewer nothing can be said of slowing down
SLOWING = 0.7  # of the rate before
NEAR = 0.05  # of the last value: within it a curve has settled
VANISHED, EXPLODED = 1e-3, 1e3  # marks on the way, for a person
RUNAWAY = ("vanishes", "explodes")
# Of a layer's variance in training: Theorem 2 of the SNN paper takes over where the variance
# exceeds 3, Theorem 1 ends at 1.5, so up to a factor of 3 a unit sees much the same part of its
# activation. Learning alone makes the upper layers' variance grow some 15-fold.
CHANGED, CHANGED_FAR = 3.0, 100.0
SHIFTED = 1.0  # standard deviations of the mean: most inputs are then on one side of it
# Of the gradient's variance over all layers. Networks that learn well have up to about 100.
GRADIENT_CHANGED, GRADIENT_FAR = 100.0, 1e4
GRADIENT_RATE = 1.005  # a factor a layer that is worth a word


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


@dataclass(frozen=True)
class GradientTrend:
    """What the gradient's variance does on its way back, from the last layer to the first.

    Attributes:
        kind: "holds"; "grows" or "shrinks", from 100-fold on; "explodes" or "vanishes", from
            10,000-fold on.
        ratio: Layer 1 over the last layer; 0 or infinite where the number format ends.
        rate: Its factor a layer.
    """

    kind: str
    ratio: float
    rate: float


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


def gradient_trend(gradient: np.ndarray) -> GradientTrend | None:
    """Returns the trend of a gradient's variance, ``(depth + 1,)``, the input first.

    None where the top has none or a number is missing (NaN).
    """
    depth = len(gradient) - 1
    first = min(1, depth - 1)  # the step to the input is another: as many features as there are
    below, top = float(gradient[first]), float(gradient[-1])
    if math.isnan(below) or not 0.0 < top < math.inf:
        return None
    with np.errstate(all="ignore"):
        ratio = float(np.float64(below) / top)
        rate = float(np.exp(np.log(np.float64(ratio)) / (depth - first)))
    size = max(ratio, 1.0 / ratio) if ratio else math.inf
    if size < GRADIENT_CHANGED:
        return GradientTrend("holds", ratio, rate)
    far = size >= GRADIENT_FAR
    up, down = RUNAWAY[::-1] if far else ("grows", "shrinks")
    return GradientTrend(up if ratio > 1.0 else down, ratio, rate)
