"""Controls of what is looked at, as against what is computed: each is remembered in the link.

Every one takes its value also as Streamlit's default. A message to the browser can be lost where
the next run begins before it was sent; the one after it says only the default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.ui import state

__all__ = ["choose", "fold", "layer", "tabs"]

FOLDS = ("closed", "open")


def choose(
    name: str,
    label: str,
    options: Sequence[str],
    help: str,
    format_func: Callable[[str], str] = str,
    width: int = 160,
) -> str:
    """Draws a selectbox; returns what is chosen, the first option unless a link says otherwise."""
    chosen = state.view(name, options)
    state.tell(name, chosen)
    st.selectbox(
        label,
        options,
        index=list(options).index(chosen),
        key=name,
        on_change=_remember,
        args=(name, options[0]),
        format_func=format_func,
        help=help,
        width=width,
    )
    return _taken(name, chosen, options[0])


def layer(depth: int, usual: int, about: str) -> int:
    """Draws the slider through the hidden layers, where there are several; returns its layer."""
    first = [str(usual), *(str(each) for each in range(1, depth + 1) if each != usual)]
    chosen = int(state.view("layer", first))
    if depth > 1:
        state.tell("layer", chosen)
        st.slider(
            "Layer",
            1,
            depth,
            chosen,
            key="layer",
            on_change=_remember,
            args=("layer", str(usual)),
            help=f"The hidden layer whose {about} are shown; 1 is the first.",
        )
        chosen = _taken("layer", chosen, str(usual))
    return chosen


def tabs(names: Sequence[str]) -> Sequence[Any]:
    """Draws the tabs; returns them, of which just one is open."""
    chosen = state.view("tab", names)
    state.tell("tab", chosen)
    drawn = st.tabs(
        list(names), default=chosen, key="tab", on_change=_remember, args=("tab", names[0])
    )
    _taken("tab", chosen, names[0])
    return drawn


def fold(name: str, label: str) -> Any:  # noqa: ANN401  whatever Streamlit's expander is
    """Draws what can be unfolded; returns its container, to be filled only where it is ``open``.

    What nobody has asked for would take the browser as long to build as what is seen.
    """
    chosen = state.view(name, FOLDS) == FOLDS[True]
    state.tell(name, chosen)
    drawn = st.expander(label, key=name, on_change=_folded, args=(name,))
    if drawn.open != chosen:  # it came without its callback
        _folded(name)
    return drawn


def _folded(name: str) -> None:
    state.look(name, FOLDS[st.session_state[name]], FOLDS[False])


def _taken(name: str, chosen: Any, usual: str) -> Any:  # noqa: ANN401  whatever the widget holds
    """Returns what is looked at, also where a choice came without its callback."""
    found = state.wish(name, chosen)
    if found != chosen:
        state.look(name, str(found), usual)
    return found


def _remember(name: str, usual: str) -> None:
    state.look(name, str(st.session_state[name]), usual)
