"""On a narrow screen the controls are a drawer at its lower edge, over the result they change."""

from __future__ import annotations

import pathlib

import streamlit as st
from streamlit.components.v2 import component

__all__ = ["drawer"]

_HERE = pathlib.Path(__file__).parent
_DRAWER = component(
    "drawer",
    html="<button type='button' aria-expanded='false'><span></span>Controls</button>",
    css=(_HERE / "drawer.css").read_text(),
    js=(_HERE / "drawer.js").read_text(),
)


def drawer() -> None:
    """Draws the handle that opens and closes it; to be called first in the column of controls."""
    with st.container(key="drawer"):
        _DRAWER(key="drawer_handle")
