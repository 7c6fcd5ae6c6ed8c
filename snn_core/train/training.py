"""Training one arm or several: an iterator of snapshots, and runs that can go back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from snn_core.propagate import Stopped
from snn_core.settings import Experiment
from snn_core.train.arm import Arm, approach, next_record, proceed, resumed_arm, start_arm
from snn_core.train.networks import never
from snn_core.train.result import ArmSnapshot, Snapshot
from snn_core.train.step import bytes_of

__all__ = [
    "Checkpoint",
    "Run",
    "can_go_on",
    "checkpoint_at",
    "resume",
    "rewind",
    "start",
    "state_of",
    "train",
]

MEMORY = 2**28  # bytes of checkpoints that a run keeps
ShouldStop = Callable[[], bool]


@dataclass(frozen=True)
class Checkpoint:
    """A whole run at one recorded step: copies of its arms, which nobody moves on.

    ``bytes`` is what it holds in memory.
    """

    step: int
    seconds: float
    arms: tuple[Arm, ...]

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        """What the arms were trained as."""
        return tuple(arm.experiment for arm in self.arms)

    @cached_property
    def bytes(self) -> int:
        """What the networks and the optimizers' memory hold."""
        return sum(bytes_of(group) for arm in self.arms for group in arm.groups)


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


def train(
    experiments: Experiment | Sequence[Experiment] | Run, should_stop: ShouldStop = never
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
        _ask_of(run, should_stop)
        try:
            for arm in active:
                passing = approach(arm, target, due)
                for record in passing if run.early < math.inf else ():
                    left = time.perf_counter()
                    yield _early(run, arm, record, left - begun)
                    run.told = run.clock()
                    begun += time.perf_counter() - left
                proceed(arm, target, halts)
        except Stopped:
            return
        finally:
            _ask_of(run, never)
            run.seconds += time.perf_counter() - begun
        run.step = target
        shown = tuple(arm.shown for arm in run.arms if arm.shown is not None)
        run.shown = Snapshot(run.step, run.seconds, shown)
        _remember(run)
        yield run.shown


def _ask_of(run: Run, should_stop: ShouldStop) -> None:
    """Sets whom the networks ask whether to stop, only while they train: a run holds no job."""
    for arm in run.arms:
        for group in arm.groups:
            group.net.should_stop = should_stop


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
    return Checkpoint(run.step, run.seconds, tuple(resumed_arm(arm) for arm in run.arms))


def resume(
    checkpoint: Checkpoint, experiments: Experiment | Sequence[Experiment] | None = None
) -> Run:
    """Returns a run that stands where the checkpoint was taken.

    With ``experiments``, one for every arm, it goes on with another training, constraint or
    dropout; networks, data and seeds must be the same. Another constraint projects the weights at
    once; another optimizer starts without a memory.

    Raises:
        ValueError: Experiments that don't fit the checkpoint's arms, or that can't be trained.
    """
    given = checkpoint.experiments if experiments is None else experiments
    new = [given] if isinstance(given, Experiment) else list(given)
    if len(new) != len(checkpoint.arms):
        raise ValueError(
            f"resume needs an experiment for each of {len(checkpoint.arms)} arms, got {len(new)}."
        )
    if not all(map(can_go_on, checkpoint.experiments, new)):
        raise ValueError(
            "A run can go on with another training, constraint or dropout; its networks, data and "
            "seeds stay as they are. Start a new one instead."
        )
    arms = [resumed_arm(arm, each) for arm, each in zip(checkpoint.arms, new, strict=True)]
    run = Run(arms, checkpoint.step, checkpoint.seconds)
    shown = tuple(arm.shown for arm in arms if arm.shown is not None)
    run.shown = Snapshot(run.step, run.seconds, shown) if shown else None
    return run


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


def checkpoint_at(run: Run, step: int) -> Checkpoint:
    """Returns the last checkpoint that the run keeps up to that step; from any thread.

    Raises:
        ValueError: There is none.
    """
    return _up_to(run, step)[-1]


def _up_to(run: Run, step: int) -> list[Checkpoint]:
    kept = tuple(run.checkpoints)  # one look: the run may drop or add some meanwhile
    before = [checkpoint for checkpoint in kept if checkpoint.step <= step]
    if not before:
        first = f"the first is at step {kept[0].step}" if kept else "there is none yet"
        raise ValueError(f"No checkpoint up to step {step}; {first}.")
    return before


def rewind(
    run: Run, step: int, experiments: Experiment | Sequence[Experiment] | None = None
) -> Run:
    """Returns a run that stands at the last checkpoint up to that step, with all before it.

    ``experiments`` is as in `resume`. The given run stays as it is.

    Raises:
        ValueError: No checkpoint up to that step.
    """
    before = _up_to(run, step)
    found = resume(before[-1], experiments)
    found.checkpoints, found.memory, found.spacing = before, run.memory, run.spacing
    found.early, found.clock = run.early, run.clock
    return found
