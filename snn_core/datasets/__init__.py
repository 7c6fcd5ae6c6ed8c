"""Sources of input: distributions to draw from and tables to read, raw or standardized."""

from __future__ import annotations

from snn_core.datasets.dataset import Dataset, Table
from snn_core.datasets.moments import InputLaw, input_law
from snn_core.datasets.planar import blobs, circles, moons, spirals, xor
from snn_core.datasets.sampling import features, image_shape, sample, standardization
from snn_core.datasets.scikit import BREAST_CANCER, DIABETES, DIGITS, WINE
from snn_core.datasets.shipped import (
    FASHION_MNIST,
    LETTER,
    MAGIC,
    OPTICAL,
    PENDIGITS,
    SPAMBASE,
    STATLOG_IMAGE,
    STATLOG_LANDSAT,
    VOWEL,
)
from snn_core.datasets.splitting import Part, Split, is_labelled, is_regression, split
from snn_core.datasets.synthetic import correlated, gaussian, uniform
from snn_core.tables import pick, settle

__all__ = [
    "DATASETS",
    "Dataset",
    "InputLaw",
    "Part",
    "Split",
    "Table",
    "dataset",
    "features",
    "image_shape",
    "input_law",
    "is_labelled",
    "is_regression",
    "sample",
    "split",
    "standardization",
]

DISTRIBUTIONS = {"gaussian": gaussian, "uniform": uniform, "correlated": correlated}
PLANAR = {"moons": moons, "circles": circles, "spirals": spirals, "blobs": blobs, "xor": xor}

DATASETS: dict[str, Dataset] = {
    data.name: data
    for data in (
        *(make() for make in DISTRIBUTIONS.values()),
        *(points() for points in PLANAR.values()),
        FASHION_MNIST,
        DIGITS,
        OPTICAL,
        WINE,
        BREAST_CANCER,
        DIABETES,
        VOWEL,
        LETTER,
        MAGIC,
        PENDIGITS,
        SPAMBASE,
        STATLOG_IMAGE,
        STATLOG_LANDSAT,
    )
}


def dataset(name: str, **parameters: float) -> Dataset:
    """Returns the data set of that name with its parameters settled.

    >>> dataset("gaussian", variance=2.0).variance
    2.0

    Raises:
        ValueError: An unknown name or parameter, or a value out of bounds.
    """
    default = pick(DATASETS, name, "data set")
    values = settle(default.parameters, parameters, name)
    # The object in DATASETS where nothing differs, so that equal requests share cached results.
    if tuple(values.items()) == default.values:
        return default
    return (DISTRIBUTIONS | PLANAR)[name](**values)
