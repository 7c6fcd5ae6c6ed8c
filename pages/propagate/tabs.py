"""The tabs under the figure of Propagate: what each needs of a result, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from pages.propagate import fan_in, figures, grid, text
from pages.ui import notices, results, session, views
from pages.ui.chart import plotly_view
from pages.ui.live import work
from pages.ui.panels import Drawing
from snn_core.cost import refuse
from snn_core.propagate import Propagation
from snn_core.settings import Experiment
from snn_core.theory.mean_field.predict import unit_moments

__all__ = ["AXES", "NAMED", "Tab", "draw", "needs", "of"]

AXES = ("auto", "log", "linear")
Looked = Mapping[str, str]  # what is looked at, as in a link


Chart = tuple[str, Drawing, str]  # its name, the figure, the text alternative


@dataclass(frozen=True)
class Tab:
    """A tab: whether it needs gradients, whether the costlier statistics, and what it shows.

    ``chart`` gives the name of its figure, the figure and its text alternative, so that the live
    channel can bring it too. To read there is the first of the ``words``, and behind "Why" the
    others, what theory does not reach of ``topics``, and a ``caption``. A tab of another result
    than a propagation says how to ``ask`` for it, and how it is drawn; ``verb`` is what is offered
    where it was stopped.
    """

    name: str
    backward: bool = False
    detail: bool = False
    chart: Callable[[Propagation, Looked], Chart] | None = None
    words: Callable[[Propagation, Looked], tuple[str, ...]] | None = None
    topics: tuple[str, ...] = ()
    caption: str = ""
    ask: Callable[[Experiment], Any] | None = None
    draw: Callable[[Any], None] | None = None
    verb: str = "Propagate"


def of(looked: Looked) -> Tab:
    """Returns the tab that is open; the first unless another is said."""
    return NAMED.get(looked.get("tab", ""), next(iter(NAMED.values())))


def needs(experiment: Experiment, tab: Tab) -> work.Key:
    """Returns what is to be computed: all that the tab needs, or less where that is too big."""
    try:
        refuse(experiment, tab.backward, tab.detail)
    except ValueError:
        return (experiment, False, False)
    return (experiment, tab.backward, tab.detail)


def draw(experiment: Experiment) -> None:
    """Draws the tabs, and in the open one its figure; the others cost nothing."""
    names = list(NAMED)
    for place, tab in zip(views.tabs(names), NAMED.values(), strict=True):
        if place.open:
            with place:
                _open(experiment, tab)


def _open(experiment: Experiment, tab: Tab) -> None:
    try:
        if tab.ask is not None:
            found = tab.ask(experiment)
        else:
            found = results.propagation(experiment, tab.backward, tab.detail)
    except (ValueError, MemoryError, RuntimeError) as error:
        st.error(notices.sentence(error))
        return
    if found is None:
        st.info("Stopped.")
        st.button(f"{tab.verb} after all", on_click=results.release, key="release_tab")
    elif tab.draw is not None:
        tab.draw(found)
    else:
        _read(found, tab)


def _read(p: Propagation, tab: Tab) -> None:
    """Draws the tab's figure, and below it what there is to read."""
    looked = {"axis": session.view("axis", AXES)}
    if tab.name == "Omega and tau":
        depth = len(p.layers) - 1
        looked["layer"] = str(views.layer(depth, depth, "units"))
    if tab.chart is not None:
        name, figure, alt = tab.chart(p, looked)
        plotly_view(figure, name, alt, id=figures.identity(p.experiment, looked["axis"]))
    said = tab.words(p, looked) if tab.words is not None else ()
    beyond = [reason for topic in tab.topics for reason in text.reasons(p, topic)]
    notices.explained(*said, *beyond, tab.caption)


def _layer(p: Propagation, looked: Looked) -> int:
    depth, asked = len(p.layers) - 1, looked.get("layer", "")
    return int(asked) if asked.isdecimal() and 1 <= int(asked) <= depth else depth


def _units(p: Propagation, looked: Looked) -> Chart:
    layer = _layer(p, looked)
    figure = figures.units_of_layer(p, layer, expected_units(p, layer))
    return "units", figure, " ".join(text.units(p, layer))


def expected_units(p: Propagation, layer: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns mean and variance of every unit of a hidden layer by the SNN map, or None.

    Each unit has its own omega and tau; its input is the predicted orbit of the layer before.
    Where the theory has no orbit there is no prediction.
    """
    assert p.detail is not None
    mean, variance = p.predicted.unit_mean[layer - 1], p.predicted.unit_variance[layer - 1]
    if not (np.isfinite(mean) and np.isfinite(variance)):
        return None
    omega, tau = p.detail.unit_omega[layer - 1], p.detail.unit_tau[layer - 1]
    return unit_moments(p.experiment.network, float(mean), float(variance), omega, tau)


def _gradients(p: Propagation, looked: Looked) -> Chart:
    figure = figures.gradients_by_layer(p, looked.get("axis", "auto"))
    return "gradients", figure, text.gradients_alt(p)


NAMED = {
    tab.name: tab
    for tab in (
        Tab(
            "Distribution",
            detail=True,
            chart=lambda p, _: (
                "distribution", figures.distribution_by_layer(p), text.distribution_alt(p),
            ),
            words=lambda p, _: text.DISTRIBUTION,
        ),
        Tab(
            "Gradients",
            backward=True,
            chart=_gradients,
            words=lambda p, _: text.gradients(p),
            topics=("Gradients",),
            caption=text.GRADIENTS,
        ),
        Tab(
            "Omega and tau",
            detail=True,
            chart=_units,
            words=lambda p, looked: text.units(p, _layer(p, looked)),
            topics=("Single units",),
            caption=text.UNITS,
        ),
        Tab(
            "Saturation and correlation",
            detail=True,
            chart=lambda p, _: ("saturation", figures.saturation_by_layer(p), text.saturation(p)),
            words=lambda p, _: (text.saturation(p),),
            topics=("Correlation", "Between and within units"),
            caption=text.SATURATION,
        ),
        Tab(
            "Constraint × activation",
            ask=grid.ask,
            draw=grid.draw,
            verb="Compute the table",
        ),
        Tab("Fan-in", ask=fan_in.ask, draw=fan_in.draw, verb="Measure"),
    )
}  # fmt: skip
