"""A slider that reports while it is dragged; Streamlit's own does so only when it is let go.

A native range input, so that keyboard and screen reader work as everywhere. It goes over given
stops, so one that runs over decades is as easy to set as a linear one.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence

import streamlit as st

__all__ = ["Hand", "live_slider", "reading"]

_HERE = pathlib.Path(__file__).parent
THROTTLE = 60  # ms between two reports of a hand that moves
_SLIDER = st.components.v2.component(
    "live_slider",
    html=(_HERE / "slider.html").read_text(),
    css=(_HERE / "slider.css").read_text(),
    js=(_HERE / "slider.js").read_text(),
)
Hand = tuple[float, bool]  # the value, and whether it is still held


def live_slider(
    key: str,
    label: str,
    stops: Sequence[float],
    value: float,
    on_slide: Callable[[], None],
    help: str = "",
    live: bool = True,
    prefix: str = "",
) -> None:
    """Draws the slider; ``on_slide`` is called for every report, which `reading` tells.

    ``live`` reports while it moves, else only when it is let go. Of a ``prefix``, figures whose
    ``layout.meta.prefix`` is that name show their first so many layers at once, in the browser,
    and nothing is reported of a hand that is below the present value until it lets go.
    """
    data = {
        "label": label,
        "stops": list(stops),
        "value": value,
        "help": help,
        "live": live,
        "prefix": prefix,
        "throttle": THROTTLE,
    }
    _SLIDER(key=key, data=data, default={"hand": None}, on_hand_change=on_slide)


def reading(key: str) -> Hand | None:
    """Returns the last report of the slider, or None where what came is not one."""
    said = st.session_state.get(key)
    hand = said.get("hand") if isinstance(said, Mapping) else None
    if not isinstance(hand, Mapping):
        return None
    value, held = hand.get("value"), hand.get("held")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value, held is True
