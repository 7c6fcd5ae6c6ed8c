"""Training, validation and test parts of a table: stratified, seeded, standardized."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from snn_core.datasets.dataset import Dataset, Table

__all__ = ["Part", "Split", "is_labelled", "is_regression", "split"]

SHARES = (0.6, 0.8)  # where the validation part begins, and the test part
STRATA = 10  # of a regression: tenths of its targets


class Part(NamedTuple):
    """Some rows: ``x`` (rows, features) float32; ``y`` (rows,) int64 classes, or float32."""

    x: np.ndarray
    y: np.ndarray


class Split(NamedTuple):
    """Three disjoint parts that together hold every row of a table once."""

    train: Part
    validation: Part
    test: Part


def is_labelled(data: Dataset) -> bool:
    """Returns whether the data set has targets to learn."""
    return data.load is not None


def is_regression(table: Table) -> bool:
    """Returns whether the targets are numbers rather than classes."""
    return table.y.dtype.kind == "f"


@functools.lru_cache(maxsize=8)
def split(data: Dataset, seed: int = 0) -> Split:
    """Returns 60 % of the rows for training, 20 % for validation and 20 % for the test.

    Stratified: every class (every tenth of a regression's targets) is split in these proportions,
    to within a row. Every feature, and the targets of a regression, get mean 0 and variance 1 over
    the training part; a feature that is constant there only has its value subtracted. Rows are in
    random order within a part. The same seed gives the same parts.

    Raises:
        ValueError: A synthetic set, which has no targets.
    """
    if data.load is None:
        raise ValueError(
            f"{data.name} is random noise and has nothing to learn; use a data set with "
            "targets, such as moons."
        )
    table = data.load()
    source = np.random.default_rng([seed, len(table.y)])
    parts = _parts(_strata(table), source)
    x, y = table.x, table.y
    mean, deviation = _scale(x[parts[0]])
    low, spread = _scale(y[parts[0], None]) if is_regression(table) else (0, 1)
    found = []
    for rows in parts:
        target = (y[rows] - low) / spread if is_regression(table) else y[rows]
        part = Part(
            ((x[rows] - mean) / deviation).astype(np.float32),
            target.astype(np.float32 if is_regression(table) else np.int64),
        )
        for array in part:  # shared by every caller of the cache
            array.setflags(write=False)
        found.append(part)
    return Split(*found)


def _strata(table: Table) -> np.ndarray:
    """The stratum of every row, from 0."""
    if not is_regression(table):
        return table.y
    ranks = np.argsort(np.argsort(table.y, kind="stable"), kind="stable")
    return ranks * STRATA // len(ranks)


def _parts(strata: np.ndarray, source: np.random.Generator) -> list[np.ndarray]:
    """The rows of the three parts, each in random order."""
    shared: list[list[np.ndarray]] = [[], [], []]
    for stratum in np.unique(strata):
        rows = source.permutation(np.flatnonzero(strata == stratum))
        cuts = [round(len(rows) * share) for share in SHARES]
        for part, piece in zip(shared, np.split(rows, cuts), strict=True):
            part.append(piece)
    return [source.permutation(np.concatenate(pieces)) for pieces in shared]


def _scale(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of every column, float64; a constant column's deviation is 1."""
    constant = x.max(axis=0) == x.min(axis=0)
    mean = np.where(constant, x[0], x.mean(axis=0, dtype=np.float64))
    squares = sum(
        np.square(x[start : start + 1024] - mean).sum(axis=0) for start in range(0, len(x), 1024)
    )
    return mean, np.where(constant, 1.0, np.sqrt(squares / len(x)))
