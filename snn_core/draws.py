"""Random numbers that are kept for the next experiment, within a bounded memory.

A person who moves a slider asks for the same random numbers again and again, and drawing them
takes as long as propagating. What is kept is equal, bit by bit, to what would be drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from torch import Tensor

from snn_core.cache import Cache

__all__ = ["ROOM", "keeper", "kept"]

ROOM = 128 * 2**20  # bytes in the process: 15 seeds of 32 layers of 256 units

Numbers = tuple[Tensor, ...]


def keeper(room: int) -> Callable[[Hashable, Callable[[], Numbers]], Numbers]:
    """Returns ``(key, draw) -> numbers``, which draws only what it does not hold already.

    At most ``room`` bytes of tensors are held; what was not asked for longest goes first, and
    what is larger by itself is not held at all. Threads may share it; two that ask for the same
    at once may both draw. Nobody may write into what it returns.
    """
    held = Cache(room, _bytes)

    def keep(key: Hashable, draw: Callable[[], Numbers]) -> Numbers:
        numbers = held.get(key)
        if numbers is None:
            numbers = draw()
            if _bytes(numbers) <= room:
                held.put(key, numbers)
        return numbers

    return keep


def _bytes(numbers: Numbers) -> int:
    return sum(x.untyped_storage().nbytes() for x in numbers)


kept = keeper(ROOM)
