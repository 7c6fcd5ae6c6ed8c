"""A slider and its exact number: one setting, reported while it moves and told when it rests.

A native range input, so that keyboard and screen reader work as everywhere, over given stops, so
that one that runs over decades is as easy to set as a linear one. Streamlit's own slider reports
only when it is let go. While a hand moves it, the live channel is asked (`pages.ui.live`); the
page's script runs once, when it rests.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence

import streamlit as st
from streamlit.components.v2 import component

from pages.ui import assets

__all__ = ["number_slider", "told"]

_HERE = pathlib.Path(__file__).parent
_SLIDER = component(
    "number_slider",
    html=(_HERE / "slider.html").read_text(),
    css=(_HERE / "slider.css").read_text(),
    js=(_HERE / "slider.js").read_text().replace("LIVE", assets.url("live.js")),
)


def number_slider(
    key: str,
    name: str,
    label: str,
    value: float,
    bounds: tuple[float, float],
    step: float,
    on_told: Callable[[], None],
    stops: Sequence[float] = (),
    help: str = "",
    whole: bool = False,
    live: bool = True,
) -> None:
    """Draws the setting ``name``; ``on_told`` is called when a person has set it, see `told`.

    Without ``stops`` there is the number alone, which moves by ``step``. ``live`` asks the channel
    for the page's figure while it moves.
    """
    data = {
        "name": name,
        "label": label,
        "value": value,
        "low": bounds[0],
        "high": bounds[1],
        "step": step,
        "stops": list(stops),
        "help": help,
        "whole": whole,
        "live": live,
    }
    _SLIDER(key=key, data=data, on_value_change=on_told)


def told(key: str) -> float | None:
    """Returns the number that a person has set, or None where what came is not one."""
    said = st.session_state.get(key)
    found = said.get("value") if isinstance(said, Mapping) else None
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None
