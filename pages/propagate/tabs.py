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
from snn_core.cost import refuse
from snn_core.propagate import Propagation
from snn_core.spec import Experiment
from snn_core.theory.predict import unit_moments

__all__ = ["AXES", "NAMED", "Tab", "draw", "needs", "of"]

AXES = ("auto", "log", "linear")
Looked = Mapping[str, str]  # what is looked at, as in a link


@dataclass(frozen=True)
class Tab:
    """A tab: whether it needs gradients, whether the costlier statistics, and what it shows.

    ``chart`` gives the name of its figure, the figure and its text alternative, so that the live
    channel can bring it too; ``about`` draws what there is to read.
    """

    name: str
    backward: bool = False
    detail: bool = False
    chart: Callable[[Propagation, Looked], tuple[str, dict[str, Any], str]] | None = None
    about: Callable[[Propagation], None] = lambda p: None


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
        p = results.propagation(experiment, tab.backward, tab.detail)
    except (ValueError, MemoryError, RuntimeError) as error:
        st.error(notices.sentence(error))
        return
    if p is None:
        st.info("Stopped.")
        st.button("Propagate after all", on_click=results.release, key="release_tab")
        return
    if tab.name == "Omega and tau":
        depth = len(p.layers) - 1
        views.layer(depth, depth, "units")
    if tab.chart is not None:
        looked = {"axis": session.view("axis", AXES), "layer": _layer(p)}
        name, figure, alt = tab.chart(p, looked)
        plotly_view(figure, name, alt, id=figures.identity(experiment, looked["axis"]))
    tab.about(p)


def _gradients(p: Propagation, looked: Looked) -> tuple[str, dict[str, Any], str]:
    figure = figures.gradients_by_layer(p, looked.get("axis", "auto"))
    return "gradients", figure, text.gradients_alt(p)


def _about_gradients(p: Propagation) -> None:
    measured, expected = text.gradients(p)
    notices.explained(measured, expected, *text.reasons(p, "Gradients"), text.GRADIENTS)


def _layer(p: Propagation) -> str:
    depth = len(p.layers) - 1
    return session.view("layer", [str(depth), *map(str, range(1, depth))])


def _units(p: Propagation, looked: Looked) -> tuple[str, dict[str, Any], str]:
    depth, asked = len(p.layers) - 1, looked.get("layer", "")
    layer = int(asked) if asked.isdecimal() and 1 <= int(asked) <= depth else depth
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


def _about_units(p: Propagation) -> None:
    shares, about = text.units(p, int(_layer(p)))
    notices.explained(shares, about, *text.reasons(p, "Single units"), text.UNITS)


def _about_saturation(p: Propagation) -> None:
    beyond = text.reasons(p, "Correlation") + text.reasons(p, "Between and within units")
    notices.explained(text.saturation(p), *beyond, text.SATURATION)


NAMED = {
    tab.name: tab
    for tab in (
        Tab(
            "Distribution",
            detail=True,
            chart=lambda p, _: (
                "distribution",
                figures.distribution_by_layer(p),
                text.distribution_alt(p),
            ),
            about=lambda p: notices.explained(*text.DISTRIBUTION),
        ),
        Tab("Gradients", backward=True, chart=_gradients, about=_about_gradients),
        Tab("Omega and tau", detail=True, chart=_units, about=_about_units),
        Tab(
            "Saturation and correlation",
            detail=True,
            chart=lambda p, _: ("saturation", figures.saturation_by_layer(p), text.saturation(p)),
            about=_about_saturation,
        ),
        Tab("Constraint × activation", about=lambda p: grid.draw(p.experiment)),
        Tab("Fan-in", about=lambda p: fan_in.draw(p.experiment)),
    )
}
