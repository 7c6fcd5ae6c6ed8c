"""The live channel's frames, read back as the browser does."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np


def unframed(message: bytes) -> dict[str, Any]:
    """Returns what was framed, arrays as float32."""
    (length,) = struct.unpack_from("<I", message)
    numbers = np.frombuffer(message, "<f4", offset=4 + length)

    def whole(value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, dict):
            if "f4" in value:
                start, count = value["f4"]
                return numbers[start : start + count].reshape(value.get("shape", -1))
            return {key: whole(item) for key, item in value.items()}
        return [whole(item) for item in value] if isinstance(value, list) else value

    return whole(json.loads(message[4 : 4 + length]))
