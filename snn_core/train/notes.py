"""The layers' statistics of one training step, for all seeds and layers in few kernels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from snn_core.propagate import THEOREM_1_OMEGA, THEOREM_1_TAU
from snn_core.statistics import ensemble_moments
from snn_core.train.ensemble import Ensemble, Pass

__all__ = ["Notes", "notes_of"]

Notes = dict[str, np.ndarray]
ROWS = 32  # of a batch, for the shares of saturated activations and dead units


@torch.no_grad()
def notes_of(
    net: Ensemble,
    found: Pass,
    gradients: Sequence[Tensor],
    before: Sequence[Tensor] | None,
    after: Sequence[Tensor],
) -> Notes:
    """Returns the statistics that an ArmSnapshot has, by name.

    ``gradients`` are dL/dh of the input and every layer; ``before`` and ``after`` the weights that
    the networks compute with, before (None: there was no update) and after the update.
    """
    mean, variance = ensemble_moments(found.h)
    gradient_mean, gradient_variance = ensemble_moments(gradients)
    notes = {
        "mean": mean.numpy(),
        "variance": variance.numpy(),
        "gradient_mean": gradient_mean.numpy(),
        "gradient_variance": gradient_variance.numpy(),
    }
    return notes | _units(after) | _updates(before, after) | _slopes(net, found.z)


def _layers(runs: Sequence[Tensor]) -> np.ndarray:
    """(seeds, depth) from one (layers, seeds) for every run."""
    return torch.cat(list(runs)).T.double().cpu().numpy()


def _units(weights: Sequence[Tensor]) -> Notes:
    """omega and tau of the units of every layer: mean, spread, share in Theorem 1's box."""
    table: dict[str, list[Tensor]] = {}
    for run in weights:
        rows = run.flatten(3)
        omega, tau = rows.sum(3).double(), torch.linalg.vecdot(rows, rows).double()
        inside = _within(omega, THEOREM_1_OMEGA) & _within(tau, THEOREM_1_TAU)
        for name, each in (
            ("omega", omega.mean(2)),
            ("tau", tau.mean(2)),
            ("omega_spread", omega.std(2, unbiased=False)),
            ("tau_spread", tau.std(2, unbiased=False)),
            ("inside", inside.double().mean(2)),
        ):
            table.setdefault(name, []).append(each)
    return {name: _layers(runs) for name, runs in table.items()}


def _within(x: Tensor, bounds: tuple[float, float]) -> Tensor:
    return (x >= bounds[0]) & (x <= bounds[1])


def _updates(before: Sequence[Tensor] | None, after: Sequence[Tensor]) -> Notes:
    """|update| / |weight before it|; NaN where there was no update."""

    def norm(run: Tensor) -> Tensor:
        return torch.linalg.vector_norm(run.flatten(2), dim=2)

    if before is None:
        return {"update_ratio": _layers([torch.full_like(norm(new), torch.nan) for new in after])}
    pairs = zip(before, after, strict=True)
    return {"update_ratio": _layers([norm(new - old) / norm(old) for old, new in pairs])}


def _slopes(net: Ensemble, z: Sequence[Tensor]) -> Notes:
    """Saturated activations and dead units, from the slope at the pre-activations."""
    activation = net.shapes[0].activation
    limit = 0.05 * activation.largest_slope
    saturated, dead = [], []
    for _, run in itertools.groupby(z, lambda layer: layer.shape):
        rows = torch.stack([layer.detach()[:, :ROWS] for layer in run])
        slope = activation.derivative(rows).abs_().movedim(3, -1)
        slope = slope.flatten(2, -2)  # (layers, seeds, rows and positions, units)
        saturated.append((slope < limit).to(rows.dtype).mean((2, 3)))
        dead.append((slope.amax(2) < limit).to(rows.dtype).mean(2))
    return {"saturated": _layers(saturated), "dead": _layers(dead)}
