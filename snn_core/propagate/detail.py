"""The costlier statistics of a layer, and how the seeds' are put together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from torch import Tensor

from snn_core.activations.activation import unit_gradient
from snn_core.network import Layer
from snn_core.propagate.result import QUANTILES, Detail
from snn_core.settings import Experiment
from snn_core.statistics import mean_cosine, saturation, spread_sample, unit_moments

__all__ = ["collect", "layer_detail", "needs_z", "sample_size"]

BINS = 80
MOST_UNITS = 1024


def needs_z(layer: Layer) -> bool:
    """Whether the slope is that of z; else the activation's output, in z's place, tells it."""
    return layer.activation.pull is None or layer.activation.fn_ is None


def layer_detail(
    layer: Layer | None, z: Tensor | None, h: Tensor, k: int, room: int
) -> dict[str, Any]:
    """Returns seed k's statistics of one layer's output; layer and z are None for the input.

    ``z`` is what `forward` gives with ``keep_z`` where the layer `needs_z`.
    """
    mean, variance = unit_moments(h[k])
    keep = _kept_units(len(mean))
    with np.errstate(invalid="ignore", over="ignore"):  # infinities are results
        between, within = float(mean.var()), float(variance.mean())
    row: dict[str, Any] = {
        "between": between,
        "within": within,
        "correlation": mean_cosine(h[k]),
        "values": spread_sample(h[k], room),
        "saturated": math.nan,
        "dead": math.nan,
        "unit_mean": mean[keep],
        "unit_variance": variance[keep],
    }
    if layer is not None and z is not None:
        row["saturated"], row["dead"] = saturation(
            _slope(layer, z[k].detach()), layer.activation.largest_slope
        )
        row["unit_omega"] = layer.omega[k].cpu().numpy()[keep]
        row["unit_tau"] = layer.tau[k].cpu().numpy()[keep]
    return row


def _slope(layer: Layer, z: Tensor) -> Tensor:
    act = layer.activation
    if act.pull is None or act.fn_ is None:
        return act.derivative(z)
    return act.pull(unit_gradient(z), z)


def _kept_units(units: int) -> slice | np.ndarray:
    if units <= MOST_UNITS:
        return slice(None)
    return np.linspace(0, units - 1, MOST_UNITS).astype(int)


def sample_size(experiment: Experiment) -> int:
    """How many values a layer and seed keep for quantiles and histogram: 64 MiB in all."""
    layers = experiment.seeds * (experiment.network.depth + 1)
    return max(1024, min(16384, 2**24 // layers))


def collect(rows: Sequence[list[dict[str, Any]]]) -> Detail:
    """Stacks the seeds' rows into arrays, with one set of histogram edges for all layers."""

    def table(name: str) -> np.ndarray:
        return np.array([[row[name] for row in seed] for seed in rows], dtype=float)

    def units(name: str, first: int) -> tuple[np.ndarray, ...]:
        layers = range(first, len(rows[0]))
        return tuple(np.stack([seed[index][name] for seed in rows]) for index in layers)

    values = [[row["values"] for row in seed] for seed in rows]
    edges = _edges([v for seed in values for v in seed])
    return Detail(
        between=table("between"),
        within=table("within"),
        saturated=table("saturated"),
        dead=table("dead"),
        correlation=table("correlation"),
        quantiles=np.array([[_quantiles(v) for v in seed] for seed in values]),
        histogram=np.array([[_shares(v, edges) for v in seed] for seed in values]),
        edges=edges,
        unit_mean=units("unit_mean", 0),
        unit_variance=units("unit_variance", 0),
        unit_omega=units("unit_omega", 1),
        unit_tau=units("unit_tau", 1),
    )


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Quantiles of sorted values; NaN where any value is not a number."""
    if np.isnan(values[-1]):  # NaN sorts last
        return np.full(len(QUANTILES), math.nan)
    low, high, share = _places(len(values))
    below, above = values[low].astype(float), values[high].astype(float)
    with np.errstate(invalid="ignore"):
        return np.where(below == above, below, below + share * (above - below))


@lru_cache(maxsize=64)
def _places(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the quantiles of so many values lie: between which two, and how far."""
    at = np.multiply(QUANTILES, count - 1)
    low = np.floor(at).astype(int)
    return low, np.minimum(low + 1, count - 1), at - low


def _edges(values: Sequence[np.ndarray]) -> np.ndarray:
    """Bin edges for all layers: evenly spaced in asinh(x / size of the smallest layer).

    Nearly linear where all layers are alike; layers that vanish or explode by up to six decades
    stay in the picture, as on a logarithmic axis.
    """
    tails = np.array([(v[len(v) // 1000], v[-1 - len(v) // 1000]) for v in values], dtype=float)
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


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The share of sorted values in every bin; the outermost bins hold what lies beyond."""
    finite = values
    if np.isnan(values[-1]):  # NaN sorts last
        finite = values[: np.searchsorted(values, math.nan)]
    if not len(finite):
        return np.full(BINS, math.nan)
    below = np.searchsorted(finite, edges[1:-1].astype(finite.dtype), side="right")
    return np.diff(below, prepend=0, append=len(finite)) / len(finite)
