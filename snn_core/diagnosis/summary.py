"""One arm's row in the table of arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snn_core.diagnosis.learning import guess_of
from snn_core.settings import Experiment
from snn_core.tables import number
from snn_core.train.history import series
from snn_core.train.result import Snapshot

__all__ = ["Summary", "deviation", "summary"]


@dataclass(frozen=True)
class Summary:
    """How an arm did. For a regression every accuracy is R^2.

    Attributes:
        step: Updates so far.
        accuracy, accuracy_deviation: Validation accuracy of the last record, mean and standard
            deviation over the seeds (of a sample; NaN for one seed). At the end over the whole
            part, before over up to 512 rows. NaN if a seed is not finite.
        test_accuracy, test_deviation: The same over the whole test part; None until the end.
        best_accuracy, best_step: The highest mean over seeds, and the first step that has it.
        target: The accuracy that ``steps_to`` asks for.
        steps_to: For every seed the first recorded step with at least that validation accuracy,
            or None.
        median_steps_to: Their median over all seeds, who has not got there counting as later than
            everybody; None where that is the median.
        reached: How many seeds got there.
        seconds: Time this arm has spent training and measuring.
        diverged: None, or (step, layer).
        ended: Why it has ended, a sentence; empty while it goes on.
        regression: Whether the accuracies are R^2.
    """

    step: int
    accuracy: float
    accuracy_deviation: float
    test_accuracy: float | None
    test_deviation: float | None
    best_accuracy: float
    best_step: int
    target: float
    steps_to: tuple[int | None, ...]
    median_steps_to: float | None
    reached: int
    seconds: float
    diverged: tuple[int, int] | None
    ended: str
    regression: bool


def deviation(values: np.ndarray) -> float:
    """Returns the standard deviation of a sample; NaN for fewer than two or infinite values."""
    known = len(values) > 1 and bool(np.isfinite(values).all())
    return float(values.std(ddof=1)) if known else float("nan")


def summary(
    history: Sequence[Snapshot], arm: int, experiment: Experiment, accuracy: float = 0.9
) -> Summary | None:
    """Returns the arm's row; ``accuracy`` is what "steps to" counts up to. None without a record.

    Raises:
        ValueError: An arm that is not there, an accuracy outside 0 to 1.
    """
    target = number("accuracy", accuracy, 0.0, 1.0)
    steps, values = series(history, arm, "validation_accuracy")
    if not len(steps):
        return None
    last = history[-1].arms[arm]
    mean = values.mean(axis=1)
    best = int(np.nanargmax(mean)) if np.isfinite(mean).any() else 0
    there = values >= target  # NaN is not
    first = [int(steps[column.argmax()]) if column.any() else None for column in there.T]
    median = float(np.median([np.inf if step is None else step for step in first]))
    test = last.test_accuracy
    return Summary(
        last.step,
        float(values[-1].mean()),
        deviation(values[-1]),
        None if test is None else float(test.mean()),
        None if test is None else deviation(test),
        float(mean[best]),
        int(steps[best]),
        target,
        tuple(first),
        median if np.isfinite(median) else None,
        sum(step is not None for step in first),
        last.seconds,
        last.diverged_at,
        last.ended,
        guess_of(experiment).regression,
    )
