"""The tabs under the curves of a training: a figure for each question."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from pages.train import figures, job, layer_figures, text
from pages.train.arm_traces import Drawing, record_at
from pages.ui import session, views
from pages.ui.chart import plotly_view
from snn_core.spec import input_shape
from snn_core.train import (
    Boundary,
    Checkpoint,
    Histograms,
    Run,
    Snapshot,
    checkpoint_at,
    decision_boundary,
    histograms,
)
from snn_core.train.live import Training

__all__ = ["TABS", "Look", "draw_tabs", "growing", "pictures"]

COARSE, FINE = 24, 48  # points on a side of a decision boundary, while it runs and at rest
QUICK = 0.2  # seconds
SOON = "The first networks are being drawn."


@dataclass(frozen=True)
class Look:
    """What a tab draws from: the training, its records, the step looked at (None: the newest)."""

    training: Training
    records: Sequence[Snapshot]
    names: list[str]
    at: int | None

    @property
    def step(self) -> int:
        """The step that is looked at."""
        return self.records[-1].step if self.at is None else self.at


def draw_tabs(look: Look) -> None:
    """Draws the tabs, and in the open one its figures; the others cost nothing."""
    names = _names(look)
    for tab, name in zip(views.tabs(names), names, strict=True):
        if tab.open:
            with tab:
                TABS[name](look)


def growing(look: Look) -> dict[str, Callable[[], Drawing]]:
    """Returns how to make the open tab's figures that grow with every record, by their key."""
    figures = GROWING.get(session.view("tab", _names(look)), {})
    return {key: partial(make, look) for key, make in figures.items()}


def pictures(look: Look) -> dict[str, Callable[[], Drawing | None]]:
    """Returns how to make the open tab's figures that are another at every step, by their key."""
    figures = PICTURES.get(session.view("tab", _names(look)), {})
    return {key: partial(make, look) for key, make in figures.items()}


def _names(look: Look) -> list[str]:
    return [name for name in TABS if name != "Boundary" or _plane(look.training)]


def _plane(training: Training) -> bool:
    """Whether the arms decide over a plane: two features, and classes."""
    arm = training.experiments[0]
    return input_shape(arm) == (2,) and not text.is_regression(arm)


def _moments(look: Look) -> None:
    each = [text.layers_alt(look.records, look.names, n) for n in ("variance", "mean")]
    plotly_view(_heat(look), "heat", " ".join(each), live=True)
    st.caption(text.MOMENTS)


def _heat(look: Look) -> Drawing:
    return figures.heat(look.records, look.names, look.at)


def _orbits(look: Look) -> None:
    alt = text.layers_alt(look.records, look.names, "variance")
    plotly_view(_orbit_lines(look), "orbits", f"Orbits. {alt}", live=True)
    st.caption(text.ORBITS)


def _orbit_lines(look: Look) -> Drawing:
    return figures.orbits(look.records, look.names, look.at)


def _drift(look: Look) -> None:
    alt = text.layers_alt(look.records, look.names, "tau")
    plotly_view(_drift_lines(look), "drift", alt, live=True)
    st.caption(text.DRIFT)


def _drift_lines(look: Look) -> Drawing:
    return figures.drift(look.records, look.at)


def _gradients(look: Look) -> None:
    alt = text.layers_alt(look.records, look.names, "gradient_variance")
    plotly_view(_gradient_lines(look), "gradients", alt, live=True)
    st.caption(f"{_of_step(look, _recorded(look))} {text.GRADIENTS}")


def _gradient_lines(look: Look) -> Drawing:
    return layer_figures.gradients(look.records, look.at)


def _saturation(look: Look) -> None:
    alt = text.layers_alt(look.records, look.names, "saturated")
    plotly_view(_saturation_lines(look), "saturation", alt, live=True)
    st.caption(f"{_of_step(look, _recorded(look))} {text.SATURATION}")


def _saturation_lines(look: Look) -> Drawing:
    return layer_figures.saturation(look.records, look.at)


def _of_step(look: Look, step: int) -> str:
    """Says of which step a figure is: while it runs of the newest, since words come later."""
    return "At the newest step." if job.is_busy(look.training) else f"At step {step}."


def _recorded(look: Look) -> int:
    """The step of the last statistics up to the one that is looked at."""
    arms = range(len(look.training.experiments))
    found = [record_at(look.records, index, look.at) for index in arms]
    return max((record.step for record in found if record is not None), default=0)


def _boundary(look: Look) -> None:
    found, step = _decisions(look)
    if not found:
        st.info(SOON)
        return
    alt = f"Decision boundary at step {step} of " + ", ".join(look.names) + "."
    plotly_view(layer_figures.boundaries(found, look.names), "boundary", alt)
    st.caption(f"{_of_step(look, step)} {text.BOUNDARY}")


def _boundary_plane(look: Look) -> Drawing | None:
    found, _ = _decisions(look)
    return layer_figures.boundaries(found, look.names) if found else None


def _decisions(look: Look) -> tuple[list[Boundary], int]:
    size = COARSE if job.is_busy(look.training) else FINE
    return _pictured(look, f"boundary.{size}", partial(decision_boundary, size=size))


def _histograms(look: Look) -> None:
    deepest = max(arm.network.depth for arm in look.training.experiments)
    layer = views.layer(deepest, 1, "numbers")
    found, step = _bars(look, layer)
    if not found:
        st.info(SOON)
        return
    alt = f"Histograms of layer {layer} at step {step}. " + " ".join(
        f"Arm {'ABCD'[index]}: weights of variance {each.weights.variance:.4g}, activations of "
        f"mean {each.activations.mean:.4g} and variance {each.activations.variance:.4g}."
        for index, each in enumerate(found)
        if each is not None
    )
    plotly_view(layer_figures.histogram(found, layer), "histograms", alt)
    st.caption(f"{_of_step(look, step)} {text.HISTOGRAMS}")
    st.session_state["train.layer"] = layer


def _histogram_bars(look: Look) -> Drawing | None:
    layer = st.session_state.get("train.layer", 1)
    found, _ = _bars(look, layer)
    return layer_figures.histogram(found, layer) if found else None


def _bars(look: Look, layer: int) -> tuple[list[Histograms | None], int]:
    return _pictured(look, f"histograms.{layer}", partial(_of_layer, layer))


def _of_layer(layer: int, run: Run, index: int, checkpoint: Checkpoint) -> Histograms | None:
    deepest = checkpoint.experiments[index].network.depth
    return histograms(run, index, checkpoint, layer) if layer <= deepest else None


def _pictured(
    look: Look, name: str, compute: Callable[[Run, int, Checkpoint], Any]
) -> tuple[list[Any], int]:
    """Returns what networks have to be run for, of every arm, and its step.

    It is kept. While the training runs, computing it takes four fifths of the time at most, or a
    sixth where it is not quick. Empty before the first networks are there.
    """
    run = look.training.run
    if run is None or not run.checkpoints:
        return [], 0
    kept = st.session_state.get("train.picture", (None, 0.0, [], 0))
    checkpoint = checkpoint_at(run, look.step)
    key = (look.training.job.id, look.training.job.since().epoch, name, checkpoint.step)
    stale = key[:3] != (kept[0] or ())[:3] or not job.is_busy(look.training)
    begun = time.monotonic()
    if key != kept[0] and (stale or begun > kept[1]):
        found = [compute(run, index, checkpoint) for index in range(len(run.arms))]
        now = time.monotonic()
        spent = now - begun
        kept = (key, now + spent * (0.25 if spent < QUICK else 5), found, checkpoint.step)
        st.session_state["train.picture"] = kept
    return kept[2], kept[3]


TABS: dict[str, Callable[[Look], None]] = {
    "Mean and variance": _moments,
    "Orbits": _orbits,
    "Omega and tau": _drift,
    "Gradients": _gradients,
    "Saturation": _saturation,
    "Boundary": _boundary,
    "Histograms": _histograms,
}
GROWING: dict[str, dict[str, Callable[[Look], Drawing]]] = {
    "Mean and variance": {"heat": _heat},
    "Orbits": {"orbits": _orbit_lines},
    "Omega and tau": {"drift": _drift_lines},
    "Gradients": {"gradients": _gradient_lines},
    "Saturation": {"saturation": _saturation_lines},
}
PICTURES: dict[str, dict[str, Callable[[Look], Drawing | None]]] = {
    "Boundary": {"boundary": _boundary_plane},
    "Histograms": {"histograms": _histogram_bars},
}
