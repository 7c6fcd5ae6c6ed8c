"""Statistics of a layer's numbers that stay right where float32 sums do not.

Those called exact are of a stack ``(seeds, batch, units, ...)``, for all its seeds at once, and
stay on its device, so that nobody waits for an accelerator. The others are of one seed's tensor
on the CPU: quicker there, and as exact, since they fall back on them where float32 would not do.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "exact_cosine",
    "exact_moments",
    "exact_saturation",
    "flat",
    "mean_cosine",
    "on_host",
    "pooled_moments",
    "saturation",
    "spread",
    "spread_sample",
    "squares",
    "unit_moments",
]

BLOCK = 4096
UNIT_BLOCK = 32
LIMIT = 0.05  # of the largest slope: smaller ones are saturated


def on_host(x: Tensor) -> bool:
    """Returns whether the numbers are where Python is, so that to ask for one stops nothing."""
    return x.device.type == "cpu"


def exact_moments(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Returns mean and population variance over those axes, ``(2, ...)`` float64."""
    start = tuple(slice(1) if axis in axes else slice(None) for axis in range(x.dim()))
    first = x[start].double()
    x = x - first  # constants have no variance; and numbers far from 0 keep their digits
    mean = x.mean(axes)
    square = torch.linalg.vector_norm(x, dim=axes).square() / (x.numel() // mean.numel())
    return torch.stack((first.reshape(mean.shape) + mean, (square - mean.square()).clamp_min(0.0)))


def exact_cosine(h: Tensor) -> Tensor:
    """Returns every seed's `mean_cosine`, ``(seeds,)``."""
    x = h.flatten(2).float()
    largest = x.abs().amax((1, 2), keepdim=True)
    x = x / largest.clamp_min(torch.finfo(torch.float32).tiny)  # squares stay in range
    lengths = torch.linalg.vecdot(x, x)
    shown = lengths > 0
    count, scale = shown.sum(1).double(), torch.where(shown, lengths.rsqrt(), 0.0)
    x = torch.where(shown[:, :, None], x, 0.0)
    total = torch.bmm(scale[:, None], x).squeeze(1).double()  # the sum of the unit vectors
    found = (torch.linalg.vecdot(total, total) - count) / (count * (count - 1.0))
    return torch.where(count > 1.0, found, math.nan)


def exact_saturation(slope: Tensor, largest: float) -> Tensor:
    """Returns every seed's `saturation`, ``(2, seeds)``."""
    low = slope.movedim(2, -1).flatten(1, -2).abs() < LIMIT * largest
    return torch.stack((low.double().mean((1, 2)), low.all(1).double().mean(1)))


def spread(x: Tensor, count: int) -> Tensor:
    """Returns at most ``count`` of every row's numbers, evenly spaced."""
    step = -(-x.shape[1] // count)
    return x[:, :: step | 1]  # which shares no factor with a width: all units, not a few columns


def squares(rows: Tensor) -> Tensor:
    """Returns the sum of squares over the last axis."""
    if rows.shape[-1] > 2 * BLOCK or not on_host(rows):
        return torch.linalg.vecdot(rows, rows)
    numbers = rows.numpy()  # three times as fast, where it starts no threads
    return torch.from_numpy(np.vecdot(numbers, numbers))


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
    x = flat(x.detach())
    if x.dtype in (torch.float16, torch.bfloat16):
        x = x.float()
    if on_host(x):
        mean, variance = _block_moments(x)
        if mean * mean > 64.0 * variance and math.isfinite(mean):
            shift = float(torch.tensor(mean, dtype=x.dtype))
            offset, variance = _block_moments(x - shift)
            mean = shift + offset
        if 1e-30 < variance < 1e30:  # else squares may have left float32's range
            return mean, variance
    mean, variance = exact_moments(x, (0,)).tolist()
    return mean, variance


@np.errstate(invalid="ignore", over="ignore")  # infinities are results
def _block_moments(x: Tensor) -> tuple[float, float]:
    count, whole = x.numel(), x.numel() // BLOCK * BLOCK
    blocks = (x if whole == count else x[:whole]).view(-1, BLOCK)
    total = float(blocks.sum(1).numpy().sum(dtype=np.float64))
    square = float(squares(blocks).numpy().sum(dtype=np.float64))
    if whole < count:
        rest = x[whole:].double()
        total += float(rest.sum())
        square += float(rest.dot(rest))
    mean = total / count
    return mean, square / count - mean * mean


@np.errstate(invalid="ignore", over="ignore")
def unit_moments(h: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Returns every unit's mean and population variance over the data, ``(units,)`` float64.

    ``h`` is one seed's ``(batch, features)`` or ``(batch, channels, height, width)``; a unit is a
    feature, or a channel over batch and positions. Sums of 32 rows are combined in float64, and
    taken again about the means where one is large against its deviation; units that leave
    float32's range are summed in float64.
    """
    x = _rows(h.detach())
    if x.dtype != torch.float32:
        return _exact_units(x)
    mean, variance = _block_units(x)
    if _is_lost(mean, variance).any():
        shift = mean.astype(np.float32)
        offset, variance = _block_units(x - torch.from_numpy(shift))
        bad = _is_lost(offset, variance)
        mean = shift + offset
        if bad.any():
            columns = x if bad.all() else x[:, torch.from_numpy(bad)]
            mean[bad], variance[bad] = _exact_units(columns)
    return mean, variance


def _rows(x: Tensor) -> Tensor:
    """(rows, units) of one seed's tensor: a row is a sample, or one of its positions."""
    return x if x.dim() == 2 else x.movedim(1, -1).flatten(0, -2)


def _exact_units(x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = exact_moments(x, (0,)).numpy()
    return mean, variance


def _is_lost(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Whether a difference of sums says nothing of so small a variance, or a square overflowed.

    Of a unit that is nothing but zeros, as many of ReLU's are, it says all.
    """
    known = (variance > 1e-30) & (variance < 1e30) & (mean * mean <= 4.0 * variance)
    return ~(known | ((mean == 0.0) & (variance == 0.0)))


def _block_units(x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    rows, whole = len(x), len(x) // UNIT_BLOCK * UNIT_BLOCK
    blocks = x[:whole].unflatten(0, (-1, UNIT_BLOCK))
    total, square = (
        part.sum(1).numpy().sum(0, dtype=np.float64) for part in (blocks, blocks * blocks)
    )
    if whole < rows:
        rest = x[whole:].numpy().astype(np.float64)
        total, square = total + rest.sum(0), square + (rest * rest).sum(0)
    mean = total / rows
    return mean, square / rows - mean * mean


def mean_cosine(h: Tensor) -> float:
    """Returns the mean over pairs of different samples of the cosine between their vectors.

    ``h`` is ``(batch, ...)``; samples that are all zero are left out. NaN for fewer than two.
    The mean-field correlation c = q_ab / sqrt(q_aa q_bb) (Poole et al. 2016, eq. 4).
    """
    x = h.detach()
    if x.dim() == 4 and not x.is_contiguous():
        x = x.permute(0, 2, 3, 1)  # channels last: the order of a vector's numbers is no matter
    x = (x if x.dim() == 2 else x.flatten(1)).float()
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = squares(x)
    count, sizes = len(lengths), lengths.numpy()  # quicker than torch with so few
    if count < 2 or not 1e-30 < sizes.min() <= sizes.max() < 1e30:
        return float(exact_cosine(x[None]))
    total = torch.mv(x.t(), lengths.rsqrt()).numpy().astype(np.float64)
    return float((np.vecdot(total, total) - count) / (count * (count - 1)))


def saturation(slope: Tensor, largest: float) -> tuple[float, float]:
    """Returns the share of saturated activations and the share of dead units.

    ``slope`` is f'(z), one seed's ``(batch, units, ...)``. Saturated: |f'| below 5 % of the
    activation's largest. Dead: saturated for every sample (and position).
    """
    slope = slope.detach()
    if slope.dtype == torch.bfloat16:  # which NumPy does not know
        share, dead = exact_saturation(slope[None], largest)
        return float(share), float(dead)
    # NumPy compares, counts and folds several times as fast as torch on a CPU
    low = np.abs(_rows(slope).numpy()) < LIMIT * largest
    return np.count_nonzero(low) / low.size, np.count_nonzero(low.all(0)) / low.shape[1]


def spread_sample(x: Tensor, count: int) -> np.ndarray:
    """Returns at most ``count`` of the numbers in ``x``, evenly spaced and sorted, float32.

    NaN comes last.
    """
    sample = spread(flat(x.detach())[None], count)[0]
    return np.sort(sample.float().cpu().numpy())  # some 20 times as fast as torch's sort
