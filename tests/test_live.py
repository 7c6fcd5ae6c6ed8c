"""A training that a person steers: single updates, going back, another rate, and its end."""

from __future__ import annotations

import gc
import threading
import time
import tracemalloc
import weakref
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from snn_core.cost import CORES
from snn_core.settings import Experiment, NetworkSpec, TrainingSpec
from snn_core.train import Snapshot, live, train
from snn_core.train.live import (
    Training,
    begin,
    fits,
    forget,
    go_back,
    history,
    only_rates_differ,
    reset,
    revive,
    seconds_left,
    set_rates,
    speed,
    step,
    updates,
)

LONG = 60.0  # seconds that nothing here takes, however busy the machine is
LAST = 60
ARM = Experiment(
    NetworkSpec(depth=2, width=8),
    "moons",
    seeds=2,
    training=TrainingSpec(steps=LAST, batch_size=16, record_every=7, statistics_every=7),
)
ARMS = (ARM, replace(ARM, network=replace(ARM.network, constraint="centralize_layer")))


def started(arms: tuple[Experiment, ...] = ARMS) -> Training:
    training = begin(arms, pause_after=LONG, end_after=LONG)
    training.job.step(1)
    assert training.job.wait(LONG) == "paused"
    return training


@pytest.fixture
def training() -> Iterator[Training]:
    found = started()
    yield found
    found.job.stop()
    assert found.job.join(LONG)


def steps(training: Training) -> list[int]:
    return [snapshot.step for snapshot in history(training)]


def moved(training: Training, updates: int) -> int:
    step(training, updates)
    training.job.wait(LONG)
    return steps(training)[-1]


def losses(snapshots: tuple[Snapshot, ...]) -> dict[int, np.ndarray]:
    return {s.step: np.stack([arm.train_loss for arm in s.arms]) for s in snapshots}


def test_steps_are_updates_and_are_recorded_with_statistics(training: Training) -> None:
    assert steps(training) == [0]
    assert [moved(training, n) for n in (1, 1, 10)] == [1, 2, 12]
    assert steps(training) == [0, 1, 2, 7, 12]
    assert all(arm.mean is not None for s in history(training) for arm in s.arms)
    assert moved(training, 100) == LAST
    assert training.job.state == "paused"
    training.job.play()
    assert training.job.wait(LONG) == "done"
    assert moved(training, 1) == LAST


@pytest.mark.parametrize("asked", [0, 1])
def test_updates_that_are_asked_for_before_the_first_record_are_made(asked: int) -> None:
    slot = threading.Semaphore(0)
    training = begin(ARMS, slots=slot, pause_after=LONG, end_after=LONG)
    if asked:  # as a page does that opens
        training.job.step(1)
    for _ in range(2):
        step(training, 10)
    assert steps(training) == []
    slot.release()
    assert training.job.wait(LONG) == "paused"
    assert steps(training)[0] == 0 and steps(training)[-1] == 20
    reset(training)
    step(training, 3)
    assert training.job.wait(LONG) == "paused"
    assert steps(training) == [0, 3]
    training.job.stop()
    assert training.job.join(LONG)


def test_what_is_left_is_estimated_at_first_and_then_measured(training: Training) -> None:
    assert speed(history(training)) == 0 and updates(training) == (0, 0)
    assert seconds_left(training) > 0
    moved(training, 20)
    records = history(training)
    measured = records[-1].seconds - records[0].seconds
    assert np.isclose(seconds_left(training), (LAST - 20) * measured / 20)
    assert updates(training) == (20, 20)
    moved(training, LAST)
    assert seconds_left(training) == 0


def test_the_updates_move_within_a_record() -> None:
    slow = replace(ARM, training=replace(ARM.training, steps=10**6, record_every=10**5))
    slow = replace(slow, training=replace(slow.training, statistics_every=10**5))
    training = started((slow,))
    training.job.play()
    seen, end = 0, time.monotonic() + LONG
    while not seen and time.monotonic() < end:
        (seen,) = updates(training)
    assert 0 < seen < 10**5 and steps(training) == [0]
    training.job.stop()
    assert training.job.join(LONG)


def test_a_record_by_the_clock_is_seen_and_then_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EARLY", 0.01)
    slow = replace(ARM, training=replace(ARM.training, steps=2000, record_every=1000))
    slow = replace(slow, training=replace(slow.training, statistics_every=1000))
    training = started((slow,))
    training.job.step(1)
    seen: set[int] = set()
    while training.job.state == "running":
        seen |= {early.step for early in training.job.since().passing}
        assert steps(training)[0] == 0 and len(steps(training)) <= 2
        time.sleep(0.001)
    assert training.job.state == "paused" and steps(training) == [0, 1000]
    assert seen and all(0 < step < 1000 for step in seen)
    assert training.job.since().passing == ()
    training.job.stop()
    assert training.job.join(LONG)


def test_single_updates_learn_the_same(training: Training) -> None:
    for count in (1, 2, 3, 1, 20):
        moved(training, count)
    alone = losses(tuple(train(ARMS)))
    ours = losses(history(training))
    for at in set(alone) & set(ours):
        assert np.array_equal(alone[at], ours[at])
    assert len(set(alone) & set(ours)) >= 4


def test_going_back_and_on_is_having_gone_on(training: Training) -> None:
    moved(training, 40)
    before = losses(history(training))
    assert go_back(training, 15) == 14
    assert steps(training) == [0, 7, 14] and training.job.state == "paused"
    assert moved(training, 1) == 15
    training.job.play()
    assert training.job.wait(LONG) == "done"
    after = losses(history(training))
    for at in (21, 28, 35):
        assert np.array_equal(before[at], after[at])
    assert training.notes == [{"step": 14, "change": "went back from step 40"}]


@pytest.mark.parametrize("again", [7, 14, 40])
def test_going_back_twice_is_never_going_forward(training: Training, again: int) -> None:
    moved(training, 40)
    assert go_back(training, 0) == 0
    assert go_back(training, again) == 0
    assert moved(training, 1) == 1


def test_a_training_that_stops_where_it_went_back_to_is_revived_there(training: Training) -> None:
    moved(training, 40)
    assert go_back(training, 7) == 7
    training.job.stop()
    assert training.job.join(LONG)
    revive(training)
    assert moved(training, 1) == 8


def test_another_rate_holds_from_the_next_update_and_weights_stay(training: Training) -> None:
    moved(training, 14)
    at = history(training)[-1]
    new = tuple(replace(arm, training=replace(arm.training, learning_rate=0.0)) for arm in ARMS)
    assert only_rates_differ(ARMS, new) and not only_rates_differ(ARMS, ARMS[:1])
    set_rates(training, new)
    moved(training, 7)
    now = history(training)[-1]
    for a, b in zip(at.arms, now.arms, strict=True):
        assert np.array_equal(a.train_loss, b.train_loss) and b.learning_rate == 0.0
    assert training.notes == [{"step": 14, "change": "learning rate of the arms: 0, 0"}]
    assert training.experiments == new


@pytest.mark.parametrize("pause", [0.0, 0.001, 0.01])
def test_a_rate_set_while_networks_are_being_made_is_not_lost(
    training: Training, pause: float
) -> None:
    moved(training, 14)
    new = tuple(replace(arm, training=replace(arm.training, learning_rate=0.005)) for arm in ARMS)
    go_back(training, 7)
    training.job.play()
    time.sleep(pause)
    set_rates(training, new)
    assert training.job.wait(LONG) == "done"
    assert history(training)[-1].arms[0].learning_rate == 0.005


def test_quick_single_updates_add_up(training: Training) -> None:
    for count in (1, 10, 10, 3):
        step(training, count)
    assert training.job.wait(LONG) == "paused"
    assert steps(training)[-1] == 24 and {1, 11, 21, 24} <= set(steps(training))


def test_it_goes_on_with_another_constraint_or_more_steps(training: Training) -> None:
    training.job.play()
    assert training.job.wait(LONG) == "done"
    new = tuple(
        replace(
            arm,
            network=replace(arm.network, constraint="unit_norm"),
            training=replace(arm.training, steps=80, optimizer="adam", learning_rate=0.001),
        )
        for arm in ARMS
    )
    assert fits(training, new)
    assert go_back(training, LAST, new) == LAST
    (note,) = training.notes
    assert note["step"] == LAST and "a.constraint = unit_norm" in str(note["change"])
    assert "b.optimizer = adam" in str(note["change"])
    training.job.play()
    assert training.job.wait(LONG) == "done" and steps(training)[-1] == 80
    tau = history(training)[-1].arms[0].tau
    assert tau is not None and np.allclose(tau, 1.0, atol=1e-4)


def test_other_networks_are_refused(training: Training) -> None:
    other = tuple(replace(arm, network=replace(arm.network, width=9)) for arm in ARMS)
    assert not fits(training, other) and not fits(training, ARMS[:1])
    with pytest.raises(ValueError, match="other networks"):
        go_back(training, 0, other)
    assert training.experiments == ARMS


def test_a_stopped_training_can_be_taken_up_again(training: Training) -> None:
    moved(training, 21)
    before = losses(history(training))
    training.job.stop()
    assert training.job.join(LONG)
    assert go_back(training, 7) is None and training.experiments == ARMS
    revive(training)
    assert training.job.alive and steps(training)[-1] == 21
    assert moved(training, 7) == 28
    training.job.stop()
    assert training.job.join(LONG)
    whole = losses(tuple(train(ARMS)))
    assert np.array_equal(losses(history(training))[28], whole[28])
    assert before.keys() <= losses(history(training)).keys()


def test_reset_has_the_same_weights(training: Training) -> None:
    first = losses(history(training))[0]
    moved(training, 9)
    reset(training)
    training.job.wait(LONG)
    assert steps(training) == [0] and np.array_equal(losses(history(training))[0], first)


def test_what_cannot_be_trained_is_a_failure_that_says_why() -> None:
    training = begin((replace(ARM, data="gaussian"),))
    training.job.play()
    assert training.job.wait(LONG) == "failed"
    assert training.job.failure is not None and "nothing to learn" in training.job.failure.message
    training.job.stop()
    assert training.job.join(LONG)


def test_stop_is_obeyed_in_half_a_second_in_the_middle_of_a_long_evaluation() -> None:
    slow = Experiment(
        NetworkSpec(depth=24, width=384),
        "letter",
        seeds=4,
        training=TrainingSpec(steps=100_000, batch_size=64, record_every=1),
    )
    training = begin((slow,))
    training.job.play()
    end = time.monotonic() + LONG
    while training.job.since().next < 2 and time.monotonic() < end:
        time.sleep(0.01)
    start = time.process_time()  # what it still computes; a busy machine makes that no more
    training.job.stop()
    assert training.job.join(LONG)
    assert time.process_time() - start < 0.5 * CORES


def test_fifty_starts_and_stops_leave_nothing_behind() -> None:
    def once() -> weakref.ref[Training]:
        training = begin(ARMS)
        training.job.play()
        while training.job.since().next < 2 and training.job.alive:
            time.sleep(0.001)
        training.job.stop()
        assert training.job.join(LONG)
        return weakref.ref(training)

    once()
    gc.collect()
    before = set(threading.enumerate())
    tracemalloc.start()
    kept = [once() for _ in range(10)]
    gc.collect()
    first, _ = tracemalloc.get_traced_memory()
    kept += [once() for _ in range(40)]
    gc.collect()
    last, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert set(threading.enumerate()) <= before
    assert all(each() is None for each in kept)
    assert last - first < 200_000  # bytes, for forty of them


def test_only_a_training_that_nobody_watches_is_forgotten() -> None:
    training, now = begin(ARMS, pause_after=20.0, end_after=40.0), [time.monotonic()]
    training.job._clock = lambda: now[0]  # it stands until it is moved
    training.job.step(2)
    training.job.wait(LONG)
    forget(training)
    assert training.run is not None
    records = history(training)
    now[0] += 50.0
    assert training.job.join(LONG)
    training.job.touch()  # somebody still looks at what it has shown
    forget(training)
    assert training.run is not None
    now[0] += 50.0
    forget(training)
    assert training.run is None and history(training) == records


class Steering(RuleBasedStateMachine):
    """Whatever is pressed, the curve is the one of an undisturbed training."""

    whole = losses(tuple(train(ARMS)))

    def __init__(self) -> None:
        super().__init__()
        self.training = started()
        self.at = 0

    @rule(updates=st.sampled_from([1, 3, 10]))
    @precondition(lambda self: self.training.job.alive and self.training.job.state == "paused")
    def single_updates(self, updates: int) -> None:
        before = steps(self.training)[-1]
        assert moved(self.training, updates) == min(before + updates, LAST)

    @rule()
    def play_and_pause(self) -> None:
        self.training.job.play()
        time.sleep(0.01)
        self.training.job.pause()
        assert self.training.job.settle(LONG)

    @rule(to=st.integers(0, LAST))
    @precondition(lambda self: self.training.job.alive)
    def back(self, to: int) -> None:
        found = go_back(self.training, to)
        assert found is not None and found <= to and steps(self.training)[-1] <= found

    @rule()
    @precondition(lambda self: self.training.job.alive)
    def reset(self) -> None:
        self.training.job.reset()
        self.training.job.step(1)
        assert self.training.job.wait(LONG) == "paused" and steps(self.training) == [0]

    @rule()
    def stop(self) -> None:
        self.training.job.stop()
        assert self.training.job.join(LONG)

    @rule()
    def revive(self) -> None:
        revive(self.training)
        assert self.training.job.alive or not history(self.training)

    @invariant()
    def the_curve_is_the_undisturbed_one(self) -> None:
        found = losses(history(self.training))
        assert list(found) == sorted(found)
        for at in set(found) & set(self.whole):
            assert np.array_equal(found[at], self.whole[at])

    def teardown(self) -> None:
        self.training.job.stop()
        assert self.training.job.join(LONG)


TestSteering = Steering.TestCase
TestSteering.settings = settings(
    max_examples=8, stateful_step_count=10, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
