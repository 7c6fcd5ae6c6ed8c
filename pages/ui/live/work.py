"""Propagations that are under way: shared by all who ask for the same, a fair share for each.

Work is cut into pieces: the theory, and one seed after the other. A thread on every core takes the
next piece of whoever has had the least so far, most of them theory before seeds. Whose turn it is
keeps it for a while, so that one question is finished after another: dealt out seed by seed, none
would be where many ask. Who asks anew gives up what was asked before; what nobody waits for any
more stops within a layer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import threadpoolctl
import torch

from pages.ui.live import cache
from snn_core.cost import CORES, refuse
from snn_core.propagate import Pass, Propagation, Watch, assemble, one_seed, run
from snn_core.settings import Experiment
from snn_core.theory.mean_field.predict import predict
from snn_core.theory.mean_field.prediction import Prediction

__all__ = ["Key", "Propagating", "Tell", "ask", "found", "leave"]

Key = tuple[Experiment, bool, bool]  # the setting, whether gradients and costlier statistics too
FORGOTTEN = 2.0  # seconds after which half of what a visitor has had no longer counts
MOST_WAITING = 256  # visitors at once
TURN = 1.0  # seconds of a core, in which a usual question's seeds are done


@dataclass(eq=False)
class Propagating:
    """One propagation under way: what is known of it so far, and who waits for it."""

    key: Key
    watch: Watch
    predicted: Prediction | None = None
    passes: dict[int, Pass] = field(default_factory=dict)
    result: Propagation | None = None
    failure: Exception | None = None
    over: threading.Event = field(default_factory=threading.Event)
    waiting: dict[str, Tell] = field(default_factory=dict)
    pieces: deque[Callable[[Propagating], None]] = field(default_factory=deque)
    closed: bool = False  # a worker puts the result together
    turn: float = 0.0  # seconds of a core that are left of its turn

    @property
    def share(self) -> float:
        """The share that is done, of 1."""
        return min(self.watch.done / self.watch.total, 1.0)

    def so_far(self) -> Propagation | None:
        """Returns what there is: the result, or the theory with the seeds that are done.

        Before the result is there, without the costlier statistics: they take as long as a seed.
        """
        if self.result is not None or self.predicted is None:
            return self.result
        done = [replace(p, detail=None) for _, p in sorted(self.passes.items())]
        return assemble(self.key[0], done, self.predicted)


Tell = Callable[[Propagating], None]  # called on a worker: after the theory, every seed, a failure
_changed = threading.Condition()
_under_way: dict[Key, Propagating] = {}
_had: dict[str, tuple[float, float]] = {}  # visitor -> seconds of work had, when that was noted
_workers: list[threading.Thread] = []


def found(key: Key) -> Propagation | None:
    """Returns the result where it is kept; one with more statistics than asked for will do."""
    experiment, backward, detail = key
    for more in ((backward, detail), (backward, True), (True, detail), (True, True)):
        known = cache.results().get((experiment, *more))
        if known is not None:
            return known
    return None


def ask(visitor: str, key: Key, tell: Tell) -> Propagating:
    """Starts a propagation, or joins one under way, in place of what the visitor asked before.

    Raises ValueError where the machine is too small, or too many wait already.
    """
    experiment, backward, detail = key
    refuse(experiment, backward, detail)
    with _changed:
        leave(visitor)
        if sum(len(each.waiting) for each in _under_way.values()) >= MOST_WAITING:
            raise ValueError("Too many people are waiting for this server; try again in a minute.")
        known = _under_way.get(key)
        if known is None:
            total = experiment.seeds * experiment.network.depth * (1 + backward)
            known = _under_way[key] = Propagating(key, Watch(total))
            seeds = [partial(_seed, k=k) for k in range(experiment.seeds)]
            known.pieces.extend([_theory, *(seeds if experiment.device == "cpu" else [_whole])])
        known.waiting[visitor] = tell
        _start()
        _changed.notify_all()
    return known


def leave(visitor: str) -> None:
    """Gives up what the visitor asked for."""
    with _changed:  # a lock that `ask` may hold already
        for key, each in list(_under_way.items()):
            if each.waiting.pop(visitor, None) and not each.waiting:
                each.watch.stop.set()
                del _under_way[key]


def _theory(each: Propagating) -> None:
    each.predicted = predict(each.key[0])


def _seed(each: Propagating, k: int) -> None:
    experiment, backward, detail = each.key
    each.passes[k] = one_seed(experiment, k, backward, detail, watch=each.watch)


def _whole(each: Propagating) -> None:
    """All seeds at once, as an accelerator likes it."""
    experiment, backward, detail = each.key
    result = run(experiment, backward, detail, progress=lambda _: not each.watch.stop.is_set())
    each.predicted, each.result = result.predicted, result


def _start() -> None:
    """Starts the threads, once; one on each core.

    All but one prefer theory, so that many visitors' theory does not keep all seeds waiting.
    """
    if not _workers:  # NumPy's threads would wait, spinning, for cores that the workers have
        threadpoolctl.threadpool_limits(1, user_api="blas")
    while len(_workers) < CORES:
        first = len(_workers) < max(CORES - 1, 1)
        name = f"work-{len(_workers)}"
        worker = threading.Thread(target=_serve, args=(first,), name=name, daemon=True)
        _workers.append(worker)
        worker.start()


def _serve(theory_first: bool) -> None:
    while True:
        with _changed:
            while (each := _next(theory_first)) is None:
                _changed.wait()
            piece = each.pieces.popleft()
            visitors = list(each.waiting)
        torch.set_num_threads(1)  # others set it too, and it holds for the whole process
        begun, worked = time.perf_counter(), time.thread_time()
        try:
            piece(each)
        except Exception as failure:  # told to all who wait; a stop is nobody's business any more
            # without its frames: they hold the layer's numbers, and in a circle this object
            each.failure = each.failure or failure.with_traceback(None)
        each.turn -= time.thread_time() - worked
        _note(visitors, time.perf_counter() - begun)
        _tell(each)
        with _changed:
            _changed.notify_all()  # seeds may follow the theory


def _next(theory_first: bool) -> Propagating | None:
    """The propagation whose piece is next: of the kind preferred, begun, of who had the least."""
    ready = [each for each in _under_way.values() if _is_ready(each)]
    if not ready:
        return None

    def order(each: Propagating) -> tuple[bool, bool, float]:
        other = (each.pieces[0] is _theory) != theory_first
        return other, each.turn <= 0.0, min(map(_share, each.waiting))

    found = min(ready, key=order)
    if found.pieces[0] is not _theory and found.turn <= 0.0:
        found.turn = TURN
    return found


def _is_ready(each: Propagating) -> bool:
    """Seeds wait for the theory: beside them it would take several times as long."""
    if not each.pieces or each.failure is not None:
        return False
    return each.predicted is not None or each.pieces[0] in (_theory, _whole)


def _share(visitor: str) -> float:
    """The seconds of work that a visitor has had of late."""
    seconds, when = _had.get(visitor, (0.0, 0.0))
    return seconds * 0.5 ** ((time.monotonic() - when) / FORGOTTEN)


def _note(visitors: list[str], seconds: float) -> None:
    with _changed:
        for visitor in visitors:
            _had[visitor] = (_share(visitor) + seconds / len(visitors), time.monotonic())
        while len(_had) > 4 * MOST_WAITING:
            del _had[next(iter(_had))]


def _tell(each: Propagating) -> None:
    """Tells all who wait what there is now; what is complete is kept and leaves the list."""
    with _changed:
        complete = len(each.passes) == each.key[0].seeds and each.predicted is not None
        mine, each.closed = complete and not each.closed, each.closed or complete
    if mine and each.predicted is not None:
        try:
            done = [p for _, p in sorted(each.passes.items())]
            each.result = assemble(each.key[0], done, each.predicted)
        except Exception as failure:  # such as too little memory: a worker must live on
            each.failure = failure
        each.passes.clear()  # megabytes of samples, which nobody needs any more
    if each.result is not None:
        cache.results().put(each.key, each.result)
    with _changed:
        if each.result is not None or each.failure is not None:
            if _under_way.get(each.key) is each:
                del _under_way[each.key]
            each.watch.stop.set()
            each.over.set()
        told = list(each.waiting.values())
    for tell in told:
        try:
            tell(each)
        except Exception:  # one who can't be told must not keep the others from their turn
            logging.getLogger(__name__).exception("a result could not be told")
