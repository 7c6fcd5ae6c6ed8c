"""The tabs under the curves of a training: a figure for each question."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import streamlit as st

from pages.train import figures, job, layer_figures, text
from pages.train.arm_traces import letter
from pages.train.look import Look
from pages.ui import notices, views
from pages.ui.chart import plotly_view
from pages.ui.panels import Drawing
from snn_core.settings import input_shape
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

__all__ = ["TABS", "draw_tabs", "drawn", "names"]

COARSE, FINE = 24, 48  # points on a side of a decision boundary, while it runs and at rest
QUICK = 0.2  # seconds


def _recorded(look: Look) -> tuple[Sequence[Snapshot], int]:
    """The records, and the step of the last statistics up to the one that is looked at."""
    arms = range(len(look.names))
    steps = [layer_figures.record_at(look.records, arm, look.at).step for arm in arms]
    return look.records, max(steps)


@dataclass(frozen=True)
class Tab:
    """A tab: its figure's key, how figure and text alternative are made, and what is said of it.

    Both are made of what is ``found`` for a look, with its step: the records, with which the
    figure ``grows``, or else what networks at one step had to be run for. ``dated`` figures are of
    that step alone.
    """

    key: str
    figure: Callable[[Look, Any], Drawing]
    alt: Callable[[Look, Any], str]
    about: tuple[str, str]
    dated: bool = True
    found: Callable[[Look], tuple[Sequence[Any], int]] = _recorded
    grows: bool = True


def draw_tabs(look: Look) -> None:
    """Draws the tabs, and in the open one its figure; the others cost nothing."""
    known = names(look)
    for place, name in zip(views.tabs(known), known, strict=True):
        if place.open:
            with place:
                _draw(look, TABS[name])


def _draw(look: Look, tab: Tab) -> None:
    if tab.key == "histograms":
        deepest = max(arm.network.depth for arm in look.training.experiments)
        look = replace(look, layer=views.layer(deepest, 1, "numbers"))
    busy, (found, step) = job.is_busy(look.training), tab.found(look)
    if not found:
        st.info("The first networks are being drawn.")
        return
    figure = tab.figure(look, found)
    plotly_view(figure, tab.key, tab.alt(look, found), live=busy)
    date = f" At {'the newest step' if busy else f'step {step}'}."  # words come later
    sentence, why = tab.about
    notices.explained(sentence + (date if tab.dated else ""), why)


def names(look: Look) -> list[str]:
    """Returns the tabs that there are for a training."""
    arm = look.training.experiments[0]
    plane = input_shape(arm) == (2,) and not text.is_regression(arm)
    return [name for name in TABS if plane or name != "Boundary"]


def drawn(look: Look, name: str) -> tuple[str, Drawing, bool] | None:
    """Returns the key of a tab's figure, the figure, and whether it grows with every record.

    None where there is no such tab, or nothing to draw yet.
    """
    tab = TABS.get(name)
    found = tab.found(look)[0] if tab else ()
    return (tab.key, tab.figure(look, found), tab.grows) if tab and found else None


def _layers(*quantities: str) -> Callable[[Look, Any], str]:
    return lambda look, records: " ".join(
        text.layers_alt(records, look.names, quantity) for quantity in quantities
    )


def _boundaries(look: Look) -> tuple[list[Boundary], int]:
    size = COARSE if job.is_busy(look.training) else FINE
    return _pictured(look, f"boundary.{size}", partial(decision_boundary, size=size))


def _histograms(look: Look) -> tuple[list[Histograms | None], int]:
    def of_layer(run: Run, index: int, checkpoint: Checkpoint) -> Histograms | None:
        deepest = checkpoint.experiments[index].network.depth
        return histograms(run, index, checkpoint, look.layer) if look.layer <= deepest else None

    return _pictured(look, f"histograms.{look.layer}", of_layer)


def _histograms_alt(look: Look, found: Sequence[Histograms | None]) -> str:
    return f"Histograms of layer {look.layer}. " + " ".join(
        f"Arm {letter(arm)}: weights of variance {each.weights.variance:.4g}, activations of "
        f"mean {each.activations.mean:.4g} and variance {each.activations.variance:.4g}."
        for arm, each in enumerate(found)
        if each is not None
    )


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


TABS = {
    "Mean and variance": Tab(
        "heat",
        lambda look, records: figures.heat(records, look.names, look.at),
        _layers("variance", "mean"),
        text.MOMENTS,
        dated=False,
    ),
    "Orbits": Tab(
        "orbits",
        lambda look, records: figures.orbits(records, look.names, look.at),
        _layers("variance"),
        text.ORBITS,
        dated=False,
    ),
    "Omega and tau": Tab(
        "drift",
        lambda look, records: figures.drift(records, look.at),
        _layers("tau"),
        text.DRIFT,
        dated=False,
    ),
    "Gradients": Tab(
        "gradients",
        lambda look, records: layer_figures.gradients(records, look.at),
        _layers("gradient_variance"),
        text.GRADIENTS,
    ),
    "Saturation": Tab(
        "saturation",
        lambda look, records: layer_figures.saturation(records, look.at),
        _layers("saturated"),
        text.SATURATION,
    ),
    "Boundary": Tab(
        "boundary",
        lambda look, found: layer_figures.boundaries(found, look.names),
        lambda look, found: text.boundaries_alt(found, look.names),
        text.BOUNDARY,
        found=_boundaries,
        grows=False,
    ),
    "Histograms": Tab(
        "histograms",
        lambda look, found: layer_figures.histogram(found, look.layer),
        _histograms_alt,
        text.HISTOGRAMS,
        found=_histograms,
        grows=False,
    ),
}
