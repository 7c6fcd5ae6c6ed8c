"""The known ways to break self-normalization, each a click away."""

from __future__ import annotations

import streamlit as st

from pages.ui import session
from snn_core.probes import TRAPS
from snn_core.probes.traps import trapped

__all__ = ["draw"]


def draw() -> None:
    """Draws the button that lists them; each sets the page up, and Undo brings it back."""
    with st.popover("Break it", help="Known ways to break self-normalization, one click each."):
        st.caption("Each sets up the whole page; Undo brings your setting back.")
        for name, trap in TRAPS.items():
            st.button(
                trap.label,
                key=f"trap.{name}",
                on_click=session.open_setting,
                args=(trapped(trap),),
                width="stretch",
            )
            st.caption(trap.story)
