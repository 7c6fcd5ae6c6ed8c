"""Propagate: from a setting to the mean and the variance of every layer."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.propagate import (
    downloads,
    failures,
    fan_in,
    figures,
    grid,
    opening,
    pins,
    text,
    verdict,
)
from pages.ui import desks, notices, results, state, views, widgets
from pages.ui.chart import plotly_view
from snn_core.propagate import Propagation
from snn_core.spec import Experiment

AXES = ("auto", "log", "linear")


def main() -> None:
    """Reads the setting, asks the core, draws, explains."""
    state.open_link(desks.PROPAGATE)
    state.held()  # a whole run is never that of a hand
    st.title("Propagate", anchor=False)
    st.caption(text.INTRODUCTION)
    with st.container(key="frame"):
        left, right = st.columns([1, 3], gap="large")
    with right, st.container(key="hero"):  # the figure first, so that it follows at once
        first = opening.place()
        with st.container(
            key="notices"
        ):  # always there: what follows keeps its place, and lives on
            notices.link_problems()
            p = _attempt()
        if p is not None:
            state.write_link(state.link(p.experiment))
            st.fragment(_moments, key=state.HAND)(p)
    opening.draw(first)
    with left:
        widgets.rail()
    if p is not None:
        with right, st.container(key="details"):
            _tools(p, pins.draw(p, state.view("axis", AXES)))
            _tabs(p.experiment)


def _moments(p: Propagation) -> None:
    """Draws the hero figure and its verdict.

    While a hand holds a slider only this runs, with as many seeds as are quick.
    """
    moving = state.held()
    if moving:
        p = _quick(p)
    else:
        st.empty()  # as `_quick` has: what follows keeps its place, so that its chart lives on
    plotly_view(
        figures.moments_by_layer(p, state.view("axis", AXES)), "moments", text.moments_alt(p)
    )
    for accident in text.accidents(p):
        st.warning(accident)
    verdict.draw(p, moving)
    st.caption(text.moments(p))
    _reasons(p)


def _quick(last: Propagation) -> Propagation:
    """Returns a first result of the setting under the hand, or the last where there is none."""
    try:
        return results.propagation(results.quick(state.experiment(widgets.used))) or last
    except (ValueError, MemoryError, RuntimeError):
        return last  # the whole run, once the hand lets go, says what is wrong


def _reasons(p: Propagation, *topics: str) -> None:
    """Says what theory does not reach, where that is looked at."""
    found = [reason for topic in topics or ("",) for reason in text.reasons(p, topic)]
    if found:
        st.caption(" ".join(found))


def _attempt() -> Propagation | None:
    """Returns the result of the setting, or the last good one with a sentence that says so."""
    last: Propagation | None = st.session_state.get("shown")
    try:
        p = results.propagation(state.experiment(widgets.used))
    except (ValueError, MemoryError, RuntimeError) as error:
        kept = " The figures still show the last setting that worked." if last else ""
        st.error(notices.sentence(error) + kept)
        return last
    if p is None:
        st.info("Stopped. The figures still show the setting before." if last else "Stopped.")
        st.button("Propagate after all", on_click=results.release, key="release")
        return last
    st.session_state["shown"] = p
    return p


def _tabs(experiment: Experiment) -> None:
    names = list(TABS)
    for tab, (draw, backward, detail) in zip(views.tabs(names), TABS.values(), strict=True):
        if tab.open:
            with tab:
                _tab(experiment, draw, backward, detail)


def _tab(
    experiment: Experiment, draw: Callable[[Propagation], None], backward: bool, detail: bool
) -> None:
    try:
        p = results.propagation(experiment, backward=backward, detail=detail)
    except (ValueError, MemoryError, RuntimeError) as error:
        st.error(notices.sentence(error))
        return
    if p is None:
        st.info("Stopped.")
        st.button("Propagate after all", on_click=results.release, key="release_tab")
    else:
        draw(p)


def _distribution(p: Propagation) -> None:
    plotly_view(figures.distribution_by_layer(p), "distribution", text.distribution_alt(p))
    st.caption(text.DISTRIBUTION)


def _gradients(p: Propagation) -> None:
    figure = figures.gradients_by_layer(p, state.view("axis", AXES))
    plotly_view(figure, "gradients", text.gradients_alt(p))
    st.markdown(text.gradients(p))
    _reasons(p, "Gradients")
    st.caption(text.GRADIENTS)


def _units(p: Propagation) -> None:
    depth = len(p.layers) - 1
    layer = views.layer(depth, depth, "units")
    expected = results.unit_moments(p, layer)
    summary = text.units(p, layer)
    plotly_view(figures.units_of_layer(p, layer, expected), "units", summary)
    st.markdown(summary)
    _reasons(p, "Single units")
    st.caption(text.UNITS)


def _saturation(p: Propagation) -> None:
    summary = text.saturation(p)
    plotly_view(figures.saturation_by_layer(p), "saturation", summary)
    st.markdown(summary)
    _reasons(p, "Correlation", "Between and within units")
    st.caption(text.SATURATION)


def _variants(p: Propagation) -> None:
    grid.draw(p.experiment)


def _fan_in(p: Propagation) -> None:
    fan_in.draw(p.experiment)


# name -> how to draw it, whether it needs gradients, whether it needs the costlier statistics
TABS = {
    "Distribution": (_distribution, False, True),
    "Gradients": (_gradients, True, False),
    "Omega and tau": (_units, False, True),
    "Saturation and correlation": (_saturation, False, True),
    "Constraint × activation": (_variants, False, False),
    "Fan-in": (_fan_in, False, False),
}


def _tools(p: Propagation, drawn: list[Propagation]) -> None:
    """Draws what can be done with a result: compare, break, share, take away."""
    axis = state.view("axis", AXES)
    with st.container(horizontal=True, vertical_alignment="bottom", key="tools"):
        pins.pin_button(p.experiment)
        failures.draw()
        opening.button()
        notices.share(state.link(p.experiment))
        downloads.draw(drawn, pins.names(len(drawn) - 1), axis)
        with st.popover("Symbols"):
            st.markdown(text.SYMBOLS)
        views.choose(
            "axis", "Variance axis", AXES, "auto: logarithmic where the values span decades."
        )


main()
