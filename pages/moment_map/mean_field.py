"""The mean-field side of the moment map's page: phases, depth scales, correlations."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.moment_map import phase_figures, text
from pages.ui import notices, results, session, slider, views
from pages.ui.chart import plotly_view
from pages.ui.text import plain
from snn_core.activations import Activation
from snn_core.theory.mean_field.correlation import CorrelationCurve, correlation_curve
from snn_core.theory.mean_field.edge import edge_of_chaos
from snn_core.theory.mean_field.phases import Phase, phase
from snn_core.wording import amount

__all__ = ["draw"]

POINTS = 48
SHADES = {"chi": "Order and chaos (χ₁)", "depth": "How deep a correlation reaches"}
WEIGHTS, BIASES = np.linspace(0.05, 3.0, POINTS), np.linspace(0.0, 1.5, POINTS)


def draw(act: Activation) -> None:
    """Draws the phase diagram with the current scales, and the correlation map there."""
    with st.container(horizontal=True):
        for name in ("sigma_w", "sigma_b"):
            with st.container(width=300):
                slider.view(name, slider=True)
        shade = views.choose(
            "shade", "Shade", list(SHADES), "Of the diagram.", SHADES.__getitem__, 220
        )
    w, b = session.number("sigma_w"), session.number("sigma_b")
    found, edge = results.kept(("phases", act.name, act.values), lambda: _phases(act))
    c = np.linspace(-1.0, 1.0, 81)
    curve = results.kept(
        ("correlations", act.name, act.values, w, b), lambda: correlation_curve(act, w, b, c)
    )
    here = phase(act, w, b)
    said = _said(here, curve)
    caption = f"{act.label}, σ_w {amount(w)}, σ_b {amount(b)}"
    plotly_view(
        phase_figures.phases(
            WEIGHTS, BIASES, found, edge, curve, (w, b), shade == "depth", caption
        ),
        "phases",
        f"Phases of {act.label}. {' '.join(said)}",
    )
    notices.explained(*said, text.MEAN_FIELD)


def _phases(act: Activation) -> tuple[Phase, np.ndarray]:
    return phase(act, WEIGHTS[None, :], BIASES[:, None]), edge_of_chaos(act, BIASES)


def _said(here: Phase, curve: CorrelationCurve) -> tuple[str, str]:
    """Where signals go, and what becomes of gradients and correlations."""
    q, chi = float(here.q), float(here.chi_1)
    if q == 0:
        return "Signals vanish: their length goes to 0.", f"χ₁ is {amount(chi)} there."
    if np.isinf(q):
        return "Signals explode: their length grows without bound.", f"χ₁ tends to {amount(chi)}."
    depth, scale = float(here.depth_scale_gradient), float(here.depth_scale_c)
    grows = "grows" if chi > 1 else "shrinks"
    there = "at the edge of chaos" if np.isinf(depth) else (
        f"on its way back the squared gradient {grows} by a factor of e every {amount(depth, 3)} "
        "layers"
    )  # fmt: skip
    return (
        f"The length of signals settles at {amount(q)}.",
        f"χ₁ is {amount(chi, 5)}: {there}. {plain(curve.reason)} Depth scale of the "
        f"correlation: {amount(scale, 3)} layers.",
    )
