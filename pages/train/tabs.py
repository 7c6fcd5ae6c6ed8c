"""The tabs under the curves of a training: a figure for each question."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from pages.train import figures, job, layer_figures, text
from pages.train.arm_traces import Drawing, record_at
from pages.train.look import Look
from pages.ui import notices, views
from pages.ui.chart import plotly_view
from snn_core.spec import input_shape
from snn_core.train import (
    Boundary,
    Checkpoint,
    Histograms,
    Run,
    checkpoint_at,
    decision_boundary,
    histograms,
)
from snn_core.train.live import Training

__all__ = ["TABS", "draw_tabs", "growing", "names", "pictures"]

COARSE, FINE = 24, 48  # points on a side of a decision boundary, while it runs and at rest
QUICK = 0.2  # seconds
SOON = "The first networks are being drawn."


@dataclass(frozen=True)
class Growing:
    """A tab whose figure grows with every record: the figure's key, how it is made, what its text
    alternative is ``of``, a sentence and why; ``dated`` whether it is said of which step."""

    key: str
    make: Callable[[Look], Drawing]
    of: tuple[str, ...]
    said: tuple[str, str]
    dated: bool = False


def draw_tabs(look: Look) -> None:
    """Draws the tabs, and in the open one its figures; the others cost nothing."""
    known = names(look)
    for tab, name in zip(views.tabs(known), known, strict=True):
        if tab.open:
            with tab:
                TABS[name](look)


def growing(look: Look, tab: str) -> dict[str, Callable[[], Drawing]]:
    """Returns how to make a tab's figures that grow with every record, by their key."""
    found = GROWING.get(tab)
    return {found.key: partial(found.make, look)} if found else {}


def pictures(look: Look, tab: str) -> dict[str, Callable[[], Drawing | None]]:
    """Returns how to make a tab's figures that are another at every step, by their key."""
    figures = PICTURES.get(tab, {})
    return {key: partial(make, look) for key, make in figures.items()}


def names(look: Look) -> list[str]:
    """Returns the tabs that there are for a training."""
    return [name for name in TABS if name != "Boundary" or _plane(look.training)]


def _plane(training: Training) -> bool:
    """Whether the arms decide over a plane: two features, and classes."""
    arm = training.experiments[0]
    return input_shape(arm) == (2,) and not text.is_regression(arm)


def _chart(look: Look, make: Callable[[Look], Drawing], key: str, alt: str) -> None:
    """Draws a chart; of a training that runs its figure is left to the live channel."""
    busy = job.is_busy(look.training)
    plotly_view(make(look) if look.whole else None, key, alt, live=busy)


def _grown(name: str, look: Look) -> None:
    """Draws the tab of a figure that grows."""
    tab = GROWING[name]
    each = [text.layers_alt(look.records, look.names, statistic) for statistic in tab.of]
    _chart(look, tab.make, tab.key, " ".join(each))
    if tab.dated:
        _said(look, _recorded(look), *tab.said)
    else:
        notices.explained(*tab.said)


def _said(look: Look, step: int, sentence: str, why: str) -> None:
    """Says of which step a figure is: while it runs of the newest, since words come later."""
    when = "At the newest step." if job.is_busy(look.training) else f"At step {step}."
    notices.explained(f"{sentence} {when}", why)


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
    _chart(look, lambda _: layer_figures.boundaries(found, look.names), "boundary", alt)
    _said(look, step, *text.BOUNDARY)


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
    _chart(look, lambda _: layer_figures.histogram(found, layer), "histograms", alt)
    _said(look, step, *text.HISTOGRAMS)


def _histogram_bars(look: Look) -> Drawing | None:
    found, _ = _bars(look, look.layer)
    return layer_figures.histogram(found, look.layer) if found else None


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
    kept = look.memory.get("picture", (None, 0.0, [], 0))
    checkpoint = checkpoint_at(run, look.step)
    key = (look.training.job.id, look.training.job.since().epoch, name, checkpoint.step)
    stale = key[:3] != (kept[0] or ())[:3] or not job.is_busy(look.training)
    begun = time.monotonic()
    if key != kept[0] and (stale or begun > kept[1]):
        found = [compute(run, index, checkpoint) for index in range(len(run.arms))]
        now = time.monotonic()
        spent = now - begun
        kept = (key, now + spent * (0.25 if spent < QUICK else 5), found, checkpoint.step)
        look.memory["picture"] = kept
    return kept[2], kept[3]


GROWING = {
    "Mean and variance": Growing(
        "heat",
        lambda look: figures.heat(look.records, look.names, look.at),
        ("variance", "mean"),
        text.MOMENTS,
    ),
    "Orbits": Growing(
        "orbits",
        lambda look: figures.orbits(look.records, look.names, look.at),
        ("variance", "mean"),
        text.ORBITS,
    ),
    "Omega and tau": Growing(
        "drift", lambda look: figures.drift(look.records, look.at), ("tau",), text.DRIFT
    ),
    "Gradients": Growing(
        "gradients",
        lambda look: layer_figures.gradients(look.records, look.at),
        ("gradient_variance",),
        text.GRADIENTS,
        dated=True,
    ),
    "Saturation": Growing(
        "saturation",
        lambda look: layer_figures.saturation(look.records, look.at),
        ("saturated",),
        text.SATURATION,
        dated=True,
    ),
}
TABS: dict[str, Callable[[Look], None]] = {
    **{name: partial(_grown, name) for name in GROWING},
    "Boundary": _boundary,
    "Histograms": _histograms,
}
PICTURES: dict[str, dict[str, Callable[[Look], Drawing | None]]] = {
    "Boundary": {"boundary": _boundary_plane},
    "Histograms": {"histograms": _histogram_bars},
}
