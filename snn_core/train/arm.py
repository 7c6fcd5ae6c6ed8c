"""One arm: an experiment's seeds in training, what they show, and when they end."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from snn_core.cost import CORES, MEMORY_SHARE, available_bytes, update_seconds
from snn_core.settings import Experiment, plan_of, rate_at
from snn_core.train.data import Batch, Rows, Task, task_of
from snn_core.train.networks import Networks, ask, run_pass
from snn_core.train.result import ArmSnapshot
from snn_core.train.statistics import PartialSums, layer_statistics
from snn_core.train.step import (
    Divergence,
    SeedGroup,
    advance,
    first_sums,
    group_of,
    locate_nonfinite,
    losses,
    resumed,
)
from snn_core.train.thread_pool import ThreadPool, side_by_side

__all__ = [
    "SHOWN_ROWS",
    "Arm",
    "approach",
    "evaluate",
    "next_record",
    "proceed",
    "resumed_arm",
    "start_arm",
]

SHOWN_ROWS = 512
LONGEST_UPDATE = 5.0  # seconds
LONGEST_PRODUCT = 0.2  # seconds; nobody is asked whether to stop during two of them
AT_ONCE = 2e9  # floating-point operations of an evaluation between two asks, some 20 ms
AT_A_TIME = 0.25  # seconds of updates between two looks at the clock
PIECE = 2**21  # multiplications of one product from which on another thread pays, as measured


@dataclass
class Arm:
    """An experiment in training; a copy that nobody moves on is its state at a checkpoint.

    ``learning_rate`` is what the schedule starts from; it may be set between updates, from any
    thread, and holds from the next one. ``shown`` is the last record, ``pace`` how many seconds an
    update took of late, 0 before the first.
    """

    experiment: Experiment
    task: Task
    groups: list[SeedGroup]
    learning_rate: float
    seconds: float = 0.0
    best_loss: float = math.inf
    best_step: int = 0
    shown: ArmSnapshot | None = None
    pace: float = 0.0
    pool: ThreadPool = field(default_factory=ThreadPool)

    @property
    def step(self) -> int:
        """How many updates all its seeds have made."""
        return min(group.step for group in self.groups)


def start_arm(experiment: Experiment) -> Arm:
    """Returns the arm before its first update; a ValueError says what can't be trained.

    On a CPU convolutions are fastest as one network per single-threaded thread, small dense
    networks as one stack on one core, large ones as one stack per core; an accelerator takes all
    seeds at once.
    """
    task = task_of(experiment)
    _check(experiment, task)
    groups = [group_of(experiment, task, seeds) for seeds in _groups(experiment)]
    small = experiment.network.kind == "mlp" and _products(experiment) < 4 * PIECE
    pool = ThreadPool(1 if small else CORES)
    return Arm(experiment, task, groups, experiment.training.learning_rate, pool=pool)


def resumed_arm(arm: Arm, experiment: Experiment | None = None) -> Arm:
    """Returns a copy that goes on bit by bit as the arm would, or as another experiment.

    That may be one with another training, constraint or dropout, which the arm's end does not
    hold for.

    Raises:
        ValueError: An experiment that can't be trained.
    """
    old, new = arm.experiment, experiment or arm.experiment
    if new != old:
        _check(new, arm.task)
    groups = [resumed(group, new) for group in arm.groups]
    found = replace(arm, experiment=new, groups=groups, pace=0.0, pool=ThreadPool(arm.pool.cores))
    if new == old:
        return found
    if new.training.learning_rate != old.training.learning_rate:
        found.learning_rate = new.training.learning_rate
    shown = arm.shown
    if shown is not None and shown.diverged_at is None and shown.step < new.training.steps:
        found.shown = replace(shown, ended="")
    return found


def _groups(experiment: Experiment) -> list[range]:
    """The seeds that train as one stack."""
    seeds = experiment.seeds
    if experiment.device != "cpu":
        count = 1
    elif experiment.network.kind == "cnn":
        count = seeds
    else:
        count = max(min(CORES, seeds // 2, _products(experiment) // PIECE, 4), 1)
    cuts = [seeds * index // count for index in range(count + 1)]
    return [range(a, b) for a, b in itertools.pairwise(cuts)]


def _products(experiment: Experiment) -> int:
    """The multiplications of one layer's product, all seeds together, in the mean of layers."""
    layers = plan_of(experiment)
    weights = sum(layer.fan_in * layer.outputs for layer in layers) // len(layers)
    return experiment.seeds * experiment.training.batch_size * weights


def _check(experiment: Experiment, task: Task) -> None:
    net, training = experiment.network, experiment.training
    if experiment.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device 'cuda' is not present on this machine. Use 'cpu'.")
    if experiment.dtype not in ("float32", "float64"):
        raise ValueError(f"Training needs dtype float32 or float64, got {experiment.dtype!r}.")
    if net.normalization == "batch" and min(training.batch_size, len(task.train.y)) < 2:
        raise ValueError("Batch normalization needs a training batch of at least 2, got 1.")
    if task.regression and training.label_smoothing:
        raise ValueError(
            f"label_smoothing spreads a class label, and {experiment.data} has numbers to learn. "
            "Use 0."
        )
    layers = plan_of(experiment)
    copies = {"sgd": 4, "rmsprop": 5}.get(training.optimizer, 6)
    weights = sum(layer.fan_in * layer.outputs for layer in layers)
    values = sum(layer.units for layer in layers)
    each = 8 if experiment.dtype == "float64" else 4
    size = experiment.seeds * each * (copies * weights + 4 * training.batch_size * values)
    allowed = MEMORY_SHARE * available_bytes(experiment.device)
    if size > allowed:
        raise ValueError(
            f"Too big for this machine: about {size / 2**30:.1f} GiB are needed, "
            f"{allowed / 2**30:.1f} GiB are allowed. Use fewer seeds, a smaller training batch, "
            "or a network less wide or deep."
        )
    seconds, longest = update_seconds(experiment, min(training.batch_size, len(task.train.y)))
    if seconds > LONGEST_UPDATE or longest > LONGEST_PRODUCT:
        raise ValueError(
            f"Too slow for this machine: an update takes about {seconds:.1f} s and its longest "
            f"product {longest:.2f} s, {LONGEST_UPDATE:.0f} s and {LONGEST_PRODUCT} s are "
            "allowed. Use fewer seeds, a smaller training batch, or a network less wide or deep."
        )


def next_record(arm: Arm) -> int:
    """Returns the next step at which the arm is to be recorded."""
    training = arm.experiment.training
    marks = (training.record_every, training.statistics_every)
    return min(training.steps, *((arm.step // every + 1) * every for every in marks))


def approach(arm: Arm, target: int, due: Callable[[], bool]) -> Iterator[ArmSnapshot]:
    """Makes the updates up to the last before ``target``; yields a record whenever it is ``due``.

    Such a record is only to be seen: the arm goes on as if it had not been taken, whatever it
    shows, and its time does not count.
    """
    last = min(target, arm.experiment.training.steps) - 1
    while arm.step < last and _divergence(arm) is None:
        if due():
            begun = time.perf_counter()
            sums = _advance(arm, arm.step + 1, noting=True)
            arm.seconds += time.perf_counter() - begun
            if _divergence(arm) is None:
                record = replace(_record(arm, sums), seconds=arm.seconds)
                for group in arm.groups:  # the next record finds out by itself
                    group.divergence = None
                yield record
        else:
            count = max(int(AT_A_TIME / arm.pace), 1) if arm.pace else 1
            begun, before = time.perf_counter(), arm.step
            try:
                _advance(arm, min(before + count, last))
            finally:
                spent, made = time.perf_counter() - begun, arm.step - before
                arm.seconds += spent
                arm.pace = spent / made if made else arm.pace


def _advance(arm: Arm, target: int, noting: bool = False) -> list[PartialSums | None]:
    work = partial(advance, target=target, rate=partial(_rate, arm), noting=noting)
    return side_by_side(arm.pool, arm.groups, work)


def proceed(arm: Arm, target: int, noting: bool = False) -> ArmSnapshot:
    """Makes updates until there are ``target``, fewer where it diverges; returns the record.

    The record has statistics at the setting's intervals, and wherever ``noting``.
    """
    training, start = arm.experiment.training, time.perf_counter()
    target = min(target, training.steps)
    if target == 0:
        sums = side_by_side(arm.pool, arm.groups, first_sums)
    else:
        noting |= target % training.statistics_every == 0 or target == training.steps
        sums = _advance(arm, target, noting)
    shown = _record(arm, sums)
    arm.seconds += time.perf_counter() - start
    shown = replace(shown, seconds=arm.seconds)
    reason = _reason(arm, shown)
    if reason:
        whole = (arm.task.validation, arm.task.test)
        (loss, accuracy), (_, test) = _scored(arm, whole)
        shown = replace(
            shown,
            test_accuracy=test,
            validation_loss=loss,
            validation_accuracy=accuracy,
            ended=reason,
        )
    arm.shown = shown
    return shown


def _rate(arm: Arm, step: int) -> float:
    return rate_at(arm.experiment.training, step, arm.learning_rate)


def _record(arm: Arm, sums: Sequence[PartialSums | None]) -> ArmSnapshot:
    task = arm.task
    count = min(SHOWN_ROWS, len(task.validation.y))
    shown = (_first(task.train, count), _first(task.validation, count))
    taken = [each for each in sums if each is not None]
    layers: dict[str, Any] = {}
    if len(taken) == len(arm.groups):
        layers = layer_statistics(arm.groups[0].net.shapes[0].activation, taken)
    train, validation = _scored(arm, shown)
    divergence = _divergence(arm)
    return ArmSnapshot(
        step=arm.step,
        epoch=arm.step * arm.groups[0].order.size / len(task.train.y),
        learning_rate=_rate(arm, arm.step),
        train_loss=train[0],
        train_accuracy=train[1],
        validation_loss=validation[0],
        validation_accuracy=validation[1],
        diverged_at=divergence and (divergence.step, divergence.layer),
        **layers,
    )


def _first(rows: Rows, count: int) -> Rows:
    return Rows(rows.x[:count], rows.y[:count])


def _scored(arm: Arm, parts: Sequence[Rows]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(loss, accuracy) of every seed over each of the parts."""

    def work(group: SeedGroup) -> list[tuple[np.ndarray, np.ndarray]]:
        return [evaluate(group, rows) for rows in parts]

    by_part = zip(*side_by_side(arm.pool, arm.groups, work), strict=True)
    return [
        (np.concatenate([a for a, _ in p]), np.concatenate([b for _, b in p])) for p in by_part
    ]


@torch.no_grad()
def evaluate(group: SeedGroup, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Returns (loss, accuracy), each ``(seeds,)`` float64, over the rows, without dropout.

    A seed whose loss is not finite has the accuracy NaN, and the group a divergence.
    """
    net, seeds = group.net, len(group.net.seeds)
    size = _rows_at_once(net)
    loss, score = torch.zeros(seeds).double(), torch.zeros(seeds).double()
    for start in range(0, len(rows.y), size):
        ask(net)
        x, y = rows.x[start : start + size], rows.y[start : start + size]
        y = y.expand(seeds, -1)
        x = x.expand(seeds, *x.shape)
        outputs = run_pass(net, x, quiet=True).outputs
        regression = group.task.regression
        each, _ = losses(outputs, Batch(x, y), 0.0, regression)
        loss += y.shape[1] * each.double().cpu()
        score += _scores(outputs, y, regression).sum(1, dtype=torch.float64).cpu()
    loss, score = loss / len(rows.y), score / len(rows.y)
    if group.task.regression:
        score = 1.0 - score / rows.y.double().var(unbiased=False).cpu()
    finite = loss.isfinite()
    if not finite.all() and group.divergence is None:
        x = rows.x[:size]
        group.divergence = locate_nonfinite(group, x.expand(seeds, *x.shape))
    return loss.numpy(), torch.where(finite, score, torch.nan).numpy()


def _rows_at_once(net: Networks) -> int:
    """How many rows to evaluate together: by memory, and so that stopping is obeyed at once.

    Batch normalization needs rows to normalize over; a large layer asks before it anyway.
    """
    seeds, plans = len(net.seeds), [layer.plan for layer in net.shapes]
    least = 128 if net.experiment.network.normalization == "batch" else 1
    memory = 2**24 // (seeds * max(plan.units for plan in plans))
    work = AT_ONCE / sum(2.0 * seeds * plan.fan_in * plan.units for plan in plans)
    return min(max(memory, 16), 1024, max(int(work), least))


def _scores(outputs: Tensor, y: Tensor, regression: bool) -> Tensor:
    """1 for every row whose class is right, else 0; or the squared error."""
    if regression:
        return (outputs.squeeze(2) - y).square()
    return (outputs.argmax(2) == y).to(outputs.dtype)


def _divergence(arm: Arm) -> Divergence | None:
    return min((each.divergence for each in arm.groups if each.divergence), default=None)


def _reason(arm: Arm, shown: ArmSnapshot) -> str:
    """Returns why the arm ends here, or nothing; the sentence is for a person."""
    training, divergence = arm.experiment.training, _divergence(arm)
    if divergence is not None:
        depth = arm.experiment.network.depth
        where = f"layer {divergence.layer}" if divergence.layer <= depth else "the output head"
        return (
            f"Diverged at step {divergence.step}: the {divergence.what} of {where} are no longer "
            "finite numbers. Try a smaller learning rate, gradient clipping, or another "
            "initializer."
        )
    loss, accuracy = float(shown.validation_loss.mean()), float(shown.validation_accuracy.mean())
    if loss < arm.best_loss:
        arm.best_loss, arm.best_step = loss, shown.step
    if shown.step >= training.steps:
        return f"All {training.steps} steps are done."
    if training.stop_accuracy and accuracy >= training.stop_accuracy:
        return f"The validation accuracy reached {accuracy:.4g} at step {shown.step}."
    if training.patience and shown.step - arm.best_step >= training.patience:
        return f"The validation loss has not fallen since step {arm.best_step}."
    if training.stop_seconds and arm.seconds >= training.stop_seconds:
        return f"Its {training.stop_seconds:g} seconds are over."
    return ""
