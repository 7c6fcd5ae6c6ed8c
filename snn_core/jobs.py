"""A job drives any iterator in a background thread and lets others watch and steer it.

To pause is not to ask the iterator for its next item. All the iterator knows of the job is one
callable, ``should_stop()``, which it may call in the middle of a long item.

A page that shows a job touches it regularly. When the touches stop (a closed tab, a lost
connection) the job pauses; the next touch lets it go on; without one its thread ends.

>>> job = Job(lambda should_stop: iter("abc"))
>>> job.step(2)
>>> job.wait(10), job.since().items
('paused', ('a', 'b'))
>>> job.play()
>>> job.wait(10), job.since(epoch=0, index=2).items
('done', ('c',))
>>> job.stop()
>>> job.join(10)
True
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import sys
import threading
import time
import traceback
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from snn_core.thinning import stride

Item = TypeVar("Item")
ShouldStop = Callable[[], bool]

__all__ = ["Failure", "Job", "News", "ShouldStop"]

_POLL = 0.2  # seconds between checks of the lease; stop() has to take effect within 0.5
_QUEUE_POLL = 0.05  # seconds between attempts to get a slot
_NICE = 10
PASSING = 32  # passing items that are kept at once; beyond, every second one is dropped
_END = object()


@dataclass(frozen=True)
class Failure:
    """What the iterator raised, as text: an exception would keep its frames' tensors alive."""

    kind: str
    message: str
    trace: str


@dataclass(frozen=True)
class News(Generic[Item]):
    """What a reader has not seen: items, the index of each, and the job's state.

    ``next`` is the index that the next item will get: ask ``since(epoch, next)`` next time.
    ``passing`` are the passing items since the last kept one. ``version`` goes up with every item
    of either kind. If the epoch is not the one asked for, earlier items are void and these are
    all that there are.
    """

    epoch: int
    indices: tuple[int, ...]
    items: tuple[Item, ...]
    next: int
    state: str
    failure: Failure | None
    passing: tuple[Item, ...] = ()
    version: int = 0


@dataclass(eq=False)
class _Run(Generic[Item]):
    make: Callable[[ShouldStop], Iterable[Item]]
    cancelled: threading.Event = field(default_factory=threading.Event)


class Job(Generic[Item]):
    """Drives ``make(should_stop)`` in one daemon thread; paused at first.

    Every method returns at once (``wait`` and ``join`` apart) and may be called from any
    thread. ``make`` and the iterator run in the job's thread only. ``should_stop()`` turns true
    for good once the items are no longer wanted: stop, reset, rewind, lease run out.

    State: ``paused``, ``running``, ``queued`` (wants to run, no slot free), ``done`` (the
    iterator ended), ``failed`` (it raised; see ``failure``), ``stopped`` (ended before the
    iterator did). A job that is over (``alive`` is false) ignores its controls and stays
    readable; ``done`` and ``failed`` stay what they are when such a job is stopped.

    Lease: every control is a touch. ``pause_after`` seconds without one pause the job until the
    next touch; ``end_after`` seconds end it and its thread.

    History: at most ``keep`` items (at least 4). When there are more, it is thinned: the newest
    quarter of ``keep`` stays complete, of the older items every 2nd, 4th, 8th ... stays, the
    first one always. Indices do not change.

    Passing items: those for which ``passing(item)`` is true are shown until the next kept item is
    there, or the job is reset or rewound. They have no index, are not part of the history, and do
    not count for steps, speed and pauses: a pause still waits for the item being computed.

    Limit: ``slots`` is a semaphore that jobs share. A job holds a slot from play or step until
    it pauses or ends; waiting jobs get one in no particular order.

    Finding it again: ``id`` is unguessable (128 random bits). A job lives as long as its thread
    or a reference to it, so a ``weakref.WeakValueDictionary`` from ids to jobs empties itself.

    Raises ValueError for a ``keep``, lease or speed that is out of range.
    """

    def __init__(
        self,
        make: Callable[[ShouldStop], Iterable[Item]],
        *,
        speed: float = math.inf,
        keep: int = 4096,
        slots: threading.Semaphore | None = None,
        pause_after: float = 10.0,
        end_after: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        passing: Callable[[Item], bool] = lambda item: False,
    ) -> None:
        if keep < 4:
            raise ValueError(f"keep must be a whole number of items, at least 4, got {keep!r}.")
        if not 0 < pause_after <= end_after:
            raise ValueError(
                "0 < pause_after <= end_after must hold (seconds), "
                f"got pause_after={pause_after!r}, end_after={end_after!r}."
            )
        self.id = secrets.token_urlsafe(16)
        self._again = partial(
            Job,
            make,
            keep=keep,
            slots=slots,
            pause_after=pause_after,
            end_after=end_after,
            clock=clock,
            passing=passing,
        )
        self._is_passing, self._version = passing, 0
        self._make, self._keep, self._slots, self._clock = make, keep, slots, clock
        self._pause_after, self._end_after = pause_after, end_after
        self._changed = threading.Condition()  # guards everything below
        self._touched = clock()
        self._issued = -math.inf  # when the last item was due, for the speed limit
        self._has_slot = False
        self._computing = False
        self._ended = False
        self._indices: list[int] = []
        self._items: list[Item] = []
        self._run = _Run(make)
        self._epoch = -1
        self._begin(make, kept=0)
        self.speed = speed
        self._thread = threading.Thread(target=self._work, name=f"job-{self.id}", daemon=True)
        self._thread.start()

    # Controls.

    def play(self) -> None:
        """Goes on until paused or at the end; a finished job has to be reset or rewound first."""
        with self._control():
            self._owed = math.inf

    def pause(self) -> None:
        """Asks for no further item; the one being computed still arrives."""
        with self._control():
            self._owed = 0

    def step(self, n: int = 1) -> None:
        """Computes n more items, then pauses; repeated calls add up. ValueError for n < 1."""
        if n < 1:
            raise ValueError(f"step takes a whole number of items, at least 1, got {n!r}.")
        with self._control():
            self._owed = n if self._owed == math.inf else self._owed + n

    def reset(self) -> None:
        """Back to the start: empty history, a new iterator from the same ``make``, paused."""
        with self._control():
            self._begin(self._make, kept=0)

    def rewind(
        self, index: int, resume: Callable[[Item, ShouldStop], Iterable[Item]]
    ) -> int | None:
        """Returns the index gone back to: the last kept item at or before the given index.

        What came after it is forgotten; ``resume(item, should_stop)`` makes the iterator of what
        follows, with other settings if it likes. Paused afterwards. A ValueError if no item is
        kept at or before the index; None, and nothing happens, if the job is over.
        """
        with self._control():
            if self._ended:
                return None
            place = bisect_right(self._indices, index) - 1
            if place < 0:
                kept = f"0 to {self._indices[-1]}" if self._indices else "none yet"
                raise ValueError(f"There is no item {index!r} to go back to; kept: {kept}.")
            item = self._items[place]
            self._begin(partial(resume, item), kept=place + 1)
            return self._indices[-1]

    def resumed(self, resume: Callable[[Item, ShouldStop], Iterable[Item]]) -> Job[Item]:
        """Returns a new job, paused, that goes on after this one's last item; this one ends.

        For a job that is over: the new one begins with its history. ``resume`` is
        as in `rewind`. A ValueError if there is no item yet.
        """
        self.stop()
        with self._changed:
            if not self._items:
                raise ValueError("There is no item to go on from; make a new job instead.")
            indices, items = list(self._indices), list(self._items)
        new: Job[Item] = self._again(speed=self.speed)
        with new._control():
            new._indices, new._items = indices, items
            new._begin(partial(resume, items[-1]), kept=len(items))
        return new

    def stop(self) -> None:
        """Ends the job and its thread for good; the history stays."""
        with self._control():
            self._end()

    def touch(self) -> None:
        """Somebody is watching: renews the lease."""
        with self._control():
            pass

    def detach(self) -> None:
        """Nobody is watching for now: pauses at once, as if ``pause_after`` had passed."""
        with self._changed:
            self._touched = min(self._touched, self._now() - self._pause_after)

    @property
    def speed(self) -> float:
        """Most items per second, at least 0.001, inf for no limit; may be set while running."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        if not speed >= 0.001:
            raise ValueError(f"speed must be at least 0.001 items a second, got {speed!r}.")
        with self._changed:
            self._speed = speed
            self._changed.notify_all()

    # Readings.

    def since(self, epoch: int = -1, index: int = 0) -> News[Item]:
        """Returns the kept items from the index on; all of them if the epoch is not the job's.

        Reset and rewind begin a new epoch. Reading is no touch.
        """
        with self._changed:
            state = self.state
            start = bisect_left(self._indices, index) if epoch == self._epoch else 0
            indices, items = tuple(self._indices[start:]), tuple(self._items[start:])
            passing = tuple(self._passing)
            return News(
                self._epoch,
                indices,
                items,
                self._next,
                state,
                self._failure,
                passing,
                self._version,
            )

    @property
    def state(self) -> str:
        """paused, running, queued, done, failed or stopped."""
        with self._changed:
            wanted = self._wanted(self._now())
            if self._outcome or not wanted:
                return self._outcome or "paused"
            return "running" if self._has_slot or self._slots is None else "queued"

    @property
    def playing(self) -> bool:
        """Whether it goes on until paused, rather than for the items that it was asked for."""
        return self._owed == math.inf

    @property
    def failure(self) -> Failure | None:
        """What the iterator raised, if it did."""
        return self._failure

    @property
    def alive(self) -> bool:
        """Whether the controls still have an effect."""
        with self._changed:
            self._now()
            return not self._ended

    @property
    def unwatched(self) -> bool:
        """Whether nobody has touched it for so long that it ends, or would have ended."""
        with self._changed:
            return self._now() - self._touched >= self._end_after

    def wait(self, timeout: float) -> str:
        """Returns the state as soon as it is neither running nor queued, or after the timeout."""
        last = time.monotonic() + timeout
        with self._changed:
            while (state := self.state) in ("running", "queued"):
                left = last - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, _POLL))
            return state

    def settle(self, timeout: float) -> bool:
        """Returns whether no item is being computed, after at most ``timeout`` seconds.

        A job that was just paused may still be computing one.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._computing, timeout)

    def join(self, timeout: float) -> bool:
        """Returns whether the thread has ended, after at most ``timeout`` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    # From here on: inside the lock.

    def _now(self) -> float:
        """Returns the time; ends a job whose lease has run out, so that nobody sees it alive."""
        now = self._clock()
        if now - self._touched >= self._end_after:
            self._end()
        return now

    @contextlib.contextmanager
    def _control(self) -> Iterator[None]:
        with self._changed:
            self._touched = self._now()
            yield
            self._changed.notify_all()

    def _begin(self, make: Callable[[ShouldStop], Iterable[Item]], kept: int) -> None:
        if self._ended:
            return
        self._run.cancelled.set()
        del self._indices[kept:], self._items[kept:]
        self._next = self._indices[-1] + 1 if kept else 0
        self._run = _Run(make)
        self._passing: list[Item] = []
        self._epoch += 1
        self._owed: float = 0
        self._outcome = ""
        self._failure: Failure | None = None

    def _end(self) -> None:
        self._ended = True
        self._outcome = self._outcome or "stopped"
        self._run.cancelled.set()
        self._changed.notify_all()

    def _wanted(self, now: float) -> bool:
        leased = now - self._touched < self._pause_after
        return leased and self._owed > 0 and not self._outcome

    def _conclude(self, outcome: str, failure: Failure | None = None) -> None:
        self._outcome, self._failure, self._owed = outcome, failure, 0

    def _append(self, item: Item) -> None:
        self._indices.append(self._next)
        self._items.append(item)
        self._next += 1
        self._version += 1
        self._passing.clear()
        self._owed = max(0, self._owed - 1)
        if len(self._items) > self._keep:
            kept = _thinned(self._indices, self._keep)
            self._indices = [self._indices[k] for k in kept]
            self._items = [self._items[k] for k in kept]

    # The thread.

    def _work(self) -> None:
        _give_way()
        run, iterator = None, None
        try:
            while (turn := self._next_turn(run)) is not None:
                if turn is not run:  # reset or rewound: free the old before making the new
                    _close(iterator)
                    run, iterator = turn, None
                else:
                    iterator = self._advance(turn, iterator)
        finally:
            _close(iterator)
            with self._changed:
                self._end()
                self._release()

    def _next_turn(self, run: _Run[Item] | None) -> _Run[Item] | None:
        """Returns the given run once it may go on, at once another one, None at the end."""
        with self._changed:
            while True:
                now = self._now()
                if self._ended:
                    return None
                if run is None or self._run is not run:
                    return self._run
                seconds = self._seconds_to_wait(now)
                if seconds <= 0:
                    self._computing = True
                    return run
                self._changed.wait(min(seconds, _POLL))

    def _seconds_to_wait(self, now: float) -> float:
        """Takes or gives back the slot; at 0 or less one item may be computed."""
        if not self._wanted(now):
            self._release()
            return _POLL
        if self._slots is not None and not self._has_slot:
            self._has_slot = self._slots.acquire(blocking=False)
            if not self._has_slot:
                return _QUEUE_POLL
        period = 1 / self._speed
        due = self._issued + period
        if due <= now:  # a late wake-up is made up for, a pause is not
            self._issued = due if now - due < period else now
        return due - now

    def _release(self) -> None:
        if self._slots is not None and self._has_slot:
            self._has_slot = False
            self._slots.release()

    def _advance(self, run: _Run[Item], iterator: Iterator[Item] | None) -> Iterator[Item] | None:
        """Returns the iterator after one more item, None after its end."""
        item, failure = _END, None
        try:
            if iterator is None:
                iterator = iter(run.make(partial(self._should_stop, run)))
            item = next(iterator, _END)
            while item is not _END and self._is_passing(item):  # pyright: ignore[reportArgumentType]
                self._pass(run, item)  # pyright: ignore[reportArgumentType]
                item = next(iterator, _END)
        except Exception as error:  # a page shows it; in a thread it would be lost
            trace = "".join(traceback.format_exception(error))
            failure = Failure(type(error).__name__, str(error), trace)
        if item is _END:
            _close(iterator)
        with self._changed:
            self._computing = False
            if not run.cancelled.is_set():
                if failure is not None:
                    self._conclude("failed", failure)
                elif item is _END:
                    self._conclude("done")
                else:
                    self._append(item)  # pyright: ignore[reportArgumentType]
            self._changed.notify_all()
        return None if item is _END else iterator

    def _pass(self, run: _Run[Item], item: Item) -> None:
        with self._changed:
            if not run.cancelled.is_set():
                if len(self._passing) == PASSING:
                    del self._passing[1::2]
                self._passing.append(item)
                self._version += 1
                self._changed.notify_all()

    def _should_stop(self, run: _Run[Item]) -> bool:
        with self._changed:
            self._now()
            return run.cancelled.is_set()


def _thinned(indices: list[int], keep: int) -> list[int]:
    """Returns the places to keep: the newest quarter, and of all every stride-th index.

    The stride is a power of two, so what one thinning keeps the next one finds; both parts
    together are at most half of ``keep``, so that thinning is rare.
    """
    quarter, total = keep // 4, indices[-1] + 1
    newest, every = total - quarter, stride(total, quarter)
    return [k for k, index in enumerate(indices) if index >= newest or index % every == 0]


def _give_way() -> None:
    """Lowers the priority of this thread and of those that it will start, where Linux lets it.

    Whoever watches the job should not wait for it, on a machine with few cores.
    """
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _close(iterator: object) -> None:
    """Runs a generator's ``finally`` now; errors in it are ignored."""
    with contextlib.suppress(Exception):
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
