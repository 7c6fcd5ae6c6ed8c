"""A job against a model of it, and what it may not leave behind: threads, memory, slots."""

from __future__ import annotations

import gc
import itertools
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from snn_core.jobs import PASSING, Job, ShouldStop

LONG = 30.0  # seconds that nothing here takes, however busy the machine is


def eventually(true: Callable[[], bool]) -> bool:
    """Returns whether it came true; a test never waits for a time, only for an event."""
    last = time.monotonic() + LONG
    while not true():
        if time.monotonic() > last:
            return False
        time.sleep(0.001)
    return True


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Gate:
    """Lets through as many items as it was given permits; ``waiting``: somebody stands before."""

    def __init__(self) -> None:
        self.permits, self.waiting = 0, False
        self._changed = threading.Condition()

    def allow(self, n: int) -> None:
        with self._changed:
            self.permits += n
            self._changed.notify_all()

    def take(self, should_stop: ShouldStop) -> bool:
        with self._changed:
            self.waiting = True
            while not self.permits and not should_stop():
                self._changed.wait(0.005)
            self.waiting = False
            self.permits -= (passed := self.permits > 0)
            return passed


class Payload:
    """An item that can be watched while it dies."""


def forever(should_stop: ShouldStop) -> Iterator[int]:
    return itertools.count()


def stuck(should_stop: ShouldStop) -> Iterator[int]:
    """One item, then one that never comes unless the iterator is told to stop."""
    yield 0
    while not should_stop():
        time.sleep(0.001)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("job-"):
            thread.join(LONG)
            assert not thread.is_alive(), f"{thread.name} goes on after its test"


class JobModel(RuleBasedStateMachine):
    """After every rule the job stands where the model says, and both have the same items.

    An item is (which iterator, its number in the run); an item needs a permit of the gate, so
    that the model knows how many come. A permit may find an item that a paused job still
    waits for (``flying``): that item arrives.
    """

    KEEP = 8
    PAUSE, END = 10.0, 60.0

    @initialize(length=st.integers(0, 40), fails=st.booleans(), permits=st.integers(0, 40))
    def start(self, length: int, fails: bool, permits: int) -> None:
        self.length, self.fails = length, fails
        self.gate, self.clock, self.made = Gate(), Clock(), 0
        self.job = Job(self.make, keep=self.KEEP, clock=self.clock)
        self.items: list[tuple[int, int]] = []  # all that came, the thinned ones too
        self.seen: dict[int, tuple[int, int]] = {}  # what a reader by deltas has collected
        self.cursor = (-1, 0)
        self.epoch, self.owed, self.idle, self.outcome = 0, 0.0, 0.0, ""
        self.permits, self.flying, self.over = 0, False, False
        self.allow(permits)
        self.tag, self.fresh = 0, True  # iterators made so far; whether the next one is not yet

    def make(self, should_stop: ShouldStop, first: int = 0) -> Iterator[tuple[int, int]]:
        self.made += 1
        return self.count(self.made, first, should_stop)

    def count(self, tag: int, first: int, should_stop: ShouldStop) -> Iterator[tuple[int, int]]:
        for k in range(first, self.length):
            if not self.gate.take(should_stop):
                return
            yield tag, k
        if self.fails:
            raise ArithmeticError("the loss is gone")

    def resume(self, item: tuple[int, int], should_stop: ShouldStop) -> Iterator[tuple[int, int]]:
        return self.make(should_stop, first=item[1] + 1)

    # The model.

    def settle(self) -> None:
        """Moves the model on as far as the permits and the wishes go."""
        while not self.over and not self.outcome:
            wanted = self.owed > 0 and self.idle < self.PAUSE
            if wanted and self.fresh:
                self.tag, self.fresh = self.tag + 1, False
            if wanted and not self.flying and len(self.items) == self.length:
                self.outcome, self.owed = ("failed" if self.fails else "done"), 0
            elif self.permits and (wanted or self.flying):
                self.permits -= 1
                self.flying = False
                self.owed = max(0, self.owed - 1)
                self.items.append((self.tag, len(self.items)))
            else:
                self.flying = self.flying or wanted
                return
            self.flying = False

    def restart(self, kept: int) -> None:
        self.items = self.items[:kept]
        self.epoch += 1
        self.owed, self.outcome, self.flying, self.fresh = 0, "", False, True

    def end(self) -> None:
        self.over, self.flying = True, False
        self.outcome = self.outcome or "stopped"

    @property
    def state(self) -> str:
        wanted = self.owed > 0 and self.idle < self.PAUSE
        return self.outcome or ("running" if wanted else "paused")

    # The rules.

    @rule(n=st.integers(1, 12))
    def allow(self, n: int) -> None:
        self.permits += n
        self.gate.allow(n)

    @rule()
    def play(self) -> None:
        self.job.play()
        self.owed, self.idle = (math.inf if not self.outcome else 0), 0

    @rule()
    def pause(self) -> None:
        self.job.pause()
        self.owed, self.idle = 0, 0

    @rule(n=st.integers(1, 6))
    def step(self, n: int) -> None:
        self.job.step(n)
        if not self.outcome:
            self.owed = n if self.owed == math.inf else self.owed + n
        self.idle = 0

    @precondition(lambda self: self.items or self.flying)
    @rule()
    def reset(self) -> None:
        self.job.reset()
        self.idle = 0
        if not self.over:
            self.restart(0)

    @precondition(lambda self: self.items)
    @rule(data=st.data())
    def rewind(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.items) + 3), label="index")
        kept = self.job.since().indices
        got = self.job.rewind(index, self.resume)
        self.idle = 0
        assert got == (None if self.over else max(k for k in kept if k <= index))
        if got is not None:
            self.restart(got + 1)

    @precondition(lambda self: not self.items and not self.over)
    @rule()
    def rewind_nothing(self) -> None:
        with pytest.raises(ValueError, match="none yet"):
            self.job.rewind(0, self.resume)
        self.idle = 0

    @rule()
    def touch(self) -> None:
        self.job.touch()
        self.idle = 0

    @rule()
    def detach(self) -> None:
        self.job.detach()
        self.idle = max(self.idle, self.PAUSE)

    @rule(seconds=st.sampled_from([1.0, 9.0, 10.0, 49.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds
        self.idle += seconds
        if self.idle >= self.END:
            self.end()

    @precondition(lambda self: len(self.items) > 2)
    @rule()
    def stop(self) -> None:
        self.job.stop()
        self.end()

    # What holds after every rule.

    @invariant()
    def agrees(self) -> None:
        self.settle()
        run = (self.epoch, len(self.items), self.state)
        expected = (*run, self.tag, self.permits, self.flying)
        assert eventually(lambda: self.stands() == expected), (self.stands(), expected)
        assert self.job.alive != self.over
        assert (self.job.failure is not None) == (self.outcome == "failed")

    def stands(self) -> tuple[int, int, str, int, int, bool]:
        news, gate = self.job.since(), self.gate
        return news.epoch, news.next, news.state, self.made, gate.permits, gate.waiting

    @invariant()
    def items_are_right(self) -> None:
        news = self.job.since()
        assert len(news.items) <= self.KEEP
        assert news.items == tuple(self.items[k] for k in news.indices)
        assert {0, len(self.items) - 1} <= set(news.indices) or not self.items

    @invariant()
    def deltas_add_up(self) -> None:
        news = self.job.since(*self.cursor)
        if news.epoch != self.cursor[0]:
            self.seen = {}
        assert not self.seen.keys() & set(news.indices)
        self.seen |= dict(zip(news.indices, news.items, strict=True))
        self.cursor = (news.epoch, news.next)
        assert all(self.items[k] == item for k, item in self.seen.items())
        assert set(self.job.since().indices) <= self.seen.keys()

    def teardown(self) -> None:
        if hasattr(self, "job"):
            self.job.stop()
            assert self.job.join(LONG)


TestJobModel = JobModel.TestCase
TestJobModel.settings = settings(
    max_examples=100,
    stateful_step_count=30,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking: each failing try is LONG
    suppress_health_check=[HealthCheck.too_slow],
)


# The end: on its own, asked for, or because nobody watches.


def test_a_failure_is_kept_as_text_and_a_reset_forgets_it() -> None:
    def make(should_stop: ShouldStop) -> Iterator[int]:
        yield 1
        raise OverflowError("variance is inf in layer 3")

    job = Job(make)
    job.play()
    assert job.wait(LONG) == "failed"
    failure = job.failure
    assert failure is not None and job.since().items == (1,)
    assert (failure.kind, failure.message) == ("OverflowError", "variance is inf in layer 3")
    assert "in make" in failure.trace
    job.play()  # nothing to play
    assert job.state == "failed" and job.alive
    job.reset()
    assert (job.state, job.failure, job.since().items) == ("paused", None, ())
    job.stop()


def test_a_factory_that_raises_fails_even_with_stop_iteration() -> None:
    job = Job(lambda should_stop: next(iter(())))
    job.play()
    assert job.wait(LONG) == "failed"
    assert job.failure is not None and job.failure.kind == "StopIteration"
    job.stop()


def test_stop_interrupts_a_long_item_where_it_next_asks() -> None:
    stopped, heard = threading.Event(), []

    def make(should_stop: ShouldStop) -> Iterator[int]:
        yield 0
        told = False
        while not told:
            late = stopped.is_set()
            told = should_stop()
            heard.append((late, told))
            time.sleep(0.001)

    job = Job(make)
    job.play()
    assert eventually(lambda: len(heard) > 3)
    job.stop()
    stopped.set()
    assert job.state == "stopped" and job.join(LONG)
    assert heard[-1][1] and all(told for late, told in heard if late)


def test_an_item_that_comes_after_the_stop_is_dropped_and_the_generator_closed() -> None:
    entered, leave, closed = threading.Event(), threading.Event(), threading.Event()

    def make(should_stop: ShouldStop) -> Iterator[int]:
        try:
            yield 0
            entered.set()
            leave.wait(LONG)
            yield 1
        finally:
            closed.set()

    job = Job(make)
    job.play()
    assert entered.wait(LONG)
    job.stop()
    leave.set()
    assert job.join(LONG) and closed.is_set()
    assert job.since().items == (0,)


def test_reset_and_rewind_interrupt_a_long_item() -> None:
    job = Job(stuck)
    for back in (job.reset, lambda: job.rewind(0, lambda item, should_stop: stuck(should_stop))):
        job.play()
        assert eventually(lambda: job.since().next >= 1)
        back()
        job.step()
        assert job.wait(LONG) == "paused"
    assert job.since().items == (0, 0)
    job.stop()


def test_without_a_touch_it_pauses_then_ends_and_a_touch_in_time_lets_it_go_on(
    clock: Clock,
) -> None:
    job = Job(forever, clock=clock)
    job.play()
    clock.now += 10
    assert job.state == "paused"
    job.touch()
    assert job.state == "running"
    assert eventually(lambda: job.since().next > 0)
    clock.now += 60
    assert job.state == "stopped" and not job.alive
    assert job.join(LONG)
    job.touch()
    job.play()
    job.reset()
    assert job.state == "stopped" and job.since().items


def test_a_long_item_hears_of_the_lapsed_lease(clock: Clock) -> None:
    job = Job(stuck, clock=clock)
    job.play()
    assert eventually(lambda: job.since().next == 1)
    clock.now += 60
    assert job.join(LONG) and job.state == "stopped"


def test_a_closed_tab_pauses_at_once_and_frees_its_job(clock: Clock) -> None:
    shelf: weakref.WeakValueDictionary[str, Job[int]] = weakref.WeakValueDictionary()
    job = Job(forever, clock=clock)
    key, thread = job.id, job._thread
    shelf[key] = job
    job.play()
    job.detach()
    assert job.state == "paused"
    del job  # as the session does; the thread goes on
    clock.now += 49
    assert shelf[key].state == "paused"
    clock.now += 1
    thread.join(LONG)
    assert not thread.is_alive()
    assert eventually(lambda: gc.collect() >= 0 and key not in shelf)


def test_a_finished_job_stays_finished_when_it_is_stopped() -> None:
    job = Job(lambda should_stop: iter(range(3)))
    job.play()
    assert job.wait(LONG) == "done" and job.alive
    job.stop()
    assert job.state == "done" and not job.alive and job.since().items == (0, 1, 2)
    assert job.rewind(1, lambda item, should_stop: iter(())) is None


def test_fifty_starts_and_stops_leave_no_thread_and_no_memory() -> None:
    before = set(threading.enumerate())
    gone: list[weakref.ref[Payload]] = []

    def make(should_stop: ShouldStop, last: int) -> Iterator[Payload]:
        for _ in range(3):
            item = Payload()
            gone.append(weakref.ref(item))
            yield item
        if last == 1:
            raise RuntimeError("one of the ways to end")
        while last == 2 and not should_stop():
            time.sleep(0.001)

    jobs = []
    for k in range(50):
        job = Job(lambda should_stop, k=k: make(should_stop, last=k % 3))
        job.step(2) if k % 4 == 1 else job.play()
        if k % 4 == 2:
            job.reset()
        jobs.append(job)
    assert all(eventually(lambda job=job: job.since().next > 1) for job in jobs[::4])
    for job in jobs:
        job.stop()
    assert all(job.join(LONG) for job in jobs)
    assert set(threading.enumerate()) <= before
    watched = [weakref.ref(job) for job in jobs]
    assert len(gone) >= 26
    del job, jobs
    gc.collect()
    assert not [ref for ref in [*gone, *watched] if ref() is not None]


@pytest.mark.parametrize("between", [1, PASSING, 10 * PASSING])
def test_what_only_passes_by_is_seen_and_counts_for_nothing(between: int) -> None:
    gate = Gate()

    def make(should_stop: ShouldStop) -> Iterator[int]:
        for number in range(3):
            yield number
            yield from (-1 - each for each in range(between))
            gate.take(should_stop)

    job = Job(make, passing=lambda item: item < 0)
    job.step(2)  # the passing ones are not steps
    assert eventually(lambda: job.since().version == 1 + between)
    news = job.since()
    assert news.items == (0,) and news.state == "running"
    assert 0 < len(news.passing) <= PASSING
    assert news.passing[-1] == -between  # the newest always
    assert list(news.passing) == sorted(news.passing, reverse=True)
    gate.allow(1)
    assert job.wait(LONG) == "paused"
    news = job.since()
    assert (news.indices, news.items, news.passing) == ((0, 1), (0, 1), ())
    job.step(1)
    assert eventually(lambda: len(job.since().passing) > 0)
    job.reset()
    assert job.since().passing == () and job.since().items == ()
    job.stop()
    gate.allow(9)
    assert job.join(LONG)


def test_a_paused_job_settles_once_its_last_item_is_there() -> None:
    gate = Gate()

    def gated(should_stop: ShouldStop) -> Iterator[int]:
        while gate.take(should_stop):
            yield 1

    job = Job(gated)
    assert job.settle(0.0)
    job.play()
    assert eventually(lambda: gate.waiting)
    job.pause()
    assert job.state == "paused" and not job.settle(0.01) and not job.since().items
    gate.allow(1)
    assert job.settle(LONG) and job.since().items == (1,)
    job.stop()
    assert job.join(LONG)


def test_a_resumed_job_goes_on_where_one_ended() -> None:
    def from_ten(should_stop: ShouldStop) -> Iterator[int]:
        return iter(range(10, 13))

    job = Job(from_ten, speed=500.0)
    with pytest.raises(ValueError, match="no item to go on from"):
        job.resumed(lambda last, should_stop: iter(()))
    assert job.join(LONG)
    job = Job(from_ten, speed=500.0)
    job.step(2)
    assert job.wait(LONG) == "paused"
    heir = job.resumed(lambda last, should_stop: iter((last, last + 1)))
    assert job.join(LONG) and not job.alive and job.since().items == (10, 11)
    assert heir.id != job.id and heir.speed == 500.0 and heir.state == "paused"
    heir.play()
    assert heir.wait(LONG) == "done"
    news = heir.since()
    assert news.items == (10, 11, 11, 12) and news.indices == (0, 1, 2, 3)
    heir.reset()
    heir.play()
    assert heir.wait(LONG) == "done" and heir.since().items == (10, 11, 12)
    heir.stop()
    assert heir.join(LONG)


def test_a_reset_frees_the_items_and_the_iterator() -> None:
    held = [Payload()]
    watched = weakref.ref(held[0])

    def make(should_stop: ShouldStop) -> Iterator[Payload]:
        network = held.pop()
        while True:
            yield network

    job = Job(make)
    job.step(3)
    assert job.wait(LONG) == "paused" and watched() is not None
    job.reset()
    assert eventually(lambda: watched() is None)
    job.stop()


# Speed, history, slots, readers.


def test_steps_add_up_and_a_step_ends_the_playing() -> None:
    gate = Gate()

    def make(should_stop: ShouldStop) -> Iterator[int]:
        return (k for k in itertools.count() if gate.take(should_stop))

    job = Job(make)
    job.step(2)
    job.step(3)
    gate.allow(10)
    assert job.wait(LONG) == "paused" and job.since().next == 5 and gate.permits == 5
    job.play()
    assert eventually(lambda: job.since().next == 10 and gate.waiting)
    job.step(2)
    gate.allow(10)
    assert job.wait(LONG) == "paused" and job.since().next == 12
    job.stop()


def test_the_speed_limit_holds_and_changes_while_running(clock: Clock) -> None:
    job = Job(lambda should_stop: iter(range(1000)), speed=8, clock=clock)
    job.play()
    for count in range(1, 4):
        assert eventually(lambda count=count: job.since().next == count)
        clock.now += 0.0625
        assert job.since().next == count
        clock.now += 0.0625
    job.speed = math.inf
    assert job.wait(LONG) == "done" and job.speed == math.inf
    job.stop()


def test_a_late_wake_up_is_made_up_for_but_a_pause_is_not(clock: Clock) -> None:
    job = Job(forever, speed=10, clock=clock)
    job.play()
    for now, count in ((1000.0, 1), (1000.15, 2), (1000.205, 3), (1005.0, 4), (1005.101, 5)):
        clock.now = now
        assert eventually(lambda count=count: job.since().next == count)
        job.touch()
    job.stop()


@pytest.mark.parametrize(("keep", "total"), [(4, 100), (10, 11), (64, 64), (64, 10_000)])
def test_a_full_history_is_thinned_evenly_and_its_newest_quarter_complete(
    keep: int, total: int
) -> None:
    job = Job(lambda should_stop: iter(range(total)), keep=keep)
    job.play()
    assert job.wait(LONG) == "done"
    news = job.since()
    assert news.items == news.indices and news.next == total and len(news.items) <= keep
    newest = set(range(total - keep // 4, total))
    assert {0} | newest <= set(news.items)
    gaps = [b - a for a, b in itertools.pairwise(news.items)]  # a stride, a rest, then ones
    assert gaps == sorted(gaps, reverse=True) and len(set(gaps)) <= 3
    assert total <= keep or max(gaps) <= 8 * total / keep
    assert total > keep or news.items == tuple(range(total))
    job.stop()


def test_who_finds_no_free_slot_is_queued_until_one_is() -> None:
    slots = threading.BoundedSemaphore(1)
    first, second = Job(stuck, slots=slots), Job(forever, slots=slots)
    first.play()
    assert eventually(lambda: first.since().next == 1)
    second.step(5)
    assert first.state == "running" and second.state == "queued"
    first.reset()  # gives its slot back: nothing is wanted of it
    assert second.wait(LONG) == "paused" and second.since().next == 5
    first.play()
    assert eventually(lambda: first.since().next == 1)
    second.play()
    assert second.state == "queued"
    second.stop()
    first.stop()
    assert first.join(LONG) and second.join(LONG)
    assert slots.acquire(blocking=False) and not slots.acquire(blocking=False)


@pytest.mark.parametrize("end", ["done", "failed", "lapsed"])
def test_every_end_gives_the_slot_back(end: str, clock: Clock) -> None:
    def make(should_stop: ShouldStop) -> Iterator[int]:
        yield 0
        if end == "failed":
            raise RuntimeError("no")
        while end == "lapsed" and not should_stop():
            time.sleep(0.001)

    slots = threading.BoundedSemaphore(1)
    job = Job(make, slots=slots, clock=clock)
    job.play()
    assert eventually(lambda: job.since().next == 1)
    clock.now += 60 * (end == "lapsed")
    assert slots.acquire(timeout=LONG)
    job.stop()


def test_readers_in_several_threads_see_consistent_slices() -> None:
    tags = itertools.count()

    def make(should_stop: ShouldStop) -> Iterator[tuple[int, int]]:
        tag = next(tags)
        return ((tag, k) for k in range(400))

    job = Job(make)
    wrong: list[str] = []
    over = threading.Event()

    def read() -> None:
        epoch, index, last = -1, 0, False
        seen: list[tuple[int, int]] = []
        while not last:
            last = over.is_set()
            news = job.since(epoch, index)
            if news.epoch != epoch:
                seen = []
            seen += news.items
            if news.indices != tuple(range(len(seen) - len(news.items), len(seen))):
                wrong.append(f"gap: {news}")
            epoch, index = news.epoch, news.next
            if len({tag for tag, _ in seen}) > 1 or [k for _, k in seen] != [*range(index)]:
                wrong.append(f"mixed: {seen}")
        if index != 400:
            wrong.append(f"missed the end: {index}")

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for round in range(6):
        job.reset()
        job.play()
        assert eventually(lambda least=40 * round: job.since().next >= least)
    assert job.wait(LONG) == "done"
    over.set()
    for reader in readers:
        reader.join(LONG)
    job.stop()
    assert not wrong, wrong[:3]


def test_ids_cannot_be_guessed() -> None:
    jobs = [Job(forever) for _ in range(8)]
    assert len({job.id for job in jobs}) == 8 and min(len(job.id) for job in jobs) >= 22
    for job in jobs:
        job.stop()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Job(forever, keep=3), "keep must be .* at least 4, got 3"),
        (lambda: Job(forever, speed=0), "at least 0.001 items a second, got 0"),
        (lambda: Job(forever, speed=math.nan), "got nan"),
        (lambda: Job(forever, pause_after=9, end_after=8), "pause_after=9, end_after=8"),
    ],
)
def test_a_wrong_argument_is_refused(wrong: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()


def test_a_step_of_nothing_is_refused() -> None:
    job = Job(forever)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        job.step(0)
    job.stop()
