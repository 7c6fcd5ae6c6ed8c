"""Propagate: from a setting to the mean and the variance of every layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.propagate import downloads, failures, figures, opening, pins, tabs, text, verdict
from pages.ui import controls, layout, notices, page_settings, results, session, setting, views
from pages.ui.chart import plotly_view
from snn_core.propagate import Propagation
from snn_core.settings import Experiment, to_query


def main() -> None:
    """Reads the setting, asks the core, draws, explains."""
    session.open_link(page_settings.PROPAGATE)
    layout.heading("Propagate", text.INTRODUCTION)
    left, right = layout.columns()
    with right, st.container(key="hero"):  # the figure first, so that it follows at once
        first = opening.place()
        place = st.container()
        with st.container(key="notices"):  # always there: what follows keeps its place
            notices.link_problems()
            p, is_older = _attempt()
        if p is not None:
            session.write_link(session.link(p.experiment))
            with place:
                _moments(p, is_older)
            for accident in text.accidents(p):
                st.warning(accident)
            verdict.draw(p)
    opening.draw(first)
    if layout.is_embedded():
        return
    with left, st.container(key="controls"):
        controls.rail()
    if p is not None:
        with right, st.container(key="details"):
            _tools(p, pins.draw(p, session.view("axis", tabs.AXES)))
            tabs.draw(p.experiment)


def _attempt() -> tuple[Propagation | None, bool]:
    """Returns the result of the setting, or the last good one with a sentence that says so.

    Also whether it is the last good one, older than the setting.
    """
    last: Propagation | None = st.session_state.get("shown")
    try:
        experiment = session.experiment(setting.used)
        open_tab = tabs.of({"tab": session.view("tab", list(tabs.NAMED))})
        p = results.propagation(*tabs.needs(experiment, open_tab))
    except (ValueError, MemoryError, RuntimeError) as error:
        session.remember(None)
        kept = " The figures still show the last setting that worked." if last else ""
        st.error(notices.sentence(error) + kept)
        return last, True
    session.remember(experiment)
    if p is None:
        st.info("Stopped. The figures still show the setting before." if last else "Stopped.")
        st.button("Propagate after all", on_click=results.release, key="release")
        return last, True
    st.session_state["shown"] = p
    return p, False


def _moments(p: Propagation, is_older: bool) -> None:
    """Draws the figure at the top."""
    axis = session.view("axis", tabs.AXES)
    plotly_view(
        figures.moments_by_layer(p, axis),
        "moments",
        text.moments_alt(p),
        id=figures.identity(p.experiment, axis),
        question=_question(p.experiment, is_older),
    )


def _question(experiment: Experiment, is_older: bool) -> dict[str, Any]:
    """What the live channel is asked while a slider moves: this setting, with another number.

    At rest it is asked only where the setting is older than the sliders, because what they ask
    for was stopped or refused.
    """
    names = {"axis": tabs.AXES, "tab": list(tabs.NAMED)}
    looked = {name: session.view(name, allowed) for name, allowed in names.items()}
    layer = st.session_state.get(session.key("view.layer"))
    if layer is not None:
        looked["layer"] = str(layer)
    if is_older:
        looked["older"] = "1"
    return {"ask": "propagate", "query": to_query(experiment), "view": looked}


def _tools(p: Propagation, drawn: Mapping[str, Propagation]) -> None:
    """Draws what can be done with a result: compare, break, share, take away."""
    axis = session.view("axis", tabs.AXES)
    with st.container(horizontal=True, vertical_alignment="bottom", key="tools"):
        pins.pin_button(p.experiment)
        failures.draw()
        opening.button()
        notices.share(session.link(p.experiment))
        downloads.draw(drawn, axis)
        with st.popover("Symbols"):
            st.markdown(text.SYMBOLS)
        views.choose(
            "axis", "Variance axis", tabs.AXES, "auto: logarithmic where the values span decades."
        )


main()
