"""One arm: an experiment's seeds on their way, what they show, and when they end."""

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

from snn_core.cost import CORES, MEMORY_SHARE, available_bytes, update_seconds
from snn_core.settings import Experiment, plan_of, rate_at
from snn_core.train.data import Rows, Task, task_of
from snn_core.train.result import ArmSnapshot
from snn_core.train.seed_group import Fault, Team, advance, evaluate, look, team_of
from snn_core.train.statistics import Sums, notes_of
from snn_core.train.thread_pool import Crew, side_by_side

__all__ = ["Arm", "approach", "next_record", "proceed", "start_arm"]

ShouldStop = Callable[[], bool]
SHOWN_ROWS = 512
LONGEST_UPDATE = 5.0  # seconds
LONGEST_PRODUCT = 0.2  # seconds; nobody is asked whether to stop during two of them
AT_A_TIME = 0.25  # seconds of updates between two looks at the clock
PIECE = 2**21  # multiplications of one product from which on another thread pays, as measured


@dataclass
class Arm:
    """An experiment in training.

    ``learning_rate`` is what the schedule starts from; it may be set between updates, from any
    thread, and holds from the next one. ``shown`` is the last record, ``pace`` how many seconds an
    update took of late, 0 before the first.
    """

    experiment: Experiment
    task: Task
    teams: list[Team]
    learning_rate: float
    seconds: float = 0.0
    best_loss: float = math.inf
    best_step: int = 0
    shown: ArmSnapshot | None = None
    pace: float = 0.0
    crew: Crew = field(default_factory=Crew)

    @property
    def step(self) -> int:
        """How many updates all its seeds have made."""
        return min(team.step for team in self.teams)


def start_arm(experiment: Experiment) -> Arm:
    """Returns the arm before its first update; a ValueError says what can't be trained.

    On a CPU convolutions are fastest as one network per single-threaded thread, small dense
    networks as one stack on one core, large ones as one stack per core; an accelerator takes all
    seeds at once.
    """
    task = task_of(experiment)
    _check(experiment, task)
    teams = [team_of(experiment, task, seeds) for seeds in _groups(experiment)]
    small = experiment.network.kind == "mlp" and _products(experiment) < 4 * PIECE
    crew = Crew(1 if small else CORES)
    return Arm(experiment, task, teams, experiment.training.learning_rate, crew=crew)


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


def approach(
    arm: Arm, target: int, should_stop: ShouldStop, due: Callable[[], bool]
) -> Iterator[ArmSnapshot]:
    """Makes the updates up to the last before ``target``; yields a record whenever it is ``due``.

    Such a record is only to be seen: the arm goes on as if it had not been taken, whatever it
    shows, and its time does not count.
    """
    last = min(target, arm.experiment.training.steps) - 1
    while arm.step < last and _fault(arm) is None:
        if due():
            begun = time.perf_counter()
            sums = _advance(arm, arm.step + 1, should_stop, noting=True)
            arm.seconds += time.perf_counter() - begun
            if _fault(arm) is None:
                record = replace(_record(arm, sums, should_stop), seconds=arm.seconds)
                for team in arm.teams:  # the next record finds out by itself
                    team.fault = None
                yield record
        else:
            count = max(int(AT_A_TIME / arm.pace), 1) if arm.pace else 1
            begun, before = time.perf_counter(), arm.step
            try:
                _advance(arm, min(before + count, last), should_stop)
            finally:
                spent, made = time.perf_counter() - begun, arm.step - before
                arm.seconds += spent
                arm.pace = spent / made if made else arm.pace


def _advance(
    arm: Arm, target: int, should_stop: ShouldStop, noting: bool = False
) -> list[Sums | None]:
    rate = partial(_rate, arm)
    work = partial(advance, target=target, rate=rate, noting=noting, should_stop=should_stop)
    return side_by_side(arm.crew, arm.teams, work)


def proceed(arm: Arm, target: int, should_stop: ShouldStop, noting: bool = False) -> ArmSnapshot:
    """Makes updates until there are ``target``, fewer where it diverges; returns the record.

    The record has statistics at the setting's intervals, and wherever ``noting``.
    """
    training, start = arm.experiment.training, time.perf_counter()
    target = min(target, training.steps)
    if target == 0:
        sums = side_by_side(arm.crew, arm.teams, partial(look, should_stop=should_stop))
    else:
        noting |= target % training.statistics_every == 0 or target == training.steps
        sums = _advance(arm, target, should_stop, noting)
    shown = _record(arm, sums, should_stop)
    arm.seconds += time.perf_counter() - start
    shown = replace(shown, seconds=arm.seconds)
    reason = _reason(arm, shown)
    if reason:
        whole = (arm.task.validation, arm.task.test)
        (loss, accuracy), (_, test) = _scored(arm, whole, should_stop)
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


def _record(arm: Arm, sums: Sequence[Sums | None], should_stop: ShouldStop) -> ArmSnapshot:
    task = arm.task
    count = min(SHOWN_ROWS, len(task.validation.y))
    shown = (_first(task.train, count), _first(task.validation, count))
    taken = [each for each in sums if each is not None]
    layers: dict[str, Any] = {}
    if len(taken) == len(arm.teams):
        layers = notes_of(arm.teams[0].net.shapes[0].activation, taken)
    train, validation = _scored(arm, shown, should_stop)
    fault = _fault(arm)
    return ArmSnapshot(
        step=arm.step,
        epoch=arm.step * arm.teams[0].order.size / len(task.train.y),
        learning_rate=_rate(arm, arm.step),
        train_loss=train[0],
        train_accuracy=train[1],
        validation_loss=validation[0],
        validation_accuracy=validation[1],
        diverged_at=fault and (fault.step, fault.layer),
        **layers,
    )


def _first(rows: Rows, count: int) -> Rows:
    return Rows(rows.x[:count], rows.y[:count])


def _scored(
    arm: Arm, parts: Sequence[Rows], should_stop: ShouldStop
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(loss, accuracy) of every seed over each of the parts."""

    def work(team: Team) -> list[tuple[np.ndarray, np.ndarray]]:
        return [evaluate(team, rows, should_stop) for rows in parts]

    by_part = zip(*side_by_side(arm.crew, arm.teams, work), strict=True)
    return [
        (np.concatenate([a for a, _ in p]), np.concatenate([b for _, b in p])) for p in by_part
    ]


def _fault(arm: Arm) -> Fault | None:
    return min((team.fault for team in arm.teams if team.fault), default=None)


def _reason(arm: Arm, shown: ArmSnapshot) -> str:
    """Returns why the arm ends here, or nothing; the sentence is for a person."""
    training, fault = arm.experiment.training, _fault(arm)
    if fault is not None:
        depth = arm.experiment.network.depth
        where = f"layer {fault.layer}" if fault.layer <= depth else "the output head"
        return (
            f"Diverged at step {fault.step}: the {fault.what} of {where} are no longer finite "
            "numbers. Try a smaller learning rate, gradient clipping, or another initializer."
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
