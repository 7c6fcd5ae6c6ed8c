"""A training in the background, and what a person does to it while it runs.

`Job` drives the iterator of `train`; here are the moves that concern the networks: single
updates, another learning rate, going back to an earlier step and on from there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from snn_core.cost import training_seconds
from snn_core.jobs import Job
from snn_core.settings import LETTERS, Experiment, settings
from snn_core.train.result import Snapshot
from snn_core.train.training import Run, ShouldStop, can_go_on, checkpoint_at, rewind, start, train

__all__ = [
    "Training",
    "begin",
    "fits",
    "forget",
    "go_back",
    "history",
    "only_rates_differ",
    "reset",
    "revive",
    "seconds_left",
    "set_rates",
    "speed",
    "step",
    "updates",
]

CHECKPOINTS = 2**25  # bytes that one training keeps of its past networks
RECORDS = 2**24  # bytes of its snapshots, roughly
FEWEST, MOST = 64, 2048  # snapshots
SETTLED = 1.0  # seconds
EARLY = 1.0  # seconds without a record after which a person takes it for stuck
RECENT = 20  # records whose pace counts


@dataclass(eq=False)
class Training:
    """Arms under a job; ``notes`` say what a person changed on the way, for the record.

    ``run`` is None until the job has begun, ``halts`` are steps that single updates go up to,
    ``standing`` is the step gone back to while ``run`` is still the one gone back in. A note has
    the step and what was done: a link alone does not reproduce a training that was steered.
    """

    experiments: tuple[Experiment, ...]
    job: Job[Snapshot] = field(init=False)
    run: Run | None = None
    halts: frozenset[int] = frozenset()
    standing: int | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    notes: list[dict[str, object]] = field(default_factory=list)


def begin(
    experiments: Sequence[Experiment],
    slots: threading.Semaphore | None = None,
    pause_after: float = 10.0,
    end_after: float = 60.0,
) -> Training:
    """Returns a training that stands before its first record, with a thread of its own.

    The arguments after the experiments are as in `Job`. Memory is bounded: 32 MiB of checkpoints,
    or the first and the newest where these alone are larger, and some 16 MiB of records.
    """
    training = Training(tuple(experiments))

    def make(should_stop: ShouldStop) -> Iterator[Snapshot]:
        training.notes.clear()
        return train(_take(training, start(training.experiments, memory=CHECKPOINTS)), should_stop)

    training.job = Job(
        make,
        keep=_records(experiments),
        slots=slots,
        pause_after=pause_after,
        end_after=end_after,
        passing=lambda snapshot: snapshot.early,
    )
    return training


def _take(training: Training, run: Run) -> Run:
    """Returns the run, now the training's, with what was asked for while it was made."""
    with training.lock:
        training.run, training.standing = run, None
        run.halts, run.early = training.halts, EARLY
        for arm, wanted in zip(run.arms, training.experiments, strict=True):
            arm.learning_rate = wanted.training.learning_rate
    return run


def _records(experiments: Sequence[Experiment]) -> int:
    """How many snapshots are kept: 12 statistics of every layer and seed, and 2 kB beside."""
    each = sum(2048 + 96 * arm.seeds * (arm.network.depth + 1) for arm in experiments)
    return min(max(RECORDS // each, FEWEST), MOST)


def history(training: Training) -> tuple[Snapshot, ...]:
    """Returns the records that are kept, the first and the newest always among them."""
    return training.job.since().items


def updates(training: Training) -> tuple[int, ...]:
    """Returns how many updates every arm has made, also since the last record.

    The arms take turns from one record to the next.
    """
    run = training.run
    return tuple(arm.step for arm in run.arms) if run is not None else ()


def speed(history: Sequence[Snapshot]) -> float:
    """Returns the steps that all arms have made a second of late; 0 where there are none yet."""
    recent = history[-RECENT:]
    if not recent or recent[-1].seconds <= recent[0].seconds:
        return 0.0
    return (recent[-1].step - recent[0].step) / (recent[-1].seconds - recent[0].seconds)


def seconds_left(training: Training) -> float:
    """Returns how long it would train from its last record to the end, by its own pace so far.

    Before the first update it is an estimate, good to a factor of about 3.
    """
    records, steps = history(training), max(arm.training.steps for arm in training.experiments)
    measured = speed(records)
    if measured:
        return max(steps - records[-1].step, 0) / measured
    return sum(training_seconds(arm) for arm in training.experiments)


def step(training: Training, updates: int) -> None:
    """Makes so many updates, then pauses, with a record and statistics where it stops.

    While earlier ones are still being made these come on top, also before the first record.
    Nothing happens while it plays. Waits a little for a record that a pause has left under way.
    """
    job = training.job
    if job.playing or job.state not in ("paused", "running", "queued"):
        return
    paused = job.state == "paused"
    if paused:
        job.settle(SETTLED)
    shown, arms = history(training), training.experiments
    now, first = (shown[-1].step, 0) if shown else (-1, int(paused))
    if first:
        job.pause()  # owes nothing, not even a first record that nobody was there to wait for
    begun = max(now, 0) if paused else max(now, *training.halts, 0)
    halt = min(begun + updates, max(arm.training.steps for arm in arms))
    with training.lock:
        training.halts = frozenset(h for h in training.halts if not paused and h > now) | {halt}
        if training.run is not None:  # after going back the next run is not there yet
            training.run.halts = training.halts
    job.step(max(_records_between(arms, begun, halt), 1) + first)


def reset(training: Training) -> None:
    """Goes back to the first weights and makes their record."""
    with training.lock:
        training.halts = frozenset()
    training.job.reset()
    training.job.step(1)


def _records_between(arms: Sequence[Experiment], now: int, halt: int) -> int:
    """How many records there are after a step up to a halt; the arms share their intervals."""
    training = arms[0].training
    marks = {halt, *(arm.training.steps for arm in arms)}
    for every in (training.record_every, training.statistics_every):
        marks |= set(range((now // every + 1) * every, halt + 1, every))
    return len([mark for mark in marks if now < mark <= halt])


def only_rates_differ(old: Sequence[Experiment], new: Sequence[Experiment]) -> bool:
    """Returns whether the arms are the same but for their learning rates."""
    return len(old) == len(new) and all(
        replace(a, training=replace(a.training, learning_rate=b.training.learning_rate)) == b
        for a, b in zip(old, new, strict=True)
    )


def set_rates(training: Training, experiments: Sequence[Experiment]) -> None:
    """Gives a training other learning rates, from the next update on; its weights stay.

    Before the first record it only starts with them.
    """
    with training.lock:
        run, training.experiments = training.run, tuple(experiments)
        for arm, new in zip(run.arms if run else (), experiments, strict=bool(run)):
            arm.learning_rate = new.training.learning_rate
    if run is not None:
        rates = ", ".join(f"{new.training.learning_rate:g}" for new in experiments)
        training.notes.append({"step": run.step, "change": f"learning rate of the arms: {rates}"})


def fits(training: Training, experiments: Sequence[Experiment]) -> bool:
    """Returns whether the training can go on as these experiments, with the weights it has."""
    old = training.experiments
    return len(old) == len(experiments) and all(
        can_go_on(a, b) for a, b in zip(old, experiments, strict=True)
    )


def go_back(
    training: Training, to: int, experiments: Sequence[Experiment] | None = None
) -> int | None:
    """Returns the step gone back to: the last checkpoint up to ``to``. Paused afterwards.

    What came after is forgotten. With ``experiments`` it goes on as them. None, and nothing
    happens, where the job is over; `revive` it first.

    Raises:
        ValueError: No checkpoint up to that step; experiments that need other networks.
    """
    run = training.run
    if run is None:
        raise ValueError(f"There is no step {to} to go back to; nothing has been trained yet.")
    new = training.experiments if experiments is None else tuple(experiments)
    if not fits(training, new):
        raise ValueError("A training can't go on with other networks, data or seeds.")
    earlier = training.standing
    checkpoint = checkpoint_at(run, to if earlier is None else min(to, earlier))
    news = training.job.since()
    kept = [i for i, s in zip(news.indices, news.items, strict=True) if s.step <= checkpoint.step]

    def resume(last: Snapshot, should_stop: ShouldStop) -> Iterator[Snapshot]:
        return _from(training, run, checkpoint.step, should_stop)

    before, training.experiments = training.experiments, new
    training.standing = checkpoint.step
    if training.job.rewind(kept[-1] if kept else 0, resume) is None:
        training.experiments, training.standing = before, earlier
        return None
    training.notes = [note for note in training.notes if _step(note) <= checkpoint.step]
    if checkpoint.step < run.step:
        change = f"went back from step {run.step}"
        training.notes.append({"step": checkpoint.step, "change": change})
    changed = _changed(before, new)
    if changed:
        training.notes.append({"step": checkpoint.step, "change": changed})
    return checkpoint.step


def _changed(old: Sequence[Experiment], new: Sequence[Experiment]) -> str:
    """The settings that differ, by arm and key, with their new values."""
    found = []
    for letter, a, b in zip(LETTERS, old, new, strict=False):
        before, after = settings(a), settings(b)
        names = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        found += [f"{letter}.{key} = {after.get(key, 'default')}" for key in names]
    return ", ".join(found)


def _from(training: Training, run: Run, step: int, should_stop: ShouldStop) -> Iterator[Snapshot]:
    """The iterator of a run that stands at an earlier step of the given one."""
    return train(_take(training, rewind(run, step, training.experiments)), should_stop)


def _step(note: dict[str, object]) -> int:
    step = note["step"]
    assert isinstance(step, int)
    return step


def revive(training: Training) -> None:
    """Gives a training whose job is over a new one that goes on from the last checkpoint."""
    run = training.run
    if training.job.alive or run is None or not run.checkpoints:
        return
    last = run.checkpoints[-1].step if training.standing is None else training.standing

    def resume(item: Snapshot, should_stop: ShouldStop) -> Iterator[Snapshot]:
        return _from(training, run, last, should_stop)

    training.job = training.job.resumed(resume)


def forget(training: Training) -> None:
    """Lets go of the networks of a training that nobody looks at any more; its records stay."""
    with training.lock:
        if training.job.unwatched:
            training.run = None
