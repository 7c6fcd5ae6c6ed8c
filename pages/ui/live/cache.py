"""Results of the core by what was asked for, shared by all visitors."""

from __future__ import annotations

import functools
from dataclasses import fields, is_dataclass

import numpy as np

from snn_core.cache import Cache

__all__ = ["results", "size"]

MOST_BYTES = 48 * 2**20
LEAST = 4096  # bytes that any result counts as, with its key: a verdict has no arrays


def size(result: object) -> int:
    """Returns the bytes that a result counts as: those of all its arrays, and `LEAST`."""
    return LEAST + _arrays(result)


def _arrays(result: object) -> int:
    if isinstance(result, np.ndarray):
        return result.nbytes
    if isinstance(result, (tuple, list)):
        return sum(_arrays(item) for item in result)
    if is_dataclass(result):
        return sum(_arrays(getattr(result, field.name)) for field in fields(result))
    return 0


@functools.cache
def results() -> Cache:
    """Returns the process's results."""
    return Cache(MOST_BYTES, size)
