"""The first seconds of a first visit: SELU beside ReLU under the same weights."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.propagate.contrast import contrast
from pages.ui import layout, session
from snn_core.propagate import Propagation, run
from snn_core.settings import Experiment, NetworkSpec

__all__ = ["button", "draw", "place"]

DEPTH, WIDTH, SEEDS = 16, 128, 2  # as little as shows it: both networks take some 0.1 s
SHOWN = "opening"
ASKED = "asked"  # shown since a person wants it, whatever is set


def place() -> DeltaGenerator:
    """Takes the contrast's place on the page, as high as it will be, and returns it.

    It is shown to whoever comes without any setting in the address, until it is hidden or a
    setting is changed: then the figure below it is what to look at.
    """
    if st.session_state.get(SHOWN) != ASKED:
        st.session_state[SHOWN] = _first_visit()
    return st.container(key=SHOWN if st.session_state[SHOWN] else f"{SHOWN}_hidden")


def _first_visit() -> bool:
    """Whether nothing has been set or hidden so far."""
    said = any(v != session.default(name) for name, v in session.values().items())
    fresh = not (st.query_params or layout.is_embedded())
    return st.session_state.get(SHOWN, fresh) is True and not said


def draw(at: DeltaGenerator) -> None:
    """Fills the place; after the page's own figure, which should not wait for it."""
    if st.session_state[SHOWN]:
        with at:
            contrast(*_both(), on_hide=_toggle)


def button() -> None:
    """Draws the button that brings the contrast back, where it is hidden."""
    if not st.session_state[SHOWN]:
        st.button("SELU beside ReLU", key="opening_show", on_click=_toggle)


def _toggle() -> None:
    session.touch()
    st.session_state[SHOWN] = "" if st.session_state[SHOWN] else ASKED


@st.cache_resource(show_spinner=False)
def _both() -> tuple[Propagation, Propagation]:
    """Both results, once for the whole server; nobody changes them."""
    return _result("selu"), _result("relu")


def _result(activation: str) -> Propagation:
    network = NetworkSpec(depth=DEPTH, width=WIDTH, activation=activation)
    return run(Experiment(network, seeds=SEEDS), detail=True)
