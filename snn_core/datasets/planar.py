"""Labelled points in the plane: moons, circles, spirals, blobs and xor, 1000 rows each."""

from __future__ import annotations

import functools
import math

import numpy as np

from snn_core.datasets.dataset import Dataset, Table
from snn_core.tables import Parameter

__all__ = ["blobs", "circles", "moons", "spirals", "xor"]

ROWS = 1000
FORMULA = "None needed: computed by a formula, nothing is stored."


def _points(
    clean: np.ndarray, y: np.ndarray, noise: float, names: tuple[str, ...], stream: int
) -> Table:
    """The table of points plus normal noise, shuffled."""
    source = np.random.default_rng([ROWS, stream])
    x = (clean + noise * source.standard_normal(clean.shape)).astype(np.float32)
    order = source.permutation(len(x))
    x, y = x[order], y[order].astype(np.int64)
    for array in (x, y):  # shared by every caller of the cache
        array.setflags(write=False)
    return Table(x, y, names, None)


def _noise(default: float) -> Parameter:
    text = "Standard deviation of the normal noise on every coordinate."
    return Parameter("noise", default, 0.0, 2.0, "Noise", text)


@functools.lru_cache(maxsize=32)
def moons(noise: float = 0.15) -> Dataset:
    """Returns two interleaving half circles of radius 1."""

    @functools.cache
    def load() -> Table:
        angle = np.linspace(0.0, math.pi, ROWS // 2)
        upper = np.stack([np.cos(angle), np.sin(angle)], 1)
        lower = np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], 1)
        y = np.repeat([0, 1], ROWS // 2)
        return _points(np.concatenate([upper, lower]), y, noise, ("upper", "lower"), 1)

    return Dataset(
        name="moons",
        label="Moons (2-D)",
        description="1,000 points on two interleaving half circles; 2 classes.",
        citation="As scikit-learn's make_moons: Pedregosa et al. (2011), JMLR 12, 2825-2830.",
        licence=FORMULA,
        kind="formula",
        load=load,
        parameters=(_noise(0.15),),
        values=(("noise", noise),),
    )


@functools.lru_cache(maxsize=32)
def circles(noise: float = 0.1, factor: float = 0.5) -> Dataset:
    """Returns a circle of radius ``factor`` inside one of radius 1."""

    @functools.cache
    def load() -> Table:
        angle = np.linspace(0.0, 2.0 * math.pi, ROWS // 2, endpoint=False)
        outer = np.stack([np.cos(angle), np.sin(angle)], 1)
        y = np.repeat([0, 1], ROWS // 2)
        points = np.concatenate([outer, factor * outer])
        return _points(points, y, noise, ("outer", "inner"), 2)

    return Dataset(
        name="circles",
        label="Circles (2-D)",
        description="1,000 points on a circle and on a smaller one inside it; 2 classes.",
        citation="As scikit-learn's make_circles: Pedregosa et al. (2011), JMLR 12, 2825-2830.",
        licence=FORMULA,
        kind="formula",
        load=load,
        parameters=(
            _noise(0.1),
            Parameter("factor", 0.5, 0.0, 0.99, "Inner radius", "The outer radius is 1."),
        ),
        values=(("noise", noise), ("factor", factor)),
    )


@functools.lru_cache(maxsize=32)
def spirals(noise: float = 0.05, turns: float = 1.5) -> Dataset:
    """Returns two spirals of radius t and angle 2 pi turns t, t from 0.1 to 1, half a turn apart.

    The points lie evenly in t^2, so that the arms are about equally dense.
    """

    @functools.cache
    def load() -> Table:
        t = np.sqrt(np.linspace(0.01, 1.0, ROWS // 2))
        angle = 2.0 * math.pi * turns * t
        arm = np.stack([t * np.cos(angle), t * np.sin(angle)], 1)
        y = np.repeat([0, 1], ROWS // 2)
        return _points(np.concatenate([arm, -arm]), y, noise, ("first", "second"), 3)

    return Dataset(
        name="spirals",
        label="Spirals (2-D)",
        description="1,000 points on two interleaved spirals; 2 classes.",
        citation="After Lang, Witbrock (1988), Learning to Tell Two Spirals Apart, "
        "Proc. 1988 Connectionist Models Summer School.",
        licence=FORMULA,
        kind="formula",
        load=load,
        parameters=(
            _noise(0.05),
            Parameter("turns", 1.5, 0.25, 4.0, "Turns", "Full turns of each arm."),
        ),
        values=(("noise", noise), ("turns", turns)),
    )


@functools.lru_cache(maxsize=32)
def blobs(noise: float = 0.5) -> Dataset:
    """Returns three normal clouds about the corners of a triangle at distance 1 from 0."""

    @functools.cache
    def load() -> Table:
        y = np.arange(ROWS) % 3
        angle = 2.0 * math.pi * y / 3.0
        centres = np.stack([np.sin(angle), np.cos(angle)], 1)
        return _points(centres, y, noise, ("top", "right", "left"), 4)

    return Dataset(
        name="blobs",
        label="Blobs (2-D)",
        description="1,000 points in three normal clouds; 3 classes.",
        citation="As scikit-learn's make_blobs: Pedregosa et al. (2011), JMLR 12, 2825-2830.",
        licence=FORMULA,
        kind="formula",
        load=load,
        parameters=(_noise(0.5),),
        values=(("noise", noise),),
    )


@functools.lru_cache(maxsize=32)
def xor(noise: float = 0.1) -> Dataset:
    """Returns points uniform on the square [-1, 1]^2, labelled by the sign of x1 x2.

    The label is that of the point before the noise.
    """

    @functools.cache
    def load() -> Table:
        points = np.random.default_rng([ROWS, 0]).uniform(-1.0, 1.0, (ROWS, 2))
        y = (points[:, 0] * points[:, 1] > 0).astype(np.int64)
        return _points(points, y, noise, ("different signs", "same sign"), 5)

    return Dataset(
        name="xor",
        label="Xor (2-D)",
        description="1,000 points in a square; 2 classes: the two coordinates have the same sign, "
        "or different ones.",
        citation="Minsky, Papert (1969), Perceptrons, MIT Press; as on playground.tensorflow.org.",
        licence=FORMULA,
        kind="formula",
        load=load,
        parameters=(_noise(0.1),),
        values=(("noise", noise),),
    )
