"""The known ways to break self-normalization, each a click away."""

from __future__ import annotations

import streamlit as st

from pages.ui import session
from snn_core.diagnosis import TRAPS
from snn_core.diagnosis.failures import trapped

__all__ = ["draw"]

MENU = "break_it"


def draw() -> None:
    """Draws the button that lists them; each sets the page up, and Undo brings it back."""
    menu = st.popover(
        "Break it",
        key=MENU,
        on_change=session.touch,
        help="Known ways to break self-normalization, one click each.",
    )
    if not menu.open:
        return
    with menu:
        st.caption("Each sets up the whole page; Undo brings your setting back.")
        for name, trap in TRAPS.items():
            st.button(
                trap.label, key=f"trap.{name}", on_click=_break, args=(name,), width="stretch"
            )
            st.caption(trap.story)


def _break(name: str) -> None:
    """Sets the page up, and closes the list: the figure and the verdict are what to look at."""
    session.open_setting(trapped(TRAPS[name]))
    st.session_state[MENU] = False
