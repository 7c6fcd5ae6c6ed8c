"""Training one arm or several: an iterator of snapshots, and runs that can go back."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from snn_core.propagate import Stopped
from snn_core.settings import Experiment, constraint_of
from snn_core.train.arm import Arm, approach, next_record, proceed, start_arm
from snn_core.train.networks import parametrized, project_
from snn_core.train.result import ArmSnapshot, Snapshot
from snn_core.train.seed_group import Fault, Team

__all__ = [
    "Checkpoint",
    "Run",
    "can_go_on",
    "resume",
    "rewind",
    "start",
    "state_of",
    "train",
    "weights_in_use",
]

MEMORY = 2**28  # bytes of checkpoints that a run keeps
ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class TeamState:
    """A copy of some seeds' parameters and of their optimizer's state."""

    step: int
    leaves: tuple[Tensor, ...]
    optimizer: dict[str, Any]
    fault: Fault | None


@dataclass(frozen=True)
class ArmState:
    """A copy of an arm: from here it goes on bit by bit as it did."""

    learning_rate: float
    seconds: float
    best_loss: float
    best_step: int
    shown: ArmSnapshot | None
    teams: tuple[TeamState, ...]


@dataclass(frozen=True)
class Checkpoint:
    """A whole run at one recorded step; ``bytes`` is what it holds in memory."""

    experiments: tuple[Experiment, ...]
    step: int
    seconds: float
    arms: tuple[ArmState, ...]
    bytes: int


@dataclass
class Run:
    """Arms on their way; `train` moves it on and nothing else does.

    ``arms[i].learning_rate`` may be set at any time, and so may ``halts``, steps that are recorded
    with their statistics though no interval asks for it. ``checkpoints`` are of recorded steps,
    the first and the newest always among them; where they would hold more than ``memory`` bytes
    every other one between these is dropped. Where ``early`` seconds pass on the ``clock`` without
    a record (``told`` is when the last one was), an early snapshot is taken; nothing else depends
    on whether it was.
    """

    arms: list[Arm]
    step: int = 0
    seconds: float = 0.0
    shown: Snapshot | None = None
    checkpoints: list[Checkpoint] = field(default_factory=list)
    memory: int = MEMORY
    spacing: int = 1
    halts: frozenset[int] = frozenset()
    early: float = math.inf
    clock: Callable[[], float] = time.monotonic
    told: float = 0.0


def _never() -> bool:
    return False


def train(
    experiments: Experiment | Sequence[Experiment] | Run, should_stop: ShouldStop = _never
) -> Iterator[Snapshot]:
    """Returns an iterator over snapshots: step 0, every recorded step, the last.

    One experiment is an arm; several train side by side, step for step, each with its own network
    and training. Pausing is not asking for the next snapshot. The iterator ends when every arm has
    ended, or as soon as ``should_stop()`` is true, which it asks before every update. A Run is
    moved on from where it stands; its learning rates may be set meanwhile.

    The same experiments give the same snapshots on the same machine, but for ``seconds``. Seed k
    learns the same in an ensemble of any size, but for rounding.

    Raises:
        ValueError: An experiment that can't be trained: input without targets, a number format
            below float32, a device that is not there, more memory than is free.

    >>> from snn_core.settings import NetworkSpec, TrainingSpec
    >>> arm = Experiment(NetworkSpec(depth=2, width=8), "moons", training=TrainingSpec(steps=20))
    >>> [snapshot.step for snapshot in train(arm)]
    [0, 10, 20]
    """
    return _snapshots(
        experiments if isinstance(experiments, Run) else start(experiments), should_stop
    )


def start(experiments: Experiment | Sequence[Experiment], memory: int = MEMORY) -> Run:
    """Returns a run of one or several arms before the first update."""
    arms = [experiments] if isinstance(experiments, Experiment) else list(experiments)
    if not arms:
        raise ValueError("train needs at least one experiment, got none.")
    return Run([start_arm(arm) for arm in arms], memory=memory)


def _snapshots(run: Run, should_stop: ShouldStop) -> Iterator[Snapshot]:
    def due() -> bool:
        return run.clock() - run.told >= run.early

    while run.shown is None or any(_goes_on(arm) for arm in run.arms):
        active = [arm for arm in run.arms if _goes_on(arm)]
        target = 0 if run.shown is None else min(next_record(arm) for arm in active)
        halt = min((step for step in run.halts if step > run.step), default=target + 1)
        halts = halt <= target
        target = min(halt, target)
        begun, run.told = time.perf_counter(), run.clock()
        try:
            for arm in active:
                passing = approach(arm, target, should_stop, due)
                for record in passing if run.early < math.inf else ():
                    left = time.perf_counter()
                    yield _early(run, arm, record, left - begun)
                    run.told = run.clock()
                    begun += time.perf_counter() - left
                proceed(arm, target, should_stop, halts)
        except Stopped:
            return
        finally:
            run.seconds += time.perf_counter() - begun
        run.step = target
        shown = tuple(arm.shown for arm in run.arms if arm.shown is not None)
        run.shown = Snapshot(run.step, run.seconds, shown)
        _remember(run)
        yield run.shown


def _early(run: Run, moving: Arm, record: ArmSnapshot, seconds: float) -> Snapshot:
    """All arms as they stand; those that have reached the next record show it already."""
    shown = [record if arm is moving else arm.shown for arm in run.arms]
    each = tuple(arm for arm in shown if arm is not None)
    return Snapshot(record.step, run.seconds + seconds, each, early=True)


def _goes_on(arm: Arm) -> bool:
    return arm.shown is None or not arm.shown.ended


def _remember(run: Run) -> None:
    """Keeps a checkpoint; where there is no room, halves the density of those before it."""
    newest = state_of(run)
    if not run.checkpoints:
        run.checkpoints = [newest]
        return
    first, *between = run.checkpoints
    between = [c for c in between if c.step % run.spacing == 0]  # so not the newest of before
    while between and sum(c.bytes for c in (first, *between, newest)) > run.memory:
        run.spacing *= 2
        between = [c for c in between if c.step % run.spacing == 0]
    run.checkpoints = [first, *between, newest]  # a new list: another thread may read the old one


def state_of(run: Run) -> Checkpoint:
    """Returns a copy of all that the run's future depends on."""
    arms = tuple(
        ArmState(
            arm.learning_rate,
            arm.seconds,
            arm.best_loss,
            arm.best_step,
            arm.shown,
            tuple(_team_state(team) for team in arm.teams),
        )
        for arm in run.arms
    )
    experiments = tuple(arm.experiment for arm in run.arms)
    size = sum(_bytes(team) for arm in arms for team in arm.teams)
    return Checkpoint(experiments, run.step, run.seconds, arms, size)


@torch.no_grad()
def weights_in_use(state: TeamState, experiment: Experiment) -> tuple[Tensor, ...]:
    """Returns the hidden layers' weights that the networks of ``experiment`` compute with.

    They are the first of the leaves, unless a parametrization makes others of them.
    """
    kinds = (len(state.leaves) - 2 - experiment.training.trainable_scale) // 2
    weights = state.leaves[:kinds]
    if experiment.training.constraint_manner == "projection":
        return weights
    return tuple(parametrized(weight, constraint_of(experiment.network)) for weight in weights)


@torch.no_grad()
def _team_state(team: Team) -> TeamState:
    leaves = tuple(leaf.detach().clone() for leaf in team.net.leaves())
    return TeamState(team.step, leaves, copy.deepcopy(team.optimizer.state_dict()), team.fault)


def _bytes(team: TeamState) -> int:
    states = [v for state in team.optimizer["state"].values() for v in state.values()]
    tensors = [*team.leaves, *states]
    return sum(t.numel() * t.element_size() for t in tensors if isinstance(t, Tensor))


def resume(
    checkpoint: Checkpoint, experiments: Experiment | Sequence[Experiment] | None = None
) -> Run:
    """Returns a run that stands where the checkpoint was taken.

    With ``experiments``, one for every arm, it goes on with another training, constraint or
    dropout; networks, data and seeds must be the same. Another constraint projects the weights at
    once; another optimizer starts without a memory.

    Raises:
        ValueError: Experiments that don't fit the checkpoint's arms.
    """
    given = checkpoint.experiments if experiments is None else experiments
    run = start(given)
    if len(run.arms) != len(checkpoint.arms):
        raise ValueError(
            f"resume needs an experiment for each of {len(checkpoint.arms)} arms, "
            f"got {len(run.arms)}."
        )
    for arm, state, old in zip(run.arms, checkpoint.arms, checkpoint.experiments, strict=True):
        _restore(arm, state, old)
    run.step, run.seconds = checkpoint.step, checkpoint.seconds
    shown = tuple(arm.shown for arm in run.arms if arm.shown is not None)
    run.shown = Snapshot(run.step, run.seconds, shown) if shown else None
    return run


def _restore(arm: Arm, state: ArmState, old: Experiment) -> None:
    new = arm.experiment
    if not can_go_on(old, new):
        raise ValueError(
            "A run can go on with another training, constraint or dropout; its networks, data and "
            "seeds stay as they are. Start a new one instead."
        )
    arm.seconds, arm.best_loss, arm.best_step = state.seconds, state.best_loss, state.best_step
    same_rate = new.training.learning_rate == old.training.learning_rate
    arm.learning_rate = state.learning_rate if same_rate else new.training.learning_rate
    changed = new != old
    shown = state.shown
    if shown is not None and changed and shown.diverged_at is None:
        ends = shown.step >= new.training.steps
        shown = replace(shown, ended=shown.ended if ends else "")
    arm.shown = shown
    for team, kept in zip(arm.teams, state.teams, strict=True):
        _restore_team(team, kept, old)


def can_go_on(old: Experiment, new: Experiment) -> bool:
    """Returns whether a run of the one can go on as the other: see `resume`."""
    return _kept(new) == _kept(old)


def _kept(experiment: Experiment) -> Experiment:
    """The experiment with what may change on the way at one value."""
    net = replace(
        experiment.network,
        constraint="none",
        constraint_parameters=(),
        dropout="none",
        dropout_rate=0.1,
    )
    training = replace(
        type(experiment.training)(),
        batch_size=experiment.training.batch_size,
        trainable_scale=experiment.training.trainable_scale,
    )
    return replace(experiment, network=net, training=training)


@torch.no_grad()
def _restore_team(team: Team, state: TeamState, old: Experiment) -> None:
    new = team.net.experiment
    rule = (old.network.constraint, old.network.constraint_parameters)
    same_rule = rule == (new.network.constraint, new.network.constraint_parameters)
    same_manner = old.training.constraint_manner == new.training.constraint_manner
    leaves = list(state.leaves)
    if not (same_rule and same_manner):
        in_use = weights_in_use(state, old)
        leaves[: len(in_use)] = in_use
    for leaf, kept in zip(team.net.leaves(), leaves, strict=True):
        leaf.copy_(kept)
    if not (same_rule and same_manner):
        project_(team.net)
    if old.training.optimizer == new.training.optimizer:
        groups = team.optimizer.state_dict()["param_groups"]  # the new setting's own
        memory = copy.deepcopy(state.optimizer["state"])
        team.optimizer.load_state_dict({"state": memory, "param_groups": groups})
    team.step, team.fault = state.step, state.fault


def rewind(
    run: Run, step: int, experiments: Experiment | Sequence[Experiment] | None = None
) -> Run:
    """Returns a run that stands at the last checkpoint up to that step, with all before it.

    ``experiments`` is as in `resume`. The given run stays as it is.

    Raises:
        ValueError: No checkpoint up to that step.
    """
    before = [c for c in run.checkpoints if c.step <= step]
    if not before:
        first = run.checkpoints[0].step if run.checkpoints else "none"
        raise ValueError(f"No checkpoint up to step {step}; the first is at {first}.")
    found = resume(before[-1], experiments)
    found.checkpoints, found.memory, found.spacing = before, run.memory, run.spacing
    found.early, found.clock = run.early, run.clock
    return found
