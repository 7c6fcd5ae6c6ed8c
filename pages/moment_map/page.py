"""Moment map: what one layer does to mean and variance, where that leads, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from pages.moment_map import designer, figures, mean_field, proofs, text
from pages.ui import desks, notices, panels, results, state, views, widgets
from pages.ui.chart import plotly_view
from pages.ui.page_link import PROPAGATE, page_link
from snn_core.propagate import Propagation
from snn_core.spec import Experiment, activation_of, from_query, to_query
from snn_core.theory.field import Orbit, basin, orbit, vector_field
from snn_core.theory.fixed_points import FixedPoint, distance, fixed_point
from snn_core.theory.search import FixedPoints, fixed_points
from snn_core.wording import amount, count, percent

AXES = ("auto", "linear", "log")
MEANS = (-2.0, 2.0)  # the window
VARIANCES = {"linear": (0.0, 4.0), "log": (0.01, 20.0)}
TOO_FLAT = 0.1  # a domain that reaches no higher, as a share of the linear axis
# Points of the grid a side and most layers of the shade: at rest, and under a hand. The second
# pair is for an activation whose moments are integrals, which take a hundred times as long.
FINE, COARSE = (48, 200), (24, 200)
FEW, FEWER = (24, 60), (12, 30)
LAYERS = 50  # of the orbit
SAME = 1e-4  # nearer than that, two fixed points are one
NEAR = 0.05  # of the orbit's end from the fixed point that it goes to
HEIGHT, NARROW = 470, 880  # pixels
TWO_ROWS = 92  # pixels for the legend; the plane keeps its size where one row will do
STOPPED = "No network is measured: stopped."


def main() -> None:
    """Reads the setting, draws the map, and below it what is proved and designed with it."""
    state.open_link(desks.MAP)
    state.held()  # a whole run is never that of a hand
    st.title("Moment map", anchor=False)
    st.caption(text.INTRODUCTION)
    with st.container(key="frame"):
        left, right = st.columns([1, 3], gap="large")
    with right, st.container(key="hero"):
        with st.container(key="notices"):
            notices.link_problems()
            experiment = _experiment()
        if experiment is not None:
            state.write_link(state.link(experiment))
            st.fragment(_map, key=state.HAND)(experiment)
    with left:
        widgets.map_rail()
    if experiment is not None:
        with right, st.container(key="details"):
            _tools(experiment)
            _tabs(experiment)


def _experiment() -> Experiment | None:
    """Returns the setting, or the last good one with a sentence that says so."""
    last: Experiment | None = st.session_state.get("map.shown")
    try:
        found = state.experiment(widgets.used)
    except ValueError as error:
        kept = " The figures still show the last setting that worked." if last else ""
        st.error(notices.sentence(error) + kept)
        return last
    st.session_state["map.shown"] = found
    return found


def _map(experiment: Experiment) -> None:
    """Draws plane and activation; while a hand holds a slider only this runs, more coarsely."""
    moving = state.held()
    if moving:
        try:
            experiment = state.experiment(widgets.used)
        except ValueError:
            pass  # the whole run, once the hand lets go, says what is wrong
    act, (theorem, domain) = activation_of(experiment.network), proofs.domain()
    log = _is_log(domain)
    omega, tau = state.number("omega"), state.number("tau")
    start = (state.number("mean"), state.number("variance"))
    found = fixed_points(act, omega, tau, (-3.0, 3.0), (1e-3, 50.0))
    predicted = orbit(act, start, omega, tau, LAYERS)
    limit = _limit(found, predicted)
    if limit is None and not moving:
        limit = fixed_point(act, omega, tau, start)
    points = list(found.points)
    if isinstance(limit, FixedPoint) and all(_apart(limit, p) for p in points):
        points.append(limit)  # beyond the bounds of the search
    exact = act.moments is not None
    count, most = (COARSE if exact else FEWER) if moving else (FINE if exact else FEW)
    fine, few = _grid(log, count), _grid(log, 13)
    if isinstance(limit, FixedPoint):
        layers = basin(act, omega, tau, *fine, (limit.mean, limit.variance), layers=most)
    else:
        layers = np.full((fine[1].size, fine[0].size), np.nan)
    p, about = _network(experiment, start, moving)
    plane = figures.plane(
        vector_field(act, omega, tau, *fine),
        layers,
        vector_field(act, omega, tau, *few),
        points,
        predicted,
        None if p is None else np.stack([p.mean, p.detail.within], axis=1),
        log,
        domain,
        proofs.own_box(),
    )
    incoming = (omega * start[0], tau * start[1])
    figure = panels.figure(
        [plane, figures.activation_graph(act, *incoming)],
        [*figures.plane_keys(plane, theorem), *figures.activation_keys()],
        hover="closest",
        caption=text.caption(act, omega, tau, start),
    )
    figures.shaded(figure, figures.layers_scale())
    figure["layout"] |= {"height": HEIGHT, "dragmode": "select"}
    figure["layout"]["margin"]["t"] = TWO_ROWS
    figure["layout"]["meta"]["narrow"]["height"] = NARROW
    figure["layout"]["legend"]["traceorder"] = "normal"  # a filled curve would turn it round
    alt = text.plane_alt(found, predicted, omega, tau)
    plotly_view(figure, "plane", f"{alt} {text.shape_alt(act, *incoming)}", on_point=_clicked)
    st.markdown(f"{text.settles(found, limit)} {text.shape(act, *incoming)}")
    st.caption(f"{text.PLANE} {text.SHAPE}")
    if about:
        st.caption(about)
    if about == STOPPED:
        st.button("Propagate after all", on_click=results.release, key="release")


def _limit(found: FixedPoints, predicted: Orbit) -> FixedPoint | None:
    """Returns the fixed point that the orbit has all but reached, if it has."""
    seen = np.isfinite(predicted.variance)
    end = (float(predicted.mean[seen][-1]), float(predicted.variance[seen][-1]))
    near = [p for p in found.points if distance((p.mean, p.variance), end) < NEAR]
    return near[0] if near else None


def _apart(one: FixedPoint, other: FixedPoint) -> bool:
    return distance((one.mean, one.variance), (other.mean, other.variance)) > SAME


def _is_log(domain: Sequence[figures.Box]) -> bool:
    """Whether the variance axis is logarithmic: as asked, or where the linear one is too short."""
    axis = state.view("axis", AXES)
    low, high = VARIANCES["linear"]
    too_high = any(box[1][1] > high for box in domain)
    too_flat = any(box[1][1] < low + TOO_FLAT * (high - low) for box in domain)
    return axis == "log" or (axis == "auto" and (too_high or too_flat))


def _grid(log: bool, count: int) -> tuple[np.ndarray, np.ndarray]:
    low, high = VARIANCES["log" if log else "linear"]
    variance = np.geomspace(low, high, count) if log else np.linspace(high / count, high, count)
    return np.linspace(*MEANS, count), variance


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
        low, high, _ = desks.MAP.numbers[name]
        state.change(f"view.{name}", min(max(float(f"{v:.3g}"), low), high))
    st.rerun()  # the numbers beside the plane follow


def fed(experiment: Experiment, start: tuple[float, float]) -> Experiment:
    """Returns the setting with Gaussian inputs of that mean and variance."""
    query = {k: v for k, v in to_query(experiment).items() if not k.startswith("data")}
    query |= {"data": "gaussian", "data.mean": f"{start[0]:.10g}", "standardize": "0"}
    return from_query(query | {"data.variance": f"{start[1]:.10g}"})


def _network(
    experiment: Experiment, start: tuple[float, float], moving: bool
) -> tuple[Propagation | None, str]:
    """Returns what networks do from that start, and a sentence on it, or on why there are none.

    Under a hand only a result that is there already, such as while omega or tau moves.
    """
    try:
        there = fed(experiment, start)
        ask = results.known if moving else results.propagation
        p = ask(there, detail=True)
    except (ValueError, MemoryError, RuntimeError) as error:
        return None, f"No network is measured: {notices.sentence(error)}"
    if p is None:
        return None, "" if moving else STOPPED
    net = experiment.network
    return p, (
        f"{text.MEASURED}: here ω is {amount(np.nanmean(p.omega), 2)} and τ "
        f"{amount(np.nanmean(p.tau), 3)} on average, and {percent(np.nanmean(p.inside))} of "
        f"the units have both within theorem 1's bounds ({net.depth} layers of {net.width}, "
        f"{count(there.seeds, 'seed')})."
    )


def _tools(experiment: Experiment) -> None:
    start = (state.number("mean"), state.number("variance"))
    with st.container(horizontal=True, vertical_alignment="bottom", key="tools"):
        try:
            query = to_query(fed(experiment, start))
        except ValueError:
            query = to_query(experiment)
        page_link(
            PROPAGATE,
            "Try it in a network",
            query,
            "Opens Propagate with this setting and inputs of the start's mean and variance.",
        )
        notices.share(state.link(experiment))
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
            with tab:
                try:
                    draw(act)
                except (ValueError, MemoryError, RuntimeError) as error:
                    st.error(notices.sentence(error))


TABS = {"Proofs": proofs.draw, "Designer": designer.draw, "Mean field": mean_field.draw}


main()
