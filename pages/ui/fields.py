"""Fields that are views of the draft: each shows its value and writes it back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import streamlit as st

from pages.ui import desks, state
from pages.ui.slider import live_slider, reading
from snn_core.spec import USUAL_RATES, arm_of
from snn_core.tables import number

__all__ = [
    "Number",
    "number_field",
    "slider",
    "take",
    "together",
    "view_number",
    "view_slider",
    "widget",
]

PREFIX = ("depth",)  # a network of fewer layers is the beginning of a deeper one
STEPS = 60  # of a slider over numbers that are not whole
EXACT = ".exact"
MOST_GONE = 1000  # fields that are remembered to be gone


@contextmanager
def together() -> Iterator[None]:
    """Fields that are drawn in it are all that there are: others, drawn before, are gone.

    A browser may go on to report what a field was set to when it has left the page, and Streamlit
    takes that for news: a change that was taken back came back. So who is gone is not listened to.
    """
    now = st.session_state["fields.now"] = {}
    yield
    before, gone = (st.session_state.get(f"fields.{name}", {}) for name in ("drawn", "gone"))
    left = [key for key in before if key not in now]
    state.forget(left)
    kept = [key for key in (gone | dict.fromkeys(left)) if key not in now]
    st.session_state["fields.gone"] = dict.fromkeys(kept[-MOST_GONE:])
    # A copy: fields that a tab draws later on are none of these; a run may be broken off before.
    st.session_state["fields.drawn"] = dict(now)


def _is_there(key: str) -> None:
    """Notes that a field is drawn, also in a run that is broken off."""
    st.session_state.setdefault("fields.now", {})[key] = None
    st.session_state.get("fields.gone", {}).pop(key, None)


def _is_gone(key: str) -> bool:
    return key in st.session_state.get("fields.gone", {})


def widget(
    make: Callable[..., object], name: str, label: str, twin: str = "", **options: object
) -> None:
    """Draws a widget that is a view of the draft: it shows its value and writes it back.

    It takes its value also as Streamlit's default, to which an emptied number field returns. And
    where the next run begins before this one's messages were sent, they are lost, and the browser
    learns no more than the default: it would report that as a person's wish.
    ``twin`` names a second widget of a setting. When the first one changes, this is drawn afresh,
    under a new key: in its next message the browser may still report its old value, and that must
    not count as a change.
    """
    drawn = st.session_state.setdefault("drawn", {}).get(name + twin, 0)
    key = f"set.{name}{twin}" + (f".{drawn}" if drawn else "")
    _is_there(key)
    current = state.value(name)
    state.tell(key, current)
    make(label, key=key, on_change=_changed, args=(name, key), **options)
    wished = state.wish(key, current)
    if wished != current:
        take(name, wished)
        st.rerun()


def _changed(name: str, key: str) -> None:
    if _is_gone(key):
        return
    take(name, st.session_state[key])


def _redraw(widget: str) -> None:
    """Lets a widget be drawn afresh, whatever the browser still reports of the old one."""
    drawn = st.session_state.setdefault("drawn", {})
    st.session_state["drawn"] = drawn | {widget: drawn.get(widget, 0) + 1}


def take(name: str, new: desks.Value) -> None:
    """Takes over a value that a person has set, and what goes with it."""
    letter, own = arm_of(name)
    state.change(name, new)
    if own == "optimizer":  # a rate that suits one rule is far off for another
        state.change(f"{letter}.learning_rate" if letter else "learning_rate", USUAL_RATES[new])


@dataclass(frozen=True)
class Number:
    """A number to set; ``whole`` is the step of whole numbers, None for any number."""

    name: str
    label: str
    low: float
    high: float
    help: str
    whole: int | None


def slider(n: Number, usual: float) -> None:
    """A slider over handy values, which the figure follows, and beside it the exact number."""
    current: Any = state.value(n.name)
    stops = round_numbers(int(n.low), int(n.high)) if n.whole else handy(n.low, n.high, usual)
    key = f"slide.{n.name}"
    _is_there(key)
    bounds = f"{n.low:g} to {n.high:g}; the field beside it takes any."
    with st.container(horizontal=True, wrap=False, vertical_alignment="bottom", gap="small"):
        live_slider(
            key,
            n.label,
            sorted({*stops, current}),
            current,
            partial(_slid, n, key),
            f"{n.help} {bounds}".strip(),
            live=state.desk() in (desks.PROPAGATE, desks.MAP),
            prefix=n.name if n.name in PREFIX else "",
        )
        number_field(replace(n, label=f"{n.label}, exactly"), EXACT)


def _slid(n: Number, key: str) -> None:
    """Takes over what a slider reports; a report is checked like any other input."""
    said = reading(key)
    if said is None or _is_gone(key):
        return
    value, held = said
    try:
        value = number(n.name, value, n.low, n.high, integer=n.whole is not None)
    except ValueError:
        return
    _redraw(n.name + EXACT)
    take(n.name, value)
    if held:
        state.hold()


def number_field(n: Number, twin: str = "") -> None:
    """Draws a number field; a slider's stands beside it, without a label of its own in sight."""
    kind = int if n.whole else float
    current: Any = state.value(n.name)
    step = n.whole or _step(n.low, n.high, current)
    beside: dict[str, Any] = {"label_visibility": "collapsed", "width": 104} if twin else {}
    widget(
        st.number_input, n.name, n.label, twin, value=kind(current), step=kind(step),
        min_value=kind(n.low), max_value=kind(n.high), format=None if n.whole else "%.6g",
        help=None if twin else n.help or None, **beside,
    )  # fmt: skip


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

    >>> handy(0.0, 1.0, 0.1)[:3], handy(-10.0, 10.0, 0.0)[::60]
    ([0.0, 0.02, 0.04], [-1.0, 1.0])
    """
    if high - low > 4.0:
        reach = 3.0 * abs(usual) or 1.0
        low, high = max(low, -reach if low < 0.0 else 0.0), min(high, reach)
    step = _nice((high - low) / STEPS)
    count = math.floor((high - low) / step + 1e-9)
    return sorted({low, *(round(low + step * k, 10) for k in range(count + 1)), usual})


def _nice(step: float) -> float:
    """Returns the next larger of 1, 2 and 5 times a power of ten."""
    size = 10.0 ** math.floor(math.log10(step))
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= step * 0.999)


def view_slider(name: str) -> None:
    """Draws the slider of a number that is looked at, by its name on the desk."""
    low, high, usual = state.desk().numbers[name]
    label, about = desks.KNOB[name]
    slider(Number(f"view.{name}", label, low, high, about, None), usual)


def view_number(name: str, label: str, help: str = "") -> None:
    """Draws the field of a number that is looked at."""
    low, high, _ = state.desk().numbers[name]
    number_field(Number(f"view.{name}", label, low, high, help, None))
