"""Results by key, shared by all visitors; the least recently used go first."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

__all__ = ["Cache", "results", "size"]

MOST_BYTES = 48 * 2**20
LEAST = 4096  # bytes that any result counts as, with its key: a verdict has no arrays


class Cache:
    """Results by key, as many as fit into ``most_bytes``."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any:  # noqa: ANN401  whatever was put there
        """Returns the result, or None."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Hashable, result: object) -> None:
        """Keeps the result, and drops old ones until all fit."""
        with self._lock:
            self._kept[key] = (result, LEAST + size(result))
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(n for _, n in self._kept.values()) > self.most_bytes:
                self._kept.popitem(last=False)


def size(result: object) -> int:
    """Returns the bytes of all arrays in a result."""
    if isinstance(result, np.ndarray):
        return result.nbytes
    if isinstance(result, (tuple, list)):
        return sum(size(item) for item in result)
    if is_dataclass(result):
        return sum(size(getattr(result, field.name)) for field in fields(result))
    return 0


@functools.cache
def results() -> Cache:
    """Returns the process's results."""
    return Cache()
