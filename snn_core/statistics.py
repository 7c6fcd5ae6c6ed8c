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
UNIT_BLOCK = 32


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


def unit_moments(h: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Returns every unit's mean and population variance over the data, ``(units,)`` float64.

    ``h`` is one seed's ``(batch, features)`` or ``(batch, channels, height, width)``; a unit is a
    feature, or a channel over batch and positions. Sums of 32 rows are combined in float64, and
    taken again about the means where one is large against its deviation; units that leave
    float32's range are summed in float64.
    """
    x = h.detach().movedim(1, -1).flatten(0, -2)
    if x.dtype != torch.float32:
        return _exact_units(x)
    mean, variance = _block_units(x)
    if _is_lost(mean, variance).any():
        shift = mean.astype(np.float32)
        offset, variance = _block_units(x - torch.from_numpy(shift).to(x.device))
        bad = _is_lost(offset, variance)
        mean = shift + offset
        if bad.any():
            columns = x if bad.all() else x[:, torch.from_numpy(bad).to(x.device)]
            mean[bad], variance[bad] = _exact_units(columns)
    return mean, variance


@np.errstate(invalid="ignore", over="ignore")  # infinities are results
def _is_lost(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Whether a difference of sums says nothing of so small a variance, or a square overflowed.

    Of a unit that is nothing but zeros, as many of ReLU's are, it says all.
    """
    known = (variance > 1e-30) & (variance < 1e30) & (mean * mean <= 4.0 * variance)
    return ~(known | ((mean == 0.0) & (variance == 0.0)))


@np.errstate(invalid="ignore", over="ignore")
def _block_units(x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    rows, whole = len(x), len(x) // UNIT_BLOCK * UNIT_BLOCK
    blocks = x[:whole].unflatten(0, (-1, UNIT_BLOCK))
    total, squares = (
        part.sum(1).cpu().numpy().sum(0, dtype=np.float64) for part in (blocks, blocks * blocks)
    )
    if whole < rows:
        rest = x[whole:].cpu().numpy().astype(np.float64)
        total, squares = total + rest.sum(0), squares + (rest * rest).sum(0)
    mean = total / rows
    return mean, squares / rows - mean * mean


def _exact_units(x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    x = x.double()
    mean = x.mean(0)
    return mean.cpu().numpy(), (x - mean).square_().mean(0).cpu().numpy()


def mean_cosine(h: Tensor) -> float:
    """Returns the mean over pairs of different samples of the cosine between their vectors.

    ``h`` is ``(batch, ...)``; samples that are all zero are left out. NaN for fewer than two.
    The mean-field correlation c = q_ab / sqrt(q_aa q_bb) (Poole et al. 2016, eq. 4).
    """
    x = h.detach()
    if x.dim() == 4 and not x.is_contiguous():
        x = x.permute(0, 2, 3, 1)  # channels last: the order of a vector's numbers is no matter
    x = x.flatten(1).float()
    squares = torch.linalg.vecdot(x, x)
    sizes = squares.cpu().numpy()  # whose smallest and largest it finds with less ado than torch
    if not 1e-30 < sizes.min() <= sizes.max() < 1e30:
        x = x / x.abs().amax().clamp_min(torch.finfo(torch.float32).tiny)  # squares stay in range
        squares = torch.linalg.vecdot(x, x)
        x, squares = x[squares > 0], squares[squares > 0]
    count = len(x)
    if count < 2:
        return math.nan
    total = torch.mv(x.t(), squares.rsqrt()).double()  # the sum of the unit vectors
    return float((total.dot(total) - count) / (count * (count - 1)))


def saturation(slope: Tensor, largest: float) -> tuple[float, float]:
    """Returns the share of saturated activations and the share of dead units.

    ``slope`` is f'(z), one seed's ``(batch, units, ...)``. Saturated: |f'| below 5 % of the
    activation's largest. Dead: saturated for every sample (and position).
    """
    slope = slope.detach().movedim(1, -1).flatten(0, -2)
    limit = 0.05 * largest
    if slope.dtype == torch.bfloat16:
        low = (slope.abs() < limit).cpu().numpy()
    else:  # NumPy compares, counts and folds several times as fast as torch on a CPU
        low = np.abs(slope.cpu().numpy()) < limit
    return np.count_nonzero(low) / low.size, float(low.all(0).mean())


def spread_sample(x: Tensor, count: int) -> np.ndarray:
    """Returns at most ``count`` of the numbers in ``x``, evenly spaced and sorted, float32.

    NaN comes last.
    """
    x = flat(x.detach())
    step = -(-x.numel() // count)
    # a step that shares no factor with the row length visits all units, not a few columns
    return np.sort(x[:: step | 1].float().cpu().numpy())  # some 20 times as fast as torch's sort
