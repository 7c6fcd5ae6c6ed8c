"""The costlier statistics of a layer, and how the seeds' are put together."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from snn_core.activations.activation import Activation, unit_gradient
from snn_core.propagate.result import QUANTILES, Detail
from snn_core.settings import Experiment
from snn_core.statistics import (
    exact_cosine,
    exact_moments,
    exact_saturation,
    mean_cosine,
    on_host,
    saturation,
    spread,
    spread_sample,
    unit_moments,
)

__all__ = [
    "Output",
    "Rows",
    "Stack",
    "collect",
    "finish",
    "layer_detail",
    "layer_means",
    "needs_z",
    "sample_size",
]

BINS = 80
MOST_UNITS = 1024

Rows = dict[str, Sequence[np.ndarray]]  # one seed's statistics by name, layer by layer
Stack = Tensor | Sequence[Any]  # a layer's statistic, seed by seed


class Output(NamedTuple):
    """What a layer gave; there is no activation and no z of the input.

    ``z`` is what `forward` gives with ``keep_z`` where the activation `needs_z`.
    """

    h: Tensor
    activation: Activation | None = None
    z: Tensor | None = None


def needs_z(activation: Activation) -> bool:
    """Whether the slope is that of z; else the activation's output, in z's place, tells it."""
    return activation.pull is None or activation.fn_ is None


def layer_detail(outputs: Sequence[Output], room: int) -> dict[str, list[Stack]]:
    """Returns the statistics of some layers' outputs, by name, from the first layer up.

    ``units`` are pairs of means and variances, ``saturation`` the shares of saturated activations
    and of dead units. Tensors stay on their accelerator.
    """
    if on_host(outputs[0].h):
        return {
            "units": [list(map(unit_moments, h)) for h, _, _ in outputs],
            "correlation": [list(map(mean_cosine, h)) for h, _, _ in outputs],
            "values": [[spread_sample(own, room) for own in h] for h, _, _ in outputs],
            "saturation": [_saturation(each) for each in outputs],
        }
    h = [each.h for each in outputs]
    return {
        "units": [exact_moments(x, (1, *range(3, x.dim()))).transpose(0, 1) for x in h],
        "correlation": [exact_cosine(x) for x in h],
        "values": [spread(x.flatten(1), room).float().sort().values for x in h],
        "saturation": [_saturation(each) for each in outputs],
    }


def _saturation(output: Output) -> Stack:
    h, act, z = output
    if act is None or z is None:
        return h.new_full((len(h), 2), torch.nan, dtype=torch.float64)
    slope = (
        act.derivative(z) if act.pull is None or needs_z(act) else act.pull(unit_gradient(z), z)
    )
    if on_host(slope):
        return [saturation(own, act.largest_slope) for own in slope]
    return exact_saturation(slope, act.largest_slope).T


@np.errstate(invalid="ignore", over="ignore")  # infinities are results
def finish(found: Mapping[str, Sequence[Sequence[Any]]]) -> tuple[np.ndarray, list[Rows]]:
    """Returns the pooled moments, ``(seeds, depth + 1, 2)``, and every seed's rows.

    ``found`` has what `layer_detail` gave for every layer, and the units' omega and tau.
    """
    each = [np.array(layer) for layer in found["units"]]
    units, counts = np.concatenate(each, -1), [layer.shape[-1] for layer in each]
    first = units[:, 0, _starts(counts)]
    offsets = units[:, 0] - np.repeat(first, counts, 1)  # of equal units there is no variance
    offset, within = layer_means(offsets, counts), layer_means(units[:, 1], counts)
    between = layer_means((offsets - np.repeat(offset, counts, 1)) ** 2, counts)
    correlation, shares = (np.array(found[name]) for name in ("correlation", "saturation"))
    weights = {
        name: [_shown(np.asarray(part)) for part in found[name]] for name in ("omega", "tau")
    }
    shown = [_shown(layer) for layer in each]
    rows = [
        {
            "between": between[k],
            "within": within[k],
            "saturated": shares[:, k, 0],
            "dead": shares[:, k, 1],
            "correlation": correlation[:, k],
            "values": [part[k] for part in found["values"]],
            "unit_mean": [part[k, 0] for part in shown],
            "unit_variance": [part[k, 1] for part in shown],
            "unit_omega": [part[k] for part in weights["omega"]],
            "unit_tau": [part[k] for part in weights["tau"]],
        }
        for k in range(len(units))
    ]
    return np.stack((first + offset, between + within), -1), rows


def layer_means(units: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    """Returns the layers' means over their units, so many of each, on the last axis."""
    return np.add.reduceat(units, _starts(counts), axis=-1) / counts


def _starts(counts: Sequence[int]) -> list[int]:
    return [0, *itertools.accumulate(counts[:-1])]


def _shown(units: np.ndarray) -> np.ndarray:
    """Those of a layer's units that are kept one by one."""
    count = units.shape[-1]
    if count <= MOST_UNITS:
        return units
    return units[..., np.linspace(0, count - 1, MOST_UNITS).astype(int)]


def sample_size(experiment: Experiment) -> int:
    """How many values a layer and seed keep for quantiles and histogram: 64 MiB in all."""
    layers = experiment.seeds * (experiment.network.depth + 1)
    return max(1024, min(16384, 2**24 // layers))


@np.errstate(invalid="ignore", over="ignore")  # infinities are results
def collect(rows: Sequence[Rows]) -> Detail:
    """Stacks the seeds' rows into arrays, with one set of histogram edges for all layers."""

    def table(name: str) -> np.ndarray:
        return np.array([seed[name] for seed in rows], dtype=float)

    def units(name: str) -> tuple[np.ndarray, ...]:
        return tuple(np.stack(layer) for layer in zip(*(seed[name] for seed in rows), strict=True))

    values = [seed["values"] for seed in rows]
    marks = [_marks(len(layer)) for layer in values[0]]
    marked = np.array(
        [[v[at] for v, (at, _) in zip(seed, marks, strict=True)] for seed in values], dtype=float
    )
    edges = _edges(marked[..., :2].reshape(-1, 2))
    return Detail(
        between=table("between"),
        within=table("within"),
        saturated=table("saturated"),
        dead=table("dead"),
        correlation=table("correlation"),
        quantiles=_quantiles(marked[..., 2:], np.array([share for _, share in marks])),
        histogram=_shares(values, edges),
        edges=edges,
        unit_mean=units("unit_mean"),
        unit_variance=units("unit_variance"),
        unit_omega=units("unit_omega"),
        unit_tau=units("unit_tau"),
    )


@lru_cache(maxsize=64)
def _marks(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Where, of so many sorted values, the tails lie, what is below and above every quantile, and
    the last one; and how far the quantiles are from below to above."""
    at = np.multiply(QUANTILES, count - 1)
    low, tail = np.floor(at).astype(int), count // 1000
    high = np.minimum(low + 1, count - 1)
    return np.concatenate(((tail, count - 1 - tail), low, high, (count - 1,))), at - low


def _quantiles(marked: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Quantiles from the values below and above and the last; NaN where any is not a number."""
    below, above = np.split(marked[..., :-1], 2, axis=-1)
    found = np.where(below == above, below, below + share * (above - below))
    return np.where(np.isnan(marked[..., -1:]), np.nan, found)  # NaN sorts last


def _edges(tails: np.ndarray) -> np.ndarray:
    """Bin edges for all layers, from a low and a high value of each.

    They are evenly spaced in asinh(x / size of the smallest layer).

    Nearly linear where all layers are alike; layers that vanish or explode by up to six decades
    stay in the picture, as on a logarithmic axis.
    """
    tails = tails[np.isfinite(tails).all(1)]
    if not len(tails) or not tails.any():
        return np.linspace(-1.0, 1.0, BINS + 1)
    sizes = np.abs(tails).max(1)
    typical = max(float(sizes[sizes > 0].min()), 1e-6 * float(sizes.max()))
    low, high = tails[:, 0].min(), tails[:, 1].max()
    if low == high:
        low, high = low - abs(low) - typical, high + abs(high) + typical
    return typical * np.sinh(
        np.linspace(np.arcsinh(low / typical), np.arcsinh(high / typical), BINS + 1)
    )


def _shares(values: Sequence[Sequence[np.ndarray]], edges: np.ndarray) -> np.ndarray:
    """The share of sorted values in every bin; the outermost bins hold what lies beyond."""
    inner = edges[1:-1].astype(np.float32)
    below = np.array([[np.searchsorted(v, inner, side="right") for v in seed] for seed in values])
    finite = np.array([[_numbers(v) for v in seed] for seed in values])[..., None]
    return np.diff(below, prepend=0, append=finite) / finite


def _numbers(values: np.ndarray) -> int:
    """How many of the sorted values are numbers."""
    return int(np.searchsorted(values, np.nan)) if np.isnan(values[-1]) else len(values)
