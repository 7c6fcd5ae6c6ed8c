"""One pass of some rows of some seeds through their layers, and what it leaves behind."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from snn_core.network import (
    Layer,
    build,
    draw_cotangents,
    draw_inputs,
    draw_layers,
    forward,
    generator,
)
from snn_core.propagate.detail import layer_detail, needs_z, sample_size
from snn_core.propagate.result import THEOREM_1_OMEGA, THEOREM_1_TAU
from snn_core.settings import Experiment, initializer_of
from snn_core.statistics import pooled_moments

__all__ = ["NOTHING", "Drawn", "Pass", "Stopped", "Watch", "merge", "passes"]


class Drawn(NamedTuple):
    """Some seeds' layers and inputs; what is None is drawn when it is needed."""

    layers: Iterable[Layer] | None
    x: Tensor | None


NOTHING = Drawn(None, None)


class Stopped(Exception):
    """The caller's progress function asked to stop."""


@dataclass
class Pass:
    """What one pass of some rows of one seed left behind."""

    moments: list[tuple[float, float]] = field(default_factory=list)
    gradients: list[tuple[float, float]] = field(default_factory=list)
    weights: list[tuple[float, float, float]] = field(default_factory=list)
    rows: int = 0
    detail: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Watch:
    """How far the passes are, and whether they are to stop; shared by the worker threads."""

    total: int
    done: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def tick(self) -> None:
        if self.stop.is_set():
            raise Stopped
        self.done += 1


def passes(
    experiment: Experiment,
    seeds: Sequence[int],
    drawn: Drawn = NOTHING,
    *,
    backward: bool,
    detail: bool,
    watch: Watch,
    rows: slice = slice(None),
) -> list[Pass]:
    """Forward, and backward where asked, through the layers of some seeds."""
    layers, x = drawn
    x = (draw_inputs(experiment, seeds) if x is None else x)[:, rows].detach()
    if layers is None:
        calibrated = initializer_of(experiment.network).calibrated
        layers = build(experiment, seeds) if calibrated else draw_layers(experiment, seeds)
    masks = [generator(experiment, k, "dropout") for k in seeds]
    found = [Pass(rows=x.shape[1]) for _ in seeds]
    room, units = sample_size(experiment), []
    with torch.enable_grad() if backward else torch.inference_mode():
        h = x.requires_grad_(backward)
        _note(found, h, backward)
        if detail:
            _note_detail(found, None, None, h, room)
        for layer in layers:
            watch.tick()
            z, h = forward(layer, h, masks, keep_z=detail and needs_z(layer))
            _note(found, h, backward, watch)
            units.append((layer.omega, layer.tau))
            if detail:
                _note_detail(found, layer, z, h, room)
        _note_weights(found, units)
        if backward:
            _pull_back(experiment, seeds, found, x, h, rows)
    return found


def _note(found: Sequence[Pass], h: Tensor, backward: bool, watch: Watch | None = None) -> None:
    """Takes the layer's pooled moments, now, and its gradient's when that comes by."""
    for p, own in zip(found, h.detach().split(1), strict=True):
        p.moments.append(pooled_moments(own))
    if not backward:
        return

    def take(gradient: Tensor) -> None:
        if watch is not None:
            watch.tick()
        for k, p in enumerate(found):
            p.gradients.append(pooled_moments(gradient[k : k + 1]))

    h.register_hook(take)


def _note_weights(found: Sequence[Pass], units: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Takes the layers' mean omega and tau and their share inside Theorem 1's box, all at once.

    Layer by layer these small sums would cost as much as the statistics of the activations.
    """
    omega, tau = (torch.cat(part, 1).cpu().numpy() for part in zip(*units, strict=True))
    (low, high), (least, most) = THEOREM_1_OMEGA, THEOREM_1_TAU
    inside = (omega >= low) & (omega <= high) & (tau >= least) & (tau <= most)
    counts = np.array([part.shape[1] for part, _ in units])
    starts = np.cumsum(counts) - counts
    sums = np.add.reduceat(np.stack((omega, tau, inside), -1), starts, axis=1)
    for p, table in zip(found, sums / counts[:, None], strict=True):
        p.weights.extend((row[0], row[1], row[2]) for row in table.tolist())


def _pull_back(
    experiment: Experiment,
    seeds: Sequence[int],
    found: Sequence[Pass],
    x: Tensor,
    h: Tensor,
    rows: slice,
) -> None:
    """Sends a standard normal cotangent down from the top; the hooks take the statistics."""
    cotangent = draw_cotangents(experiment, seeds, h.shape[2:])[:, rows]
    torch.autograd.grad(h, x, cotangent.to(device=h.device, dtype=h.dtype))
    for p in found:
        p.gradients.reverse()  # they came from the top down


def _note_detail(
    found: Sequence[Pass], layer: Layer | None, z: Tensor | None, h: Tensor, room: int
) -> None:
    with torch.no_grad():
        for k, p in enumerate(found):
            p.detail.append(layer_detail(layer, z, h, k, room))


def merge(parts: Sequence[Pass]) -> Pass:
    """One pass from the passes of disjoint rows: the law of total variance, in float64."""
    rows = np.array([p.rows for p in parts], dtype=float)

    def merged(tables: Sequence[list[tuple[float, float]]]) -> list[tuple[float, float]]:
        if not tables[0]:
            return []
        mean, variance = np.moveaxis(np.array(tables), 2, 0)
        share = (rows / rows.sum())[:, None]
        with np.errstate(invalid="ignore"):  # infinities are results
            middle = (share * mean).sum(0)
            total = (share * (variance + (mean - middle) ** 2)).sum(0)
        return list(zip(middle.tolist(), total.tolist(), strict=True))

    return replace(
        parts[0],
        rows=int(rows.sum()),
        moments=merged([p.moments for p in parts]),
        gradients=merged([p.gradients for p in parts]),
    )
