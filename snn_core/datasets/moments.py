"""Moments of the input, from which the theory starts."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from snn_core.datasets.dataset import Dataset
from snn_core.datasets.sampling import drawn_scale, standardization, table

__all__ = ["InputLaw", "input_law"]

SAMPLES = 64
BLOCK = 1024  # rows at a time: float64 copies of a whole image set are large


class InputLaw(NamedTuple):
    """Moments of the input of K representative samples, float64.

    Attributes:
        mean: (K,) mean over features of one sample.
        second_moment: (K,) mean over features of the square.
        pair_product: Average over pairs of different samples a, b of ``mean_j x_aj x_bj``.
        products: (K, K) ``mean_j x_aj x_bj`` of the representatives; for K = 1 of pairs of draws.
        mean_map: (K, height, width) mean over channels, for image sets, else None.
        second_map: (K, height, width) mean over channels of the square, or None.
    """

    mean: np.ndarray
    second_moment: np.ndarray
    pair_product: float
    products: np.ndarray
    mean_map: np.ndarray | None
    second_map: np.ndarray | None


def input_law(data: Dataset, features: int, standardize: bool) -> InputLaw:
    """Returns the moments of the input.

    Synthetic: K = 1 and the exact numbers, ``second_moment = variance + mean^2`` and
    ``pair_product = correlation variance + mean^2``, for any number of features.

    Real: K = min(rows, 64) rows of the table, spread evenly over the second moment and chosen so
    that averages over K follow the averages over the table (for the sets here: mean, squared
    mean and second moment within 1% of the mean second moment, or its root for the mean). The
    pair product is exact over all pairs of the table:
    ``(|sum_a x_a|^2 - sum_a |x_a|^2) / (rows (rows - 1) features)``.

    Raises:
        ValueError: A variance of 0 to standardize.
    """
    del features  # exact moments do not depend on it, and a table has its own
    if data.draw is None:
        return _real(data, bool(standardize))
    mean, variance = data.mean, data.variance
    if standardize:
        drawn_scale(data)
        mean, variance = 0.0, 1.0
    pair = data.correlation * variance + mean**2
    second = np.array([variance + mean**2])
    return InputLaw(np.array([mean]), second, pair, np.array([[pair]]), None, None)


def _rows(data: Dataset, standardize: bool, index: np.ndarray | slice) -> np.ndarray:
    x = table(data).x[index].astype(np.float64)
    if standardize:
        mean, deviation = standardization(data)
        x = (x - mean) / deviation
    return x


def representatives(mean: np.ndarray, second_moment: np.ndarray, count: int) -> np.ndarray:
    """Returns (count,) indices of samples whose average moments follow those of all samples.

    Sorted by falling second moment, the samples are cut into ``count`` blocks of equal size, and
    each block gives one sample: the one that brings the running sums of second moment, mean and
    squared mean closest to what they should be by then. Falling, because the tail has few samples
    with large numbers, whose errors later blocks can correct. Picking the middle of
    every block instead misses up to 30% of the second moment of a table with heavy tails.
    """
    rows = len(mean)
    scale = max(float(second_moment.mean()), np.finfo(float).tiny)
    moments = np.stack([second_moment, mean * np.sqrt(scale), mean**2], axis=1) / scale
    order = np.argsort(-second_moment, kind="stable")
    owed = np.zeros(3)
    chosen = []
    for block in np.split(order, np.arange(1, count) * rows // count):
        owed += moments[block].sum(axis=0) * count / rows
        best = block[np.argmin(np.square(moments[block] - owed).sum(axis=1))]
        owed -= moments[best]
        chosen.append(best)
    return np.array(chosen)


@functools.lru_cache(maxsize=32)
def _real(data: Dataset, standardize: bool) -> InputLaw:
    rows, features = table(data).x.shape
    total, squares, means, seconds = np.zeros(features), 0.0, [], []
    for start in range(0, rows, BLOCK):
        x = _rows(data, standardize, slice(start, start + BLOCK))
        total += x.sum(axis=0)
        means.append(x.mean(axis=1))
        seconds.append(np.square(x).mean(axis=1))
        squares += float(seconds[-1].sum()) * features
    mean, second = np.concatenate(means), np.concatenate(seconds)
    pairs = rows * (rows - 1) * features
    pair_product = (float(total @ total) - squares) / pairs if pairs else float("nan")
    index = representatives(mean, second, min(rows, SAMPLES))
    chosen = _rows(data, standardize, index)
    maps: tuple[np.ndarray | None, np.ndarray | None] = (None, None)
    shape = table(data).image_shape
    if shape is not None:
        images = chosen.reshape(len(index), *shape)
        maps = images.mean(axis=1), np.square(images).mean(axis=1)
    found = InputLaw(mean[index], second[index], pair_product, chosen @ chosen.T / features, *maps)
    for array in found:
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
    return found
