"""Networks at a checkpoint: what they decide in the plane, how weights and activations spread.

Everything is computed from the checkpoint's tensors, which nobody changes; so a run that another
thread moves on meanwhile is neither disturbed nor half read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from snn_core.network import Layer, forward
from snn_core.settings import input_shape
from snn_core.statistics import flat, pooled_moments, spread_sample
from snn_core.tables import number
from snn_core.train.arm import SHOWN_ROWS
from snn_core.train.networks import Networks, effective, layers_of, run_pass
from snn_core.train.training import Checkpoint, Run

__all__ = [
    "Histogram",
    "Histograms",
    "histograms",
    "Boundary",
    "decision_boundary",
    "networks_at",
]

Normalize = Callable[[Tensor, int], Tensor]
SHOWN_POINTS = 200
WIDENED = 0.25  # of the range between the percentiles, on both sides
MARGIN = 0.1  # of the training part's extent, on every side of the plane
AT_ONCE = 2**24  # numbers of one layer that are looked at or computed at a time


@dataclass(frozen=True)
class Boundary:
    """What an arm's seeds decide over the plane of two features, after ``step`` updates.

    Attributes:
        x, y: ``(size,)``: the grid's axes, the first and the second feature, standardized.
        probability: ``(size, size, classes)``: softmax of the outputs, averaged over the seeds;
            row i is at ``y[i]``, column j at ``x[j]``. NaN where no seed has finite outputs.
        disagreement: ``(size, size)``: share of the seeds that choose another class than most do.
        points, labels: ``(n, 2)`` and ``(n,)``: up to 400 rows of the training part.
    """

    step: int
    x: np.ndarray
    y: np.ndarray
    probability: np.ndarray
    disagreement: np.ndarray
    points: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Histogram:
    """A normalized histogram of some numbers.

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


def networks_at(run: Run, index: int, checkpoint: Checkpoint) -> list[Networks]:
    """Returns arm ``index``'s networks, one for each of its seed groups, at the checkpoint.

    They are the checkpoint's own: read them only. Constraint and dropout are those that the
    checkpoint was trained with.

    Raises:
        ValueError: An arm that the run or the checkpoint has not.
    """
    number("arm", index, 0, min(len(run.arms), len(checkpoint.arms)) - 1, integer=True)
    return [group.net for group in checkpoint.arms[index].groups]


@torch.no_grad()
def decision_boundary(run: Run, index: int, checkpoint: Checkpoint, size: int = 48) -> Boundary:
    """Returns what arm ``index`` decides at the checkpoint, on a grid of ``size`` by ``size``.

    The grid spans the training part and a tenth of its extent on every side. Batch normalization
    has the statistics of up to 1024 rows of the training part; the grid's own would be those of
    other data.

    Raises:
        ValueError: Input of other than 2 features, targets that are no classes, a size below 2
            or above 256.
    """
    size = int(number("size", size, 2, 256, integer=True))
    nets, experiment = networks_at(run, index, checkpoint), checkpoint.experiments[index]
    task = checkpoint.arms[index].task
    if input_shape(experiment) != (2,) or task.regression:
        what = "numbers to learn" if task.regression else f"input of {input_shape(experiment)}"
        raise ValueError(
            f"A decision boundary needs 2 features and classes; {experiment.data} has {what}. "
            "Use a data set in the plane, such as moons."
        )
    low, high = task.train.x.amin(0).double(), task.train.x.amax(0).double()
    margin = MARGIN * (high - low).clamp_min(1e-3)
    axes = [
        torch.linspace(float(a), float(b), size, dtype=torch.float64)
        for a, b in zip(low - margin, high + margin, strict=True)
    ]
    plane = torch.cartesian_prod(axes[1], axes[0]).flip(1).to(task.train.x)
    outputs = torch.cat([_outputs(net, plane, task.train.x) for net in nets])
    probability, disagreement = _votes(outputs.unflatten(1, (size, size)))
    shown = slice(min(SHOWN_POINTS, len(task.train.y)))
    return Boundary(
        checkpoint.arms[index].step,
        axes[0].numpy(),
        axes[1].numpy(),
        probability.cpu().numpy(),
        disagreement.cpu().numpy(),
        task.train.x[shown].double().cpu().numpy(),
        task.train.y[shown].cpu().numpy(),
    )


def _votes(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean probability and disagreement from outputs (seeds, rows, columns, classes).

    A seed without finite outputs at a point has no say there.
    """
    each = outputs.double().softmax(-1)
    finite = each.isfinite().all(-1)  # (seeds, rows, columns)
    voters = finite.sum(0).double()
    each = torch.where(finite[..., None], each, 0.0)
    classes = each.shape[-1]
    votes = torch.nn.functional.one_hot(each.argmax(-1), classes) * finite[..., None]
    # 0 / 0 is NaN, as it should be where nobody votes
    return each.sum(0) / voters[..., None], 1.0 - votes.sum(0).amax(-1) / voters


def _outputs(net: Networks, x: Tensor, train: Tensor) -> Tensor:
    """(seeds, rows, outputs) of the rows; batch normalization as over the training rows."""
    if net.experiment.network.normalization == "batch":
        net = _with_fixed_statistics(net, train[:1024])
    parts = [
        run_pass(net, rows.expand(len(net.seeds), *rows.shape), quiet=True).outputs
        for rows in _chunks(net, x, max(layer.plan.units for layer in net.shapes))
    ]
    return torch.cat(parts, 1)


def _chunks(net: Networks, x: Tensor, units: int) -> Iterator[Tensor]:
    """Returns the rows in pieces whose widest layer fits into memory, up to 1024 rows each.

    The pieces are those that a record scores, which batch normalization depends on.
    """
    size = min(max(AT_ONCE // (len(net.seeds) * units), 16), 1024)
    return iter(x.split(size))


def _with_fixed_statistics(net: Networks, rows: Tensor) -> Networks:
    """The networks with their batch statistics kept as they are over the given rows."""
    h = rows.expand(len(net.seeds), *rows.shape)
    found: list[Layer] = []
    for layer, shape in zip(layers_of(net, quiet=True), net.quiet, strict=True):
        seen: list[Tensor] = []
        noting = replace(layer.normalization, apply=_noted(layer.normalization.apply, seen))
        h = forward(replace(layer, normalization=noting), h, (), keep_z=True)[1]
        variance, mean = torch.var_mean(seen[0].double(), 1, correction=0, keepdim=True)
        scale = (variance + 1e-5).rsqrt()  # the epsilon of torch and of `normalizations`
        kept = replace(layer.normalization, apply=_affine(mean, scale))
        found.append(replace(shape, normalization=kept))
    return replace(net, quiet=tuple(found))


def _noted(apply: Normalize, seen: list[Tensor]) -> Normalize:
    def noted(x: Tensor, axis: int) -> Tensor:
        seen.append(x)
        return apply(x, axis)

    return noted


def _affine(mean: Tensor, scale: Tensor) -> Normalize:
    return lambda x, axis: ((x - mean) * scale).to(x.dtype)


@torch.no_grad()
def histograms(
    run: Run, index: int, checkpoint: Checkpoint, layer: int, bins: int = 60
) -> Histograms:
    """Returns how layer ``layer``'s weights and activations spread, all seeds of arm ``index``.

    The weights are those that the networks compute with; the activations the layer's output,
    without dropout, over up to 512 rows of the validation part (fewer where these would be more
    than some 16 million numbers).

    Raises:
        ValueError: A layer other than 1 to the depth, bins below 2 or above 1000.
    """
    bins = int(number("bins", bins, 2, 1000, integer=True))
    nets = networks_at(run, index, checkpoint)
    layer = int(number("layer", layer, 1, len(nets[0].shapes), integer=True))
    rows = checkpoint.arms[index].task.validation.x[:SHOWN_ROWS]
    weights = [w for net in nets for w in _weights(net)[layer - 1]]
    activations = [h for net in nets for h in _activations(net, rows, layer, len(nets))]
    return Histograms(
        checkpoint.arms[index].step,
        layer,
        _histogram(weights, bins),
        _histogram(activations, bins),
    )


def _weights(net: Networks) -> list[Tensor]:
    return [weight for run in effective(net) for weight in run.unbind(0)]


def _activations(net: Networks, x: Tensor, layer: int, groups: int) -> Iterator[Tensor]:
    """The layer's output, piece by piece, as long as there is memory for more."""
    layers, left = layers_of(net, quiet=True)[:layer], AT_ONCE // groups
    for rows in _chunks(net, x, max(each.plan.units for each in layers)):
        h = rows.expand(len(net.seeds), *rows.shape)
        for each in layers:
            h = forward(each, h, ())[1]
        yield h
        left -= h.numel()
        if left <= 0:
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
