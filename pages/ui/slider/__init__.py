"""A slider and its exact number: one setting, reported while it moves and told when it rests.

A native range input, so that keyboard and screen reader work as everywhere, over given stops, so
that one that runs over decades is as easy to set as a linear one. Streamlit's own slider reports
only when it is let go. While a hand moves it, the live channel is asked (`pages.ui.live`); the
page's script runs once, when it rests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import streamlit as st

from pages.ui import assets, session
from pages.ui.page_settings import KNOB, Value
from snn_core.tables import number

__all__ = ["Number", "draw", "handy", "round_numbers", "view"]

_SLIDER = assets.component(__file__, "number_slider")
STOPS = 60  # of a slider over numbers that are not whole


@dataclass(frozen=True)
class Number:
    """A number to set. ``whole`` is the step of whole numbers, None for any number; ``usual`` is
    the value about which a slider goes, None for a number without one."""

    name: str
    label: str
    low: float
    high: float
    help: str
    whole: int | None
    usual: float | None = None


def view(name: str, label: str = "", slider: bool = False) -> None:
    """Draws a number that is looked at, by its name among the page's; its label is KNOB's."""
    low, high, usual = session.page().numbers[name]
    known, help = KNOB.get(name, ("", ""))
    shown = Number(
        f"view.{name}", label or known, low, high, help, None, usual if slider else None
    )
    draw(shown, session.change)


def draw(n: Number, take: Callable[[str, Value], None]) -> None:
    """Draws a number, with a slider where it has a usual value, which also stands for one not set.

    ``take`` is called with its name and what a person sets.
    """
    said = session.value(n.name)
    current = float((n.usual if said is None else said) or 0)
    if n.usual is None:
        stops = []
    elif n.whole:
        stops = [current, *map(float, round_numbers(int(n.low), int(n.high)))]
    else:
        stops = [current, *handy(n.low, n.high, n.usual)]
    key = f"number:{session.key(n.name)}"
    data = {
        "name": n.name,
        "label": n.label,
        "value": int(current) if n.whole else current,
        "low": n.low,
        "high": n.high,
        "step": n.whole or _step(n.low, n.high, current),
        "stops": sorted(set(stops)),
        "help": f"{n.help} {n.low:g} to {n.high:g}.".strip(),
        "whole": n.whole is not None,
    }
    _SLIDER(key=key, data=data, on_value_change=partial(_told, n, key, take))


def _told(n: Number, key: str, take: Callable[[str, Value], None]) -> None:
    """Takes over what a person has set; it is checked like any other input."""
    session.touch()
    said = st.session_state.get(key)
    found = said.get("value") if isinstance(said, Mapping) else None
    try:
        take(n.name, number(n.name, found, n.low, n.high, integer=n.whole is not None))
    except ValueError:
        return


def _step(low: float, high: float, current: float) -> float:
    """Returns a power of ten that moves the value by some percent.

    Where that would step over the upper bound, 1, 2 or 5 times one that does not: 0.9, 0.95,
    0.97, 0.99 below 0.999.

    >>> _step(0.0, 0.999, 0.9), _step(0.0, 0.999, 0.97)
    (0.05, 0.02)
    """
    scale = abs(current) or (high - low) / 10
    usual = 10.0 ** math.floor(math.log10(scale) - 0.5) if scale > 0 else 0.1
    room = high - current
    if not 0 < room < usual:
        return usual
    size = 10.0 ** math.floor(math.log10(room))
    return max(size * factor for factor in (1, 2, 5) if size * factor <= room * 1.001)


def round_numbers(low: int, high: int) -> list[int]:
    """Returns the bounds and, between them, powers of two and their halfway marks.

    >>> round_numbers(1, 20)
    [1, 2, 3, 4, 6, 8, 12, 16, 20]
    """
    powers = [2**k for k in range(high.bit_length())]
    marks = {low, high, *powers, *(3 * p // 2 for p in powers if p > 1)}
    return sorted(n for n in marks if low <= n <= high)


def handy(low: float, high: float, usual: float) -> list[float]:
    """Returns values in even steps over what is mostly wanted: the bounds, or about the usual.

    >>> handy(0.0, 1.0, 0.1)[:3], handy(-10.0, 10.0, 0.0)[::40]
    ([0.0, 0.02, 0.04], [-1.0, 1.0])
    """
    if high - low > 4.0:
        reach = 3.0 * abs(usual) or 1.0
        low, high = max(low, -reach if low < 0.0 else 0.0), min(high, reach)
    step = _nice((high - low) / STOPS)
    count = math.floor((high - low) / step + 1e-9)
    return sorted({low, *(round(low + step * k, 10) for k in range(count + 1)), usual})


def _nice(step: float) -> float:
    """Returns the next larger of 1, 2 and 5 times a power of ten."""
    size = 10.0 ** math.floor(math.log10(step))
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= step * 0.999)
