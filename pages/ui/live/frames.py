"""A message to the browser: JSON, and behind it the numbers of its arrays as they are.

Four bytes say how long the JSON is; arrays stand in it as ``{"f4": [start, count]}`` with a
``shape`` where they have rows, and follow as little-endian float32. ``live.js`` reads it back.
No message has a key ``f4`` of its own.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

__all__ = ["framed"]


def framed(message: dict[str, Any]) -> bytes:
    """Returns the message's bytes. Infinities become NaN: a browser has no use for them."""
    arrays: list[np.ndarray] = []
    head = json.dumps(_plain(message, arrays), allow_nan=False).encode()
    head += b" " * (-len(head) % 4)  # so that the numbers are aligned
    return struct.pack("<I", len(head)) + head + b"".join(array.tobytes() for array in arrays)


def _plain(value: Any, arrays: list[np.ndarray]) -> Any:  # noqa: ANN401  as JSON is
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiu":
            return _plain(value.tolist(), arrays)
        flat = np.ascontiguousarray(value, dtype="<f4")
        flat = np.where(np.isfinite(flat), flat, np.float32(np.nan))
        start = sum(array.size for array in arrays)
        arrays.append(flat)
        rows = {"shape": list(flat.shape)} if flat.ndim > 1 else {}
        return {"f4": [start, flat.size]} | rows
    if isinstance(value, dict):
        return {key: _plain(item, arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, arrays) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
