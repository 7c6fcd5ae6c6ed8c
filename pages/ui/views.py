"""Controls of what is looked at, as against what is computed: each is remembered in the link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.ui import session

__all__ = ["choose", "fold", "holding", "layer", "tabs"]

SHOWN = ".shown"
FOLDS = ("closed", "open")  # in a link; at first closed


def holding(name: str, chosen: object, beside: str = "") -> str:
    """Returns the key of the widget that shows a view, once the session has what it is to show.

    Streamlit forgets what tabs and expanders show when their page is left, for they know no
    `persist_state`. So their key is another one, ``beside`` the view's, which `_keep` sets.
    """
    key = session.key(session.VIEW + name) + beside
    if st.session_state.get(key) != chosen:
        st.session_state[key] = chosen
    return key


def _keep(name: str) -> None:
    session.touch()
    key = session.key(session.VIEW + name)
    shown = st.session_state[key + SHOWN]
    st.session_state[key] = FOLDS[shown] if isinstance(shown, bool) else shown


def choose(
    name: str,
    label: str,
    options: Sequence[str],
    help: str,
    format_func: Callable[[str], str] = str,
    width: int = 160,
) -> str:
    """Draws a selectbox; returns what is chosen, the first option unless a link says otherwise."""
    return st.selectbox(
        label,
        options,
        key=holding(name, session.view(name, options)),
        persist_state="session",
        on_change=session.touch,
        format_func=format_func,
        help=help,
        width=width,
    )


def layer(depth: int, usual: int, about: str) -> int:
    """Draws the slider through the hidden layers, where there are several; returns its layer."""
    first = [str(usual), *(str(each) for each in range(1, depth + 1) if each != usual)]
    chosen = int(session.view("layer", first))
    if depth == 1:
        return chosen
    return st.slider(
        "Layer",
        1,
        depth,
        key=holding("layer", chosen),
        persist_state="session",
        on_change=session.touch,
        help=f"The hidden layer whose {about} are shown; 1 is the first.",
    )


def tabs(names: Sequence[str]) -> Sequence[Any]:
    """Draws the tabs; returns them, of which just one is open.

    Not by their default: with another one they would be other tabs, and a click on those lost.
    """
    key = holding("tab", session.view("tab", names), SHOWN)
    return st.tabs(list(names), key=key, on_change=_keep, args=("tab",))


def fold(name: str, label: str) -> Any:  # noqa: ANN401  whatever Streamlit's expander is
    """Draws what can be unfolded; returns its container, to be filled only where it is ``open``.

    What nobody has asked for would take the browser as long to build as what is seen.
    """
    key = holding(name, session.view(name, FOLDS) == FOLDS[True], SHOWN)
    return st.expander(label, key=key, on_change=_keep, args=(name,))
