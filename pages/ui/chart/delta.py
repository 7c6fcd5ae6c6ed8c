"""What has changed in a growing figure since it was sent in full.

A live figure is made whole at every look, as any other; only the numbers that are new travel.
Messages can be lost on the way (the browser skips what comes too fast), so a delta begins some
looks back, and the browser leaves out what it has.
"""

from __future__ import annotations

import base64
import math
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Sent", "difference", "numbers", "opened", "packed"]

OVERLAP = 8  # looks; at ten a second a message may be almost a second late
DIGITS = 6  # significant ones; a screen shows fewer
MOST_REPLACED = 2000  # numbers; with more of them the whole figure is as good


@dataclass
class Sent:
    """What the browser was given: the figure that it holds by now, under a token of its own."""

    figure: dict[str, Any]
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    lengths: deque[dict[tuple[int, str], int]] = field(
        default_factory=lambda: deque(maxlen=OVERLAP)
    )
    replaced: set[tuple[int, str]] = field(default_factory=set)
    looks: int = 0  # at it since, each with a difference


def opened(figure: dict[str, Any]) -> Sent:
    """Returns the memory of a figure that is sent in full."""
    sent = Sent(figure)
    sent.lengths.append(_lengths(figure))
    return sent


def difference(sent: Sent, new: dict[str, Any]) -> dict[str, Any] | None:
    """Returns what makes the sent figure the new one, and notes that it was sent.

    ``append`` has [trace, attribute, where it starts, numbers], ``set`` has [trace, attribute,
    numbers] for arrays that did not just grow, ``layout`` the whole layout. None where the new
    figure has other traces, or the same ones with other styles, or hardly an array just grew.
    """
    old = sent.figure
    if len(old["data"]) != len(new["data"]):
        return None
    first = sent.lengths[0]
    append: list[list[Any]] = []
    for index, (before, after) in enumerate(zip(old["data"], new["data"], strict=True)):
        if before.keys() != after.keys():
            return None
        for name, value in after.items():
            if not isinstance(value, np.ndarray):
                if value != before[name]:
                    return None
            elif (index, name) in sent.replaced or not _grew(before[name], value):
                sent.replaced.add((index, name))
            elif len(value) > first[index, name]:
                start = first[index, name]
                append.append([index, name, start, value[start:]])
    whole = [(i, name, new["data"][i][name]) for i, name in sorted(sent.replaced)]
    if sum(value.size for *_, value in whole) > MOST_REPLACED:
        return None
    sent.figure = new
    sent.looks += 1
    sent.lengths.append(_lengths(new))
    return {"append": append, "set": whole, "layout": new["layout"]}


def _grew(before: object, after: np.ndarray) -> bool:
    """Whether the array is the one before, with or without more rows at its end."""
    if not isinstance(before, np.ndarray) or len(before) > len(after):
        return False
    start = after[: len(before)]
    same_kind = before.dtype.kind in "fiu" and after.dtype.kind in "fiu"
    return before.shape == start.shape and np.array_equal(before, start, equal_nan=same_kind)


def _lengths(figure: dict[str, Any]) -> dict[tuple[int, str], int]:
    return {
        (index, name): len(value)
        for index, trace in enumerate(figure["data"])
        for name, value in trace.items()
        if isinstance(value, np.ndarray)
    }


def packed(value: object) -> Any:  # noqa: ANN401  as JSON is
    """Returns the value as JSON has it, arrays of numbers as Plotly's typed arrays.

    They are float32, seven digits, and quick to make however many numbers there are. What is not
    finite is a gap, as in `numbers`.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size:
        flat = np.ascontiguousarray(value, dtype="<f4")
        data = base64.b64encode(np.where(np.isfinite(flat), flat, np.nan).tobytes()).decode()
        found = {"dtype": "f4", "bdata": data}
        return found | ({"shape": ", ".join(map(str, flat.shape))} if flat.ndim > 1 else {})
    if isinstance(value, dict):
        return {key: packed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [packed(item) for item in value]
    return numbers(value)


def numbers(value: object) -> Any:  # noqa: ANN401  as JSON is
    """Returns the value as JSON has it: arrays as lists, what is not finite as null.

    Numbers keep six significant digits, which halves the message.
    """
    if isinstance(value, np.ndarray):
        return numbers(value.tolist())
    if isinstance(value, dict):
        return {key: numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [numbers(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
