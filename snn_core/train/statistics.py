"""The layers' statistics of one training step, for all seeds and layers in few kernels.

Every team takes `sums_of` its own layers, at its own time; what is left to do with these small
tensors is done once for all of them, since many small steps would keep the teams from running
side by side.
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

__all__ = ["Notes", "Sums", "notes_of", "sums_of"]

Notes = dict[str, np.ndarray]
ROWS = 32  # of a batch, for the shares of saturated activations and dead units
PART = 4096  # numbers that float32 may sum


class Sums(NamedTuple):
    """What a team's layers add up to: a tensor ``(2, layers, seeds, ...)`` a block of layers.

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
def sums_of(
    activation: Activation,
    trace: Trace,
    weights: Sequence[Tensor],
    steps: Sequence[Tensor],
    rate: float,
) -> Sums:
    """Returns a team's sums, which are good until its next pass.

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
    return Sums(
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
def notes_of(activation: Activation, teams: Sequence[Sums]) -> Notes:
    """Returns the statistics that an ArmSnapshot has, by name, of all the teams' seeds."""
    mean, variance = _moments([team.trace.h for team in teams], [team.h for team in teams])
    gradient_mean, gradient_variance = _moments(
        [team.trace.gradients for team in teams], [team.gradients for team in teams]
    )
    units, updates = _joined([team.units for team in teams]), [team.updates for team in teams]
    largest = _joined([team.largest for team in teams], seeds=1)
    limit = 0.05 * activation.largest_slope
    notes = {
        "mean": mean,
        "variance": variance,
        "gradient_mean": gradient_mean,
        "gradient_variance": gradient_variance,
        **_units(units),
        "saturated": _layers(_joined([team.saturated for team in teams], seeds=1)),
        "dead": _layers([(slope < limit).mean(2) for slope in largest]),
    }
    ratio = np.full_like(notes["tau"], np.nan)
    if any(updates):
        pairs = zip(units, _joined(updates), strict=True)
        ratio = _layers([_ratio(tau.sum(2), *update.sum(3)) for (_, tau), update in pairs])
    return notes | {"update_ratio": ratio}


def _joined(teams: Sequence[Sequence[Tensor]], seeds: int = 2) -> list[np.ndarray]:
    """Every block with all teams' seeds, which that axis counts, as NumPy float64."""
    blocks = zip(*teams, strict=True)
    return [
        np.concatenate([part.cpu().numpy() for part in block], seeds, dtype=np.float64)
        for block in blocks
    ]


def _layers(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """(..., seeds, layers) from one (..., layers, seeds) for every block."""
    return np.concatenate(blocks, -2).swapaxes(-1, -2)


def _moments(
    traces: Sequence[Sequence[Tensor]], teams: Sequence[Sequence[Tensor]]
) -> tuple[np.ndarray, np.ndarray]:
    """(mean, variance), each (seeds, layers), as exact as `pooled_moments`.

    That steps in, layer by layer, where sums of float32 parts would not do.
    """
    counts = [run[0, 0].numel() for run in traces[0]]
    blocks = zip(_joined(teams), counts, strict=True)
    mean, square = _layers([sums.sum(3) / count for sums, count in blocks])
    variance = square - mean**2
    unsure = (mean**2 > 64.0 * variance) | ~((variance > 1e-30) & (variance < 1e30))
    unsure &= np.isfinite(mean)
    if unsure.any():
        layers = [[layer for run in runs for layer in run] for runs in traces]
        seeds = [(team, k) for team in layers for k in range(len(team[0]))]
        for k, index in np.argwhere(unsure):
            team, own = seeds[k]
            mean[k, index], variance[k, index] = pooled_moments(team[index][own : own + 1])
    return mean, variance


def _units(blocks: Sequence[np.ndarray]) -> Notes:
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
