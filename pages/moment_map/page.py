"""Moment map: what one layer does to mean and variance, where that leads, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.moment_map import designer, figures, mean_field, plane, proofs, text
from pages.ui import (
    controls,
    layout,
    notices,
    page_settings,
    results,
    session,
    setting,
    slider,
    views,
)
from pages.ui.chart import plotly_view
from pages.ui.page_link import PROPAGATE, page_link
from pages.ui.text import plain
from snn_core.propagate import Propagation
from snn_core.settings import Experiment, activation_of, to_query
from snn_core.wording import amount, count, percent

AXES = ("auto", "linear", "log")
STOPPED = "The measurement of the network was stopped."


def main() -> None:
    """Reads the setting, draws the map, and below it the proofs and the designer."""
    session.open_link(page_settings.MAP)
    layout.heading("Moment map", text.INTRODUCTION)
    left, right = layout.columns()
    with right, st.container(key="hero"):
        place = st.container()
        with st.container(key="notices"):
            notices.link_problems()
            experiment = _experiment()
        if experiment is not None:
            session.write_link(session.link(experiment))
            _map(experiment, place)
    if layout.is_embedded():
        return
    with left, st.container(key="controls"):
        _rail()
    if experiment is not None:
        with right, st.container(key="details"):
            _tools(experiment)
            _tabs(experiment)


def _rail() -> None:
    """Draws the controls: the activation, and the numbers of the map."""
    controls.actions()
    st.header("Activation", anchor=False)
    setting.control("activation")
    st.header("Weights of a unit", anchor=False)
    for name in ("omega", "tau"):
        slider.view(name, slider=True)
    st.header("Inputs", anchor=False)
    for name in ("mean", "variance"):
        slider.view(name, slider=True)
    more = views.fold("more", "The measured network")
    if more.open:
        with more:
            for name in ("depth", "width", "initializer", "constraint", "batch", "seeds"):
                setting.control(name)


def _experiment() -> Experiment | None:
    """Returns the setting, or the last good one with a sentence that says so."""
    last: Experiment | None = st.session_state.get("map.shown")
    try:
        found = session.experiment(setting.used)
    except ValueError as error:
        kept = " The figures still show the last setting that worked." if last else ""
        session.remember(None)
        st.error(notices.sentence(error) + kept)
        return last
    session.remember(found)
    st.session_state["map.shown"] = found
    return found


def _map(experiment: Experiment, place: DeltaGenerator) -> None:
    """Draws the figure in its place, and explains it."""
    start = (session.number("mean"), session.number("variance"))
    p, about = _network(experiment, start)
    asked = plane.asked(
        activation_of(experiment.network),
        session.number,
        session.view("axis", AXES),
        proofs.shown_theorem(),
    )
    seen = plane.seen(asked)
    with place:
        plotly_view(
            figures.moment_map(asked, seen, p),
            "plane",
            text.alt(asked, seen),
            question=_question(experiment),
            on_point=_clicked,
        )
    notices.explained(
        f"**{plain(seen.found.reason)}**",
        text.settles(seen),
        text.PLANE,
        f"{text.shape(asked)} {text.SHAPE}",
        about if p else "",
    )
    if not p:
        st.caption(about)
    if about == STOPPED:
        st.button("Propagate after all", on_click=results.release, key="release")


def _question(experiment: Experiment) -> dict[str, Any]:
    """What the live channel is asked while a slider moves: this map, with another number."""
    numbers = {name: f"{session.number(name):.12g}" for name in page_settings.MAP.numbers}
    view = numbers | {"axis": session.view("axis", AXES), "domain": proofs.shown_theorem()}
    return {"ask": "map", "query": to_query(experiment), "view": view}


def _clicked(point: Mapping[str, object]) -> None:
    """Starts the orbit at the point that was clicked, or takes the box that was drawn."""
    if point.get("name") == "basin":
        chosen = {"mean": point.get("x"), "variance": point.get("y")}
    else:
        names = ("mean_low", "mean_high", "variance_low", "variance_high")
        chosen = {
            name: point.get(end) for name, end in zip(names, ("x0", "x1", "y0", "y1"), strict=True)
        }
    numbers = {name: v for name, v in chosen.items() if isinstance(v, int | float)}
    if len(numbers) < len(chosen):
        return
    for name, v in numbers.items():
        low, high, _ = page_settings.MAP.numbers[name]
        session.change(f"view.{name}", min(max(float(f"{v:.3g}"), low), high))


def _network(experiment: Experiment, start: tuple[float, float]) -> tuple[Propagation | None, str]:
    """Returns what was measured from that start and a sentence on it, or None and the reason."""
    try:
        there = plane.fed(experiment, start)
        p = results.propagation(there, detail=True)
    except (ValueError, MemoryError, RuntimeError) as error:
        return None, f"No network is measured: {notices.sentence(error)}"
    if p is None:
        return None, STOPPED
    net = experiment.network
    omega, tau, inside = (float(np.nanmean(values)) for values in (p.omega, p.tau, p.inside))
    return p, (
        f"{text.MEASURED}: here ω is {amount(omega, 2)} and τ {amount(tau, 3)} on average, and "
        f"{percent(inside)} of the units have both within theorem 1's bounds ({net.depth} layers "
        f"of {net.width}, {count(there.seeds, 'seed')})."
    )


def _tools(experiment: Experiment) -> None:
    start = (session.number("mean"), session.number("variance"))
    with st.container(horizontal=True, vertical_alignment="bottom", key="tools"):
        try:
            query = to_query(plane.fed(experiment, start))
        except ValueError:
            query = to_query(experiment)
        page_link(
            PROPAGATE,
            "Try it in a network",
            query,
            "Opens Propagate with this setting and inputs of the start's mean and variance.",
        )
        notices.share(session.link(experiment))
        with st.popover("Symbols"):
            st.markdown(text.SYMBOLS)
        views.choose(
            "axis",
            "Variance axis",
            AXES,
            "Of the plane. auto: logarithmic where the theorem's domain needs it.",
        )


def _tabs(experiment: Experiment) -> None:
    act = activation_of(experiment.network)
    for tab, draw in zip(views.tabs(list(TABS)), TABS.values(), strict=True):
        if tab.open:
            with tab, notices.guarded():
                draw(act)


TABS = {"Proofs": proofs.draw, "Designer": designer.draw, "Mean field": mean_field.draw}


main()
