"""What a data set is: rows of features drawn or loaded, with a source and a licence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from snn_core.tables import Parameter

__all__ = ["Dataset", "Table"]


class Table(NamedTuple):
    """A loaded set: ``x`` (rows, features) float32, raw; ``y`` (rows,) int64 classes from 0.

    A regression has float32 targets and no class names.
    """

    x: np.ndarray
    y: np.ndarray
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int] | None  # (channels, height, width) where rows are images


@dataclass(frozen=True)
class Dataset:
    """One source of input.

    Attributes:
        kind: "synthetic" (drawn, with a closed-form mean and variance), "formula" (a
            table of labelled points that a formula makes) or "real" (a table).
        draw: Synthetic only: ``(count, features, generator) -> (count, features)`` float64 tensor.
        load: Tables only: the table, read once per process and cached.
        mean, variance, correlation: Synthetic only: moments of one entry, and the
            Pearson correlation of the same feature in two samples.
        kurtosis: Synthetic only: E (x - mean)^4 / variance^2; the distribution is symmetric.
    """

    name: str
    label: str
    description: str
    citation: str
    licence: str
    kind: str
    draw: Callable | None = None
    load: Callable[[], Table] | None = None
    mean: float = 0.0
    variance: float = 1.0
    correlation: float = 0.0
    kurtosis: float = 3.0
    parameters: tuple[Parameter, ...] = ()
    values: tuple[tuple[str, float], ...] = ()
