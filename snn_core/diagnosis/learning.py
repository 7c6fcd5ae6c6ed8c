"""How far every seed has come, measured against guessing."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snn_core.datasets import Dataset, is_regression
from snn_core.diagnosis.change import middle
from snn_core.settings import Experiment, dataset_of
from snn_core.train.history import series
from snn_core.train.result import Snapshot
from snn_core.wording import amount

__all__ = [
    "BETTER",
    "Guess",
    "Progress",
    "falls_on",
    "guess_of",
    "has_settled",
    "overfit",
    "progress_of",
    "recently",
    "stay",
]

# Of the loss of guessing: what a lucky draw of the first weights rarely has, and a regression of
# R^2 = 0.1 just has.
BETTER = 0.9
# Of the loss of guessing: what it must fall by in the second half of the steps, more than an
# optimizer's noise, and how far from guessing it must be: coming down to that is not learning.
FALLING, AWAY = 0.02, 0.03
LOST = 0.8  # of the loss of guessing: clearly learned once
FROZEN = 1e-3  # of the first loss: the whole range of a seed that does not move
# The validation loss over its lowest, by a tenth that is also some of the loss of guessing (a
# tenth of next to nothing is nothing), and the training loss under what it was then.
RISEN, RISEN_LEAST, FITTED = 1.1, 0.05, 0.9
SETTLED = 0.98  # of the lowest loss before: less is no progress
GOES_ON = 0.01  # of the loss of guessing, in the last fifth of the steps
TOLERANCES = (0.01, 0.02, 0.05)  # "within 1 % of", the smallest that holds long enough is said


@dataclass(frozen=True)
class Guess:
    """What a constant answer gets: its loss, also in words, and its accuracy or R^2."""

    loss: float
    accuracy: float
    words: str
    regression: bool = False


def guess_of(experiment: Experiment) -> Guess:
    """Returns what the best constant answer gets on the experiment's data.

    With classes in equal numbers ln(classes), else the entropy of their shares, and the accuracy
    of always naming the largest. A regression's targets are standardized: loss 1, R^2 0.
    """
    return _guess(dataset_of(experiment))


@functools.lru_cache(maxsize=32)
def _guess(data: Dataset) -> Guess:
    if data.load is None:
        raise ValueError(f"{data.name} is random noise and has nothing to guess. Use moons.")
    table = data.load()
    if is_regression(table):
        return Guess(1.0, 0.0, "1, the loss of always guessing the mean", True)
    counts = np.bincount(table.y)
    shares, classes = counts[counts > 0] / counts.sum(), len(table.class_names)
    entropy = float(-(shares * np.log(shares)).sum())
    words = f"{amount(entropy, 3)}, the loss of guessing by the classes' shares"
    if entropy > 0.99 * math.log(classes):
        words = f"ln {classes} = {amount(math.log(classes), 3)}, the loss of guessing"
    return Guess(entropy, float(shares.max()), words)


@dataclass(frozen=True)
class Progress:
    """Every seed's training loss so far; ``(seeds,)`` each, losses are medians over records.

    Attributes:
        steps, loss: ``(records,)`` and ``(records, seeds)``.
        start, now: At the first record, and over the last tenth of the steps.
        learned: Whether it is clearly below the loss of guessing; and below where it began, if
            that was so low by luck.
        falling: Whether it fell in the second half of the steps.
        stuck: Neither.
        frozen: Whether it has hardly moved at all.
        lost: Whether it was clearly below the loss of guessing once, and is not any more.
    """

    steps: np.ndarray
    loss: np.ndarray
    start: np.ndarray
    now: np.ndarray
    learned: np.ndarray
    falling: np.ndarray
    stuck: np.ndarray
    frozen: np.ndarray
    lost: np.ndarray


def progress_of(history: Sequence[Snapshot], arm: int, guess: Guess) -> Progress | None:
    """Returns how far the arm's seeds have come; None without a record."""
    steps, loss = series(history, arm, "train_loss")
    if not len(steps):
        return None
    span = int(steps[-1])
    start, now = loss[0], middle(loss[steps >= 0.9 * span])
    half = (steps >= 0.4 * span) & (steps <= 0.6 * span)
    nearest = np.abs(steps - 0.5 * span).argmin()
    halfway = middle(loss[half]) if half.any() else loss[nearest]
    away = np.abs(now - guess.loss) > AWAY * guess.loss
    falling = (halfway - now >= FALLING * guess.loss) & away
    frozen = np.ptp(loss, axis=0) <= FROZEN * np.abs(start)
    lucky = start <= BETTER * guess.loss
    learned = (now <= BETTER * guess.loss) & (~lucky | (now <= BETTER * start))
    lost = (loss <= LOST * np.minimum(start, guess.loss)).any(axis=0) & ~learned & ~falling
    stuck = ~learned & ~falling
    return Progress(steps, loss, start, now, learned, falling, stuck, frozen, lost)


def stay(steps: np.ndarray, loss: np.ndarray, level: float, enough: int) -> tuple[float, int]:
    """Returns (tolerance, steps): how near to the level the loss has stayed, and for how long.

    The smallest of a few tolerances, relative, that has held for ``enough`` steps up to now;
    (0, 0) if none has.
    """
    for tolerance in TOLERANCES:
        away = np.flatnonzero(~(np.abs(loss - level) <= tolerance * level))  # NaN is away
        since = away[-1] + 1 if len(away) else 0
        if since < len(steps) and steps[-1] - steps[since] >= enough:
            return tolerance, int(steps[-1] - steps[since])
    return 0.0, 0


def recently(steps: np.ndarray, values: np.ndarray) -> float:
    """Returns the median over the last tenth of the steps, of the mean over seeds if any."""
    last = values[steps >= 0.9 * steps[-1]]
    return float(np.median(last.mean(axis=1) if last.ndim > 1 else last))


def overfit(progress: Progress, loss: np.ndarray, guess: Guess) -> int | None:
    """Returns the record of the lowest validation loss, if that has risen since, else None.

    ``loss`` is the validation loss, ``(records, seeds)``. It must have risen in most seeds, and
    the training loss must have fallen meanwhile.
    """
    mean, fitted, steps = loss.mean(axis=1), progress.loss.mean(axis=1), progress.steps
    if not np.isfinite(mean).any():
        return None
    best = int(np.nanargmin(mean))
    now, low = recently(steps, mean), float(mean[best])
    risen = np.median(loss[steps >= 0.9 * steps[-1]], axis=0) > RISEN * loss[best]
    most = 2 * int(risen.sum()) > len(risen)
    fell = recently(steps, fitted) < FITTED * fitted[best]
    far = now > max(RISEN * low, low + RISEN_LEAST * guess.loss)
    return best if far and fell and most else None


def has_settled(steps: np.ndarray, loss: np.ndarray) -> bool:
    """Returns whether the loss has not got lower in the last third of the steps."""
    before = steps <= steps[-1] * 2 / 3
    if not before.any() or before.all():
        return False
    return bool(loss[~before].min() > SETTLED * loss[before].min())


def falls_on(steps: np.ndarray, loss: np.ndarray, guess: Guess) -> bool:
    """Returns whether the loss still fell at the end."""
    earlier = loss[(steps >= 0.7 * steps[-1]) & (steps <= 0.8 * steps[-1])]
    return bool(len(earlier)) and float(np.median(earlier)) - recently(steps, loss) > (
        GOES_ON * guess.loss
    )
