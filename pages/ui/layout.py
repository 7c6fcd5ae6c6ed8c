"""What every page stands in: its title and a sentence, the controls beside what they change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui import session
from pages.ui.page_settings import MAP, PROPAGATE, TRAIN

__all__ = ["NARROW", "columns", "heading", "is_embedded"]

_HERE = Path(__file__).parent
NARROW = (_HERE / "narrow.css").read_text()
EMBEDDED = (_HERE / "embedded.css").read_text()
LARGE = NARROW + (_HERE / "large.css").read_text()  # with the controls as on a phone
SIZES = ("normal", "large")


def is_embedded() -> bool:
    """Returns whether the figure is to stand alone, by ``embed=true`` in the address."""
    return bool(st.context.is_embedded)


def heading(title: str, sentence: str) -> None:
    """Draws the page's title, what it is about, and the switch to the large mode."""
    size = _size()
    rules = (LARGE if size == "large" else "") + (EMBEDDED if is_embedded() else "")
    with st.container(key="page_size"):
        st.markdown(f"<style>{rules}</style>", unsafe_allow_html=True)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="heading"):
        st.title(title, anchor=False, width="content")
        st.caption(sentence, width="stretch")
    with st.container(key="size"):
        other = SIZES[1 - SIZES.index(size)]
        st.button(
            f"{other.capitalize()} size",
            key="resize",
            type="tertiary",
            icon=":material/format_size:",
            on_click=_resize,
            args=(other,),
            help="For a projector: larger text, thicker lines, the whole width for the figure.",
        )


def _size() -> str:
    """The size that a link or a person has chosen on any page: it is the room that is large."""
    at = session.key(f"{session.VIEW}size")
    st.session_state.setdefault(at, st.session_state.get("size", SIZES[0]))
    size = st.session_state["size"] = session.view("size", SIZES)
    return size


def _resize(size: str) -> None:
    session.touch()
    for page in (PROPAGATE, MAP, TRAIN):
        st.session_state[f"{page.name}/{session.VIEW}size"] = size
    st.session_state["size"] = size


def columns() -> list[Any]:
    """Returns the places of the controls and of the result."""
    with st.container(key="frame"):
        return st.columns([1, 3], gap="large")
