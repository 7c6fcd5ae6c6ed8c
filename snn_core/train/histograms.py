"""The laws of a layer's weights and activations at a checkpoint, as histograms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from snn_core.network import forward
from snn_core.statistics import flat, pooled_moments, spread_sample
from snn_core.tables import number
from snn_core.train.arm import SHOWN_ROWS
from snn_core.train.inspect import ROOM, chunks, networks_at, step_of
from snn_core.train.networks import Ensemble, effective, layers_of
from snn_core.train.training import Checkpoint, Run

__all__ = ["Histogram", "Histograms", "histograms"]

WIDENED = 0.25  # of the range between the percentiles, on both sides


@dataclass(frozen=True)
class Histogram:
    """The law of some numbers.

    Attributes:
        edges, density: ``(bins + 1,)`` and ``(bins,)``; the density integrates to 1 over the
            edges, since the outermost bins also hold what lies beyond.
        below, above: Share of the finite numbers that lie beyond the edges.
        mean, variance: Of all finite numbers, in float64; population variance.
        numbers: How many there are.
        not_finite: How many of them are infinite or not a number; the rest is drawn.
    """

    edges: np.ndarray
    density: np.ndarray
    below: float
    above: float
    mean: float
    variance: float
    numbers: int
    not_finite: int


@dataclass(frozen=True)
class Histograms:
    """A layer's weights and activations after ``step`` updates, all seeds pooled."""

    step: int
    layer: int
    weights: Histogram
    activations: Histogram


@torch.no_grad()
def histograms(
    run: Run, index: int, checkpoint: Checkpoint, layer: int, bins: int = 60
) -> Histograms:
    """Returns the laws of layer ``layer``'s weights and activations, all seeds of arm ``index``.

    The weights are those that the networks compute with; the activations the layer's output,
    without dropout, over up to 512 rows of the validation part (fewer where these would be more
    than some 16 million numbers).

    Raises:
        ValueError: A layer other than 1 to the depth, bins below 2 or above 1000.
    """
    bins = int(number("bins", bins, 2, 1000, integer=True))
    nets = networks_at(run, index, checkpoint)
    layer = int(number("layer", layer, 1, len(nets[0].shapes), integer=True))
    rows = run.arms[index].task.validation.x[:SHOWN_ROWS]
    weights = [w for net in nets for w in _weights(net)[layer - 1]]
    activations = [h for net in nets for h in _activations(net, rows, layer, len(nets))]
    return Histograms(
        step_of(checkpoint, index), layer, _histogram(weights, bins), _histogram(activations, bins)
    )


def _weights(net: Ensemble) -> list[Tensor]:
    return [weight for run in effective(net) for weight in run.unbind(0)]


def _activations(net: Ensemble, x: Tensor, layer: int, teams: int) -> Iterator[Tensor]:
    """The layer's output, piece by piece, as long as there is room for more."""
    layers, room = layers_of(net, quiet=True)[:layer], ROOM // teams
    for rows in chunks(net, x, max(each.plan.units for each in layers)):
        h = rows.expand(len(net.seeds), *rows.shape)
        for each in layers:
            h = forward(each, h, ())[1]
        yield h
        room -= h.numel()
        if room <= 0:
            return


def _histogram(pieces: Sequence[Tensor], bins: int) -> Histogram:
    x = torch.cat([flat(piece) for piece in pieces])
    finite = x.isfinite()
    numbers, lost = x.numel(), x.numel() - int(finite.sum())
    x = x[finite] if lost else x
    low, high = _range(x)
    edges = np.linspace(low, high, bins + 1)
    if lost == numbers:
        nothing = np.zeros(bins)
        return Histogram(edges, nothing, 0.0, 0.0, np.nan, np.nan, numbers, lost)
    mean, variance = pooled_moments(x)
    counts = torch.histc(x.clamp(low, high), bins, low, high).double().cpu().numpy()
    return Histogram(
        edges,
        counts / (counts.sum() * (edges[1] - edges[0])),
        float((x < low).double().mean()),
        float((x > high).double().mean()),
        mean,
        variance,
        numbers,
        lost,
    )


def _range(x: Tensor) -> tuple[float, float]:
    """From the 1st to the 99th percentile and a quarter more, about 0 where both signs occur."""
    if not len(x):
        return -1.0, 1.0
    sample = spread_sample(x, 2**16).astype(np.float64)
    low, high = np.quantile(sample, (0.01, 0.99))
    if low < 0.0 < high:
        reach = (1.0 + WIDENED) * max(-low, high)
        return -reach, reach
    middle, half = (low + high) / 2.0, (high - low) / 2.0
    # hardly any width, as of dead units: something to draw a line in
    narrow = half <= 1e-4 * abs(middle)
    half = (0.5 * abs(middle) or 1.0) if narrow else half * (1.0 + WIDENED)
    return middle - half, middle + half
