"""Mean and variance that stay right where float32 sums do not."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "flat",
    "mean_cosine",
    "pooled_moments",
    "saturation",
    "spread_sample",
    "unit_moments",
]

BLOCK = 4096


def flat(x: Tensor) -> Tensor:
    """Returns all numbers as one axis, in memory order where that saves a copy."""
    if x.dim() == 5 and x.shape[0] == 1:
        x = x[0]
    if x.dim() == 4 and not x.is_contiguous():
        x = x.permute(0, 2, 3, 1)  # channels last
    return x.reshape(-1)


def pooled_moments(x: Tensor) -> tuple[float, float]:
    """Returns the mean and the population variance of all numbers in ``x``.

    Sums of float32 blocks are combined in float64, and taken again about the mean where that
    exceeds 8 standard deviations: relative error of the variance at most 1e-6, also where the
    mean is 1000 standard deviations. Numbers too large or too small for float32 squares are
    summed in float64.
    """
    x = flat(x)
    if x.dtype in (torch.float16, torch.bfloat16):
        x = x.float()
    if x.device.type != "cpu":  # accelerators add in float64 about as fast as they read
        return _two_pass(x)
    mean, variance = _block_moments(x)
    if mean * mean > 64.0 * variance and math.isfinite(mean):
        shift = float(torch.tensor(mean, dtype=x.dtype))
        offset, variance = _block_moments(x - shift)
        mean = shift + offset
    if not 1e-30 < variance < 1e30:  # squares may have left float32's range
        return _two_pass(x)
    return mean, variance


def _block_moments(x: Tensor) -> tuple[float, float]:
    count, whole = x.numel(), x.numel() // BLOCK * BLOCK
    blocks = (x if whole == count else x[:whole]).view(-1, BLOCK)
    # Two kernels read the numbers; NumPy adds the few block sums with less ado than torch.
    total = float(blocks.sum(1).numpy().sum(dtype=np.float64))
    squares = float(torch.linalg.vecdot(blocks, blocks).numpy().sum(dtype=np.float64))
    if whole < count:
        rest = x[whole:].double()
        total += float(rest.sum())
        squares += float(rest.dot(rest))
    mean = total / count
    return mean, squares / count - mean * mean


def _two_pass(x: Tensor) -> tuple[float, float]:
    low, high = x.aminmax()
    if low == high:  # a rounded mean would leave a variance that is not there
        return float(low), 0.0
    x = x.double()
    mean = x.mean()
    return float(mean), float((x - mean).square().mean())


def unit_moments(h: Tensor) -> tuple[Tensor, Tensor]:
    """Returns every unit's mean and population variance over the data, ``(units,)`` float64.

    ``h`` is one seed's ``(batch, features)`` or ``(batch, channels, height, width)``; a unit is a
    feature, or a channel over batch and positions.
    """
    x = h.detach().movedim(1, -1).flatten(0, -2).double()
    mean = x.mean(0)
    return mean, (x - mean).square_().mean(0)


def mean_cosine(h: Tensor) -> float:
    """Returns the mean over pairs of different samples of the cosine between their vectors.

    ``h`` is ``(batch, ...)``; samples that are all zero are left out. NaN for fewer than two.
    The mean-field correlation c = q_ab / sqrt(q_aa q_bb) (Poole et al. 2016, eq. 4).
    """
    x = h.detach().flatten(1).float()
    x = x / x.abs().amax().clamp_min(torch.finfo(torch.float32).tiny)  # squares stay in range
    norms = torch.linalg.vector_norm(x, dim=1)
    rows = x[norms > 0] / norms[norms > 0, None]
    count = len(rows)
    if count < 2:
        return math.nan
    total = rows.double().sum(0)
    return float((total.dot(total) - count) / (count * (count - 1)))


def saturation(slope: Tensor, largest: float) -> tuple[float, float]:
    """Returns the share of saturated activations and the share of dead units.

    ``slope`` is f'(z), one seed's ``(batch, units, ...)``. Saturated: |f'| below 5 % of the
    activation's largest. Dead: saturated for every sample (and position).
    """
    low = slope.detach().abs() < 0.05 * largest
    dead = low.movedim(1, -1).flatten(0, -2).all(0)
    return float(low.float().mean()), float(dead.float().mean())


def spread_sample(x: Tensor, count: int) -> Tensor:
    """Returns at most ``count`` of the numbers in ``x``, evenly spaced and sorted, float32."""
    x = flat(x.detach())
    step = -(-x.numel() // count)
    # a step that shares no factor with the row length visits all units, not a few columns
    return x[:: step | 1].float().sort().values
