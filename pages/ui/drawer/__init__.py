"""On a narrow screen the controls are a drawer at its lower edge, over the result they change."""

from __future__ import annotations

import streamlit as st

from pages.ui import assets

__all__ = ["drawer"]

_DRAWER = assets.component(
    __file__,
    "drawer",
    "<button type='button' aria-expanded='false'><span></span>Controls</button>",
)


def drawer() -> None:
    """Draws the handle that opens and closes it; to be called first in the column of controls."""
    with st.container(key="drawer"):
        _DRAWER(key="drawer_handle")
