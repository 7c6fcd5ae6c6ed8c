"""The layers' statistics of one training step, for all seeds and layers in few kernels.

Every seed group takes the `partial_sums` of its own layers, at its own time; what is left to do
with these small tensors is done once for all of them, since many small steps would keep the groups
from running side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from snn_core.activations import Activation
from snn_core.activations.activation import unit_gradient
from snn_core.propagate import THEOREM_1_OMEGA, THEOREM_1_TAU
from snn_core.statistics import pooled_moments
from snn_core.train.networks import Trace

__all__ = ["PartialSums", "layer_statistics", "partial_sums"]

ROWS = 32  # of a batch, for the shares of saturated activations and dead units
PART = 4096  # numbers that float32 may sum


class PartialSums(NamedTuple):
    """What a group's layers add up to: a tensor ``(2, layers, seeds, ...)`` a block of layers.

    ``h`` and ``gradients``: the sum, and that of squares, of parts that float32 may sum, of
    ``trace``; ``units``: the same of every unit's weights; ``updates``: every unit's products of
    the step back with the weights and with itself, none where there was no update. Without the
    axis of 2: ``largest``, every unit's largest slope; ``saturated``, the share of activations.
    """

    trace: Trace
    h: list[Tensor]
    gradients: list[Tensor]
    units: list[Tensor]
    updates: list[Tensor]
    largest: list[Tensor]
    saturated: list[Tensor]


@torch.no_grad()
@np.errstate(all="ignore")  # infinities are results
def partial_sums(
    activation: Activation,
    trace: Trace,
    weights: Sequence[Tensor],
    steps: Sequence[Tensor],
    rate: float,
) -> PartialSums:
    """Returns a group's sums, which are good until its next pass.

    ``weights`` are those that the networks compute with; those before the update were ``weights +
    rate * steps``. Without an update there are no ``steps``.
    """
    rows = [run.detach().flatten(3) for run in weights]
    back = [run.detach().flatten(3) for run in steps]
    limit, largest, saturated = 0.05 * activation.largest_slope, [], []
    for run in trace.z or trace.h[1:]:
        slope = _slope(activation, run[:, :, :ROWS], bool(trace.z)).abs_()
        if slope.dim() > 4:  # a unit is a channel, over rows and positions
            slope = slope.movedim(3, -1).flatten(2, -2)
        largest.append(slope.amax(2))
        # in place: a comparison that gives bools takes five times that
        saturated.append(slope.lt_(limit).mean((2, 3)))
    return PartialSums(
        trace=trace,
        h=[_sums(_parts(run)) for run in trace.h],
        gradients=[_sums(_parts(run)) for run in trace.gradients],
        units=[_sums(run) for run in rows],
        updates=[_products(*pair, rate) for pair in zip(rows, back, strict=bool(back))],
        largest=largest,
        saturated=saturated,
    )


def _slope(activation: Activation, values: Tensor, before: bool) -> Tensor:
    """f'(z) from z, or from f(z) where that is kept instead."""
    if before or activation.pull is None:
        return activation.derivative(values)
    return activation.pull(unit_gradient(values), values)


def _parts(run: Tensor) -> Tensor:
    """(layers, seeds, parts, numbers) of a block; all parts have as many numbers."""
    layers, seeds = run.shape[:2]
    return run.detach().reshape(layers, seeds, -1, _part(run[0, 0].numel()))


def _sums(x: Tensor) -> Tensor:
    """The sum and the sum of squares over the last axis."""
    found = x.new_empty(2, *x.shape[:-1])
    torch.sum(x, -1, out=found[0])
    _dot(x, x, found[1])
    return found


def _products(weights: Tensor, step: Tensor, rate: float) -> Tensor:
    """The products of the step, at that rate, with the weights and with itself."""
    found = weights.new_empty(2, *weights.shape[:-1])
    _dot(weights, step, found[0])
    _dot(step, step, found[1])
    found[1] *= rate
    return found.mul_(rate)


def _dot(a: Tensor, b: Tensor, out: Tensor) -> None:
    """The product over the last axis; NumPy's is twice as fast, where it starts no threads."""
    if a.device.type == "cpu" and a.shape[-1] <= 2 * PART:
        np.vecdot(a.numpy(), b.numpy(), out=out.numpy())
    else:
        torch.linalg.vecdot(a, b, out=out)


@lru_cache(maxsize=256)
def _part(count: int) -> int:
    """The largest divisor of ``count`` up to the length that float32 may sum."""
    return next(size for size in range(min(count, PART), 0, -1) if count % size == 0)


@np.errstate(all="ignore")  # infinities are results
def layer_statistics(
    activation: Activation, groups: Sequence[PartialSums]
) -> dict[str, np.ndarray]:
    """Returns the statistics that an ArmSnapshot has, by name, of all the groups' seeds."""
    mean, variance = _moments([group.trace.h for group in groups], [group.h for group in groups])
    gradient_mean, gradient_variance = _moments(
        [group.trace.gradients for group in groups], [group.gradients for group in groups]
    )
    units, updates = (
        _joined([group.units for group in groups]),
        [group.updates for group in groups],
    )
    largest = _joined([group.largest for group in groups], seeds=1)
    limit = 0.05 * activation.largest_slope
    found = {
        "mean": mean,
        "variance": variance,
        "gradient_mean": gradient_mean,
        "gradient_variance": gradient_variance,
        **_units(units),
        "saturated": _layers(_joined([group.saturated for group in groups], seeds=1)),
        "dead": _layers([(slope < limit).mean(2) for slope in largest]),
    }
    ratio = np.full_like(found["tau"], np.nan)
    if any(updates):
        pairs = zip(units, _joined(updates), strict=True)
        ratio = _layers([_ratio(tau.sum(2), *update.sum(3)) for (_, tau), update in pairs])
    return found | {"update_ratio": ratio}


def _joined(groups: Sequence[Sequence[Tensor]], seeds: int = 2) -> list[np.ndarray]:
    """Every block with all groups' seeds, which that axis counts, as NumPy float64."""
    blocks = zip(*groups, strict=True)
    return [
        np.concatenate([part.cpu().numpy() for part in block], seeds, dtype=np.float64)
        for block in blocks
    ]


def _layers(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """(..., seeds, layers) from one (..., layers, seeds) for every block."""
    return np.concatenate(blocks, -2).swapaxes(-1, -2)


def _moments(
    traces: Sequence[Sequence[Tensor]], groups: Sequence[Sequence[Tensor]]
) -> tuple[np.ndarray, np.ndarray]:
    """(mean, variance), each (seeds, layers), as exact as `pooled_moments`.

    That steps in, layer by layer, where sums of float32 parts would not do.
    """
    counts = [run[0, 0].numel() for run in traces[0]]
    blocks = zip(_joined(groups), counts, strict=True)
    mean, square = _layers([sums.sum(3) / count for sums, count in blocks])
    variance = square - mean**2
    unsure = (mean**2 > 64.0 * variance) | ~((variance > 1e-30) & (variance < 1e30))
    unsure &= np.isfinite(mean)
    if unsure.any():
        layers = [[layer for run in runs for layer in run] for runs in traces]
        seeds = [(group, k) for group in layers for k in range(len(group[0]))]
        for k, index in np.argwhere(unsure):
            group, own = seeds[k]
            mean[k, index], variance[k, index] = pooled_moments(group[index][own : own + 1])
    return mean, variance


def _units(blocks: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """omega and tau of the units of every layer: mean, spread, share in Theorem 1's box."""
    bounds = np.array([THEOREM_1_OMEGA, THEOREM_1_TAU])[:, :, None, None, None]
    means = [units.mean(3, keepdims=True) for units in blocks]
    pairs = [*zip(blocks, means, strict=True)]
    omega, tau = _layers([mean[..., 0] for mean in means])
    omega_spread, tau_spread = _layers([units.std(3, mean=mean) for units, mean in pairs])
    within = [(units >= bounds[:, 0]) & (units <= bounds[:, 1]) for units in blocks]
    return {
        "omega": omega,
        "tau": tau,
        "omega_spread": omega_spread,
        "tau_spread": tau_spread,
        "inside": _layers([both.all(0).mean(2) for both in within]),
    }


def _ratio(tau: np.ndarray, product: np.ndarray, square: np.ndarray) -> np.ndarray:
    """|step| / |weights + step| from |weights|^2, <weights, step> and |step|^2."""
    return np.sqrt(square / np.maximum(tau + 2.0 * product + square, 0.0))
