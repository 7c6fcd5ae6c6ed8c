"""Work side by side: threads that stay for the next piece, since starting one costs a layer.

A step of a small network is some hundred products of some microseconds each. Two threads at it
take the interpreter from each other at every one, and a product on two cores waits for the slower
one, which on a busy machine may be a time slice away. One thread on one core is faster there.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TypeVar

import torch

from snn_core.cost import CORES

__all__ = ["ThreadPool", "side_by_side"]

T = TypeVar("T")
Piece = TypeVar("Piece")
IDLE = 1.0  # seconds without work after which a thread ends


@dataclass
class ThreadPool:
    """Threads that compute on one core each; whoever has no work for a second ends by itself.

    ``cores`` is how many a lone piece of work is spread over.
    """

    cores: int = CORES
    tasks: SimpleQueue[Callable[[], None]] = field(default_factory=SimpleQueue)
    threads: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def side_by_side(pool: ThreadPool, pieces: Sequence[Piece], work: Callable[[Piece], T]) -> list[T]:
    """Returns the work on every piece: a lone one's on the pool's cores, several on one each.

    The caller is one of the workers. All work is over when it returns or raises what one raised.
    """
    helpers = min(CORES, len(pieces)) - 1
    if helpers <= 0:
        torch.set_num_threads(pool.cores)
        try:
            return [work(piece) for piece in pieces]
        finally:
            torch.set_num_threads(CORES)
    found: list[Future[T]] = [Future() for _ in pieces]
    waiting = deque(zip(pieces, found, strict=True))

    def work_off() -> None:
        while waiting:
            try:
                piece, future = waiting.popleft()
            except IndexError:  # another one was faster
                return
            try:
                future.set_result(work(piece))
            except BaseException as error:
                future.set_exception(error)

    _call(pool, work_off, helpers)
    torch.set_num_threads(1)
    try:
        work_off()
        wait(found)
    finally:
        torch.set_num_threads(CORES)
    return [future.result() for future in found]


def _call(pool: ThreadPool, task: Callable[[], None], helpers: int) -> None:
    with pool.lock:  # a thread that ends looks once more for work, in the lock
        for _ in range(helpers):
            pool.tasks.put(task)
        new, pool.threads = helpers - pool.threads, max(helpers, pool.threads)
    for _ in range(new):
        ready = threading.Event()
        threading.Thread(target=_serve, args=(pool, ready), daemon=True).start()
        ready.wait()  # its setting is also the default of new threads, until the caller's own


def _serve(pool: ThreadPool, ready: threading.Event) -> None:
    torch.set_num_threads(1)
    ready.set()
    while True:
        try:
            pool.tasks.get(timeout=IDLE)()
        except Empty:
            with pool.lock:
                if pool.tasks.empty():
                    pool.threads -= 1
                    return
