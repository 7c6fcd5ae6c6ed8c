"""Branch and bound: halves the box with the worst bound until the bounds are good enough."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from snn_core.theory.certificates.balls import Box
from snn_core.theory.certificates.claims import Cell

__all__ = ["Budget", "Ended", "Found", "search"]

Ended = Literal["done", "refuted", "boxes", "seconds", "stopped"]

EVERY = 16  # boxes from one look at the clock and the caller to the next


@dataclass
class Budget:
    """What a search may spend, counted over all searches that share it.

    Attributes:
        tell: Told the number of boxes looked at, now and then.
        stop: Asked now and then; the search ends where it says yes.
    """

    boxes: int = 20000
    seconds: float = 10.0
    tell: Callable[[int], object] | None = None
    stop: Callable[[], bool] | None = None
    spent: int = 0
    began: float = field(default_factory=time.perf_counter)
    _next: int = 0
    _ended: Ended | None = None

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.began

    def over(self) -> Ended | None:
        """Returns why to end now, None to go on; what has ended once has ended for good."""
        if self._ended is None and self.spent >= self._next:
            self._next = self.spent + EVERY
            if self.tell:
                self.tell(self.spent)
            if self.stop and self.stop():
                self._ended = "stopped"
            elif self.elapsed > self.seconds:
                self._ended = "seconds"
        if self._ended is None and self.spent >= self.boxes:
            self._ended = "boxes"
        return self._ended


@dataclass(frozen=True)
class Found:
    """How a search ended.

    Attributes:
        cells: A partition of the starting boxes, in their order, with what is proved on each.
        slack: Proved on all of them.
        nearest: The cell of all that were looked at whose centre has the least slack.
    """

    cells: tuple[Cell, ...]
    slack: float
    nearest: Cell | None
    ended: Ended


def search(
    look: Callable[[Box], Cell],
    boxes: Sequence[Box],
    enough: Callable[[float, float], bool],
    budget: Budget,
    refuted: Callable[[Cell], bool] = lambda cell: False,
) -> Found:
    """Returns the proved slack over the boxes; ends where ``enough(slack, seen)``.

    ``seen`` is the least slack at any centre so far, an upper bound of the slack to be had.
    ``refuted`` is asked about cells whose centre has none.
    """
    queue: list[tuple[float, int, Cell]] = []
    nearest: Cell | None = None

    def found(ended: Ended, rest: Sequence[Box] = ()) -> Found:
        cells = [*(cell for _, _, cell in queue), *map(_unknown, rest)]
        slack = min(cell.slack for cell in cells)
        return Found(tuple(sorted(cells, key=lambda cell: cell.box)), slack, nearest, ended)

    waiting = list(boxes)
    while True:
        while waiting:
            # Asked between boxes that are halved, not between the halves: what is proved stays.
            if not queue and (ended := budget.over()):
                return found(ended, waiting)
            cell = look(waiting.pop(0))
            budget.spent += 1
            heapq.heappush(queue, (cell.slack, budget.spent, cell))
            if nearest is None or cell.seen < nearest.seen:
                nearest = cell
            if cell.seen < 0 and refuted(cell):
                nearest = cell
                return found("refuted", waiting)
        slack, _, worst = queue[0]
        assert nearest is not None
        if enough(slack, nearest.seen):
            return found("done")
        if ended := budget.over():
            return found(ended)
        heapq.heappop(queue)
        waiting = _halves(worst)


def _halves(cell: Cell) -> list[Box]:
    box, (m, v) = cell.box, cell.box.centre
    if cell.along_v:
        return [box._replace(v_high=v), box._replace(v_low=v)]
    return [box._replace(m_high=m), box._replace(m_low=m)]


def _unknown(box: Box) -> Cell:
    return Cell(box, (), -math.inf, math.inf, True)
