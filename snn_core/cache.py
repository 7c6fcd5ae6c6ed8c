"""Values by key within a bounded memory; the least recently used go first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

__all__ = ["Cache"]


class Cache:
    """Values by key, as many as fit into ``most_bytes``, and the newest whatever its size.

    Threads may share it. ``size`` returns the bytes that a value counts as.
    """

    def __init__(self, most_bytes: int, size: Callable[[Any], int]) -> None:
        self.most_bytes, self._size = most_bytes, size
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._total = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any:  # noqa: ANN401  whatever was put there
        """Returns the value, or None."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Hashable, value: object) -> None:
        """Keeps the value, and drops old ones until all fit."""
        size = self._size(value)
        with self._lock:
            self._total += size - self._kept.pop(key, (None, 0))[1]
            self._kept[key] = (value, size)
            while len(self._kept) > 1 and self._total > self.most_bytes:
                self._total -= self._kept.popitem(last=False)[1][1]
