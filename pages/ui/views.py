"""Controls of what is looked at, as against what is computed: each is remembered in the link.

Every one takes its value also as Streamlit's default. A message to the browser can be lost where
the next run begins before it was sent; the one after it says only the default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.ui import state

__all__ = ["choose", "layer", "tabs"]


def choose(
    name: str,
    label: str,
    options: Sequence[str],
    help: str,
    format_func: Callable[[str], str] = str,
    width: int = 160,
) -> str:
    """Draws a selectbox; returns what is chosen, the first option unless a link says otherwise."""
    chosen = _kept(name, state.view(name, options))
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
    return chosen


def layer(depth: int, usual: int, about: str) -> int:
    """Draws the slider through the hidden layers, where there are several; returns its layer."""
    first = [str(usual), *(str(each) for each in range(1, depth + 1) if each != usual)]
    chosen = _kept("layer", int(state.view("layer", first)))
    if depth > 1:
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
    return chosen


def tabs(names: Sequence[str]) -> Sequence[Any]:
    """Draws the tabs; returns them, of which just one is open."""
    chosen = _kept("tab", state.view("tab", names))
    return st.tabs(
        list(names), default=chosen, key="tab", on_change=_remember, args=("tab", names[0])
    )


def _kept(name: str, chosen: Any) -> Any:  # noqa: ANN401  whatever the widget holds
    if st.session_state.get(name) != chosen:
        st.session_state[name] = chosen
    return chosen


def _remember(name: str, usual: str) -> None:
    state.look(name, str(st.session_state[name]), usual)
