"""Names, bounds and the one wording for errors about them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

__all__ = ["ELSEWHERE", "Parameter", "choose", "nearest", "number", "pick", "settle"]


# What torch, Keras and JAX call the same thing, where its spelling is nearer to another.
ELSEWHERE = {
    "kaiming_normal": "he_normal",
    "kaiming_uniform": "he_uniform",
    "xavier_normal": "glorot_normal",
    "xavier_uniform": "glorot_uniform",
    "swish": "silu",
    "linear": "identity",
    "mnist": "fashion_mnist",
}


@dataclass(frozen=True)
class Parameter:
    """A number that a person may set: its name, default, bounds and words for the page."""

    name: str
    default: float
    low: float
    high: float
    label: str = ""
    help: str = ""


def nearest(name: object, known: Iterable[str]) -> str:
    """Returns ``" Did you mean 'selu'?"``, or nothing when no known name is near."""
    given = str(name)[:100].lower()
    known = list(known)
    same = ELSEWHERE.get(given.removesuffix("_"), "")
    if same in known:
        return f" Did you mean {same!r}?"
    close = difflib.get_close_matches(given, known, n=3)
    if not close:
        return ""

    def likeness(word: str) -> tuple[float, bool]:  # of equals, the one with swapped letters
        return difflib.SequenceMatcher(None, word, given).ratio(), sorted(word) == sorted(given)

    return f" Did you mean {max(close, key=likeness)!r}?"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def pick(table: Mapping[str, T], name: object, kind: str) -> T:
    """Returns ``table[name]``; an unknown name is a ValueError with the nearest known one."""
    if isinstance(name, str) and name in table:
        return table[name]
    known = ", ".join(table)
    hint = nearest(name, table)
    raise ValueError(f"Unknown {kind} {_shown(name)}.{hint} Known: {known}.")


def choose(options: Sequence[str], name: object, kind: str) -> str:
    """Returns the name if it is one of the options, else a ValueError with the nearest one."""
    return pick({option: option for option in options}, name, kind)


def number(name: str, value: object, low: float, high: float, integer: bool = False) -> float:
    """Returns the value as int or float; a ValueError says what was given and what is allowed.

    Booleans, NaN, infinities and text are refused, also where Python would convert them.
    """
    kind = "a whole number" if integer else "a number"
    allowed = f"{name} must be {kind} between {low:g} and {high:g}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        try:  # NumPy's scalars are numbers too
            value = value.item()  # pyright: ignore[reportAttributeAccessIssue]
        except (AttributeError, ValueError, TypeError):
            raise ValueError(f"{allowed}, got {_shown(value)}.") from None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{allowed}, got {_shown(value)}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{allowed}, got {value}.")
    if integer and value != int(value):
        raise ValueError(f"{allowed}, got {_shown(value)}; the nearest is {round(value)}.")
    if not low <= value <= high:
        raise ValueError(
            f"{allowed}, got {_shown(value)}; the nearest is {low if value < low else high:g}."
        )
    return int(value) if integer else float(value)


def settle(
    parameters: Sequence[Parameter], given: Mapping[str, float], owner: str
) -> dict[str, float]:
    """Returns every parameter's value: the given ones, checked, and defaults for the rest."""
    table = {parameter.name: parameter for parameter in parameters}
    if given and not table:
        name = next(iter(given))
        raise ValueError(f"{owner} has no parameters, got {_shown(name)}.")
    for name in given:
        pick(table, name, f"parameter of {owner}")
    return {
        p.name: float(number(f"{owner}.{p.name}", given.get(p.name, p.default), p.low, p.high))
        for p in parameters
    }
