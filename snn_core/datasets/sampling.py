"""Rows of a data set: drawn from its distribution or its table, raw or standardized."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Generator, Tensor

from snn_core.datasets.dataset import Dataset, Table
from snn_core.tables import number

__all__ = ["features", "image_shape", "sample", "standardization", "table"]


def table(data: Dataset) -> Table:
    """Returns the table of a real data set; a synthetic one is a ValueError."""
    if data.load is None:
        raise ValueError(f"{data.name} is random noise and has no table; use a real data set.")
    return data.load()


def features(data: Dataset, default: int) -> int:
    """Returns the number of features: the table's own, or the default for a synthetic set."""
    return default if data.load is None else table(data).x.shape[1]


def image_shape(data: Dataset) -> tuple[int, int, int] | None:
    """Returns (channels, height, width) where rows are images, else None."""
    return None if data.load is None else table(data).image_shape


def drawn_scale(data: Dataset) -> float:
    """Returns the standard deviation of a synthetic set; a variance of 0 is a ValueError."""
    if data.variance <= 0.0:
        raise ValueError(
            f"{data.name} with variance 0 cannot be standardized: all its entries are equal. "
            "Give it a variance above 0 or leave the input raw."
        )
    return math.sqrt(data.variance)


@functools.lru_cache(maxsize=16)
def standardization(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of every feature over a real data set's whole table.

    Both are (features,) float64, ddof 0; ``(x - mean) / deviation`` is the standardized input. A
    constant feature has its own value as mean and 1 as deviation, so it becomes exactly 0.
    """
    x = table(data).x
    constant = x.max(axis=0) == x.min(axis=0)
    mean = np.where(constant, x[0], x.mean(axis=0, dtype=np.float64))
    # In blocks of rows, since float64 copies of a whole image set are large.
    squares = sum(
        np.square(x[start : start + 1024] - mean).sum(axis=0) for start in range(0, len(x), 1024)
    )
    deviation = np.where(constant, 1.0, np.sqrt(squares / len(x)))
    for array in (mean, deviation):
        array.setflags(write=False)
    return mean, deviation


def sample(
    data: Dataset, count: int, features: int, generator: Generator, standardize: bool
) -> Tensor:
    """Returns ``count`` inputs, (count, features) float32, on the generator's device.

    Synthetic: a draw with the features asked for. Real: rows of the table in random
    order, without replacement as long as the table has ``count`` rows and with replacement beyond;
    ``features`` is ignored, the table has its own. The same state of the generator gives the same
    rows.

    ``standardize`` gives ``(x - mean) / deviation``: by the exact mean and variance for a
    synthetic set, per feature over the whole table for a real one (see `standardization`).

    Raises:
        ValueError: A count or number of features below 1, or a variance of 0 to standardize.
    """
    count = int(number("count", count, 1, 1e9, integer=True))
    if data.draw is not None:
        features = int(number("features", features, 1, 1e9, integer=True))
        scale = drawn_scale(data) if standardize else 1.0
        x = data.draw(count, features, generator)
        return ((x - data.mean) / scale if standardize else x).to(torch.float32)
    rows = table(data).x
    device = generator.device
    if count <= len(rows):
        index = torch.randperm(len(rows), generator=generator, device=device)[:count]
    else:
        index = torch.randint(len(rows), (count,), generator=generator, device=device)
    chosen = rows[index.cpu().numpy()]
    if standardize:
        mean, deviation = standardization(data)
        chosen = ((chosen - mean) / deviation).astype(np.float32)
    return torch.from_numpy(chosen).to(device)
