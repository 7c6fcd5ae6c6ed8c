"""The moment map as a flow: arrows on a grid, orbits, and the basin of a fixed point.

Grids are ``(variances, means)``, a row per variance, as a figure draws them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from snn_core.activations import Activation, activation
from snn_core.tables import number
from snn_core.theory.moments.maps import moment_map

__all__ = ["Orbit", "VectorField", "basin", "orbit", "vector_field"]

Near = Callable[[np.ndarray], np.ndarray]

FAR = 1e12  # a mean or a variance beyond this is on its way to infinity
STILL = 1e-9  # a relative step this short won't lead to another place


@dataclass(frozen=True)
class VectorField:
    """Where one layer takes every point of a grid.

    Attributes:
        mean_axis, variance_axis: ``(M,)`` and ``(V,)``.
        next_mean, next_variance: ``(V, M)``; the arrow ends there.
        jacobian: ``(V, M, 2, 2)``, d(next mean, next variance) / d(mean, variance).
        spectral_norm: ``(V, M)``, the jacobian's largest singular value; below 1, two points near
            each other come nearer (as in the proof of theorem 1, Klambauer et al. 2017).
    """

    mean_axis: np.ndarray
    variance_axis: np.ndarray
    next_mean: np.ndarray
    next_variance: np.ndarray
    jacobian: np.ndarray
    spectral_norm: np.ndarray


class Orbit(NamedTuple):
    """Mean and variance after 0, 1, 2, ... layers, ``(layers + 1, *starts)``.

    NaN from the first layer on at which one of them is beyond 1e12.
    """

    mean: np.ndarray
    variance: np.ndarray


def vector_field(
    act: str | Activation,
    omega: float,
    tau: float,
    mean_axis: ArrayLike,
    variance_axis: ArrayLike,
) -> VectorField:
    """Returns where one layer takes every point of the grid, and how it stretches there.

    >>> at = vector_field("selu", 0.0, 1.0, [-1.0, 0.0, 1.0], [1.0, 2.0])
    >>> at.next_mean.shape, bool(abs(at.next_variance[0, 1] - 1.0) < 1e-12)
    ((2, 3), True)

    Args:
        omega, tau: Sum and sum of squares of a unit's incoming weights.
        mean_axis, variance_axis: ``(M,)`` and ``(V,)``.

    Raises:
        ValueError: The activation is unknown, an axis isn't one-dimensional, or a number is out
            of its range.
    """
    act, omega, tau = activation(act), *_weights(omega, tau)
    m, v = _axes(mean_axis, variance_axis)
    if omega == 0.0:  # then the mean of the inputs does not matter
        column = moment_map(act, 0.0, v[:, None], omega, tau)
        shape = (v.size, m.size)
        mean, variance = (np.broadcast_to(column[k], shape).copy() for k in (0, 1))
        jacobian = np.broadcast_to(column.jacobian, (*shape, 2, 2)).copy()
    else:
        full = moment_map(act, m[None, :], v[:, None], omega, tau)
        mean, variance, jacobian = full.mean, full.variance, full.jacobian
    return VectorField(m, v, mean, variance, jacobian, _spectral_norm(jacobian))


def orbit(
    act: str | Activation,
    start: tuple[ArrayLike, ArrayLike],
    omega: ArrayLike = 0.0,
    tau: ArrayLike = 1.0,
    layers: int = 50,
) -> Orbit:
    """Returns the moments after 0, 1, ..., ``layers`` layers.

    >>> orbit("selu", (0.0, 1.0), layers=3).variance.round(9).tolist()
    [1.0, 1.0, 1.0, 1.0]

    Args:
        start: Mean and variance, numbers or arrays that broadcast.
        omega, tau: Numbers, or ``(layers,)`` for each layer its own.

    Raises:
        ValueError: The activation is unknown, or a number is out of its range.
    """
    act, layers = activation(act), int(number("layers", layers, 0, 100_000, integer=True))
    sums = [np.broadcast_to(np.asarray(w, np.float64), (layers,)) for w in (omega, tau)]
    m, v = (np.array(x, np.float64) for x in np.broadcast_arrays(*start))
    path = np.full((2, layers + 1, m.size), np.nan)
    here = np.stack([m.ravel(), v.ravel()])
    moment_map(act, here[0], here[1])  # a start that is wrong is told now, also by no layers
    path[:, 0], alive = here, np.arange(m.size)
    for layer in range(layers):
        after = moment_map(act, here[0], here[1], sums[0][layer], sums[1][layer])
        here = np.stack([after.mean, after.variance])
        near = (np.abs(here) < FAR).all(0)
        here, alive = here[:, near], alive[near]
        path[:, layer + 1, alive] = here
    return Orbit(*path.reshape(2, layers + 1, *m.shape))


def basin(
    act: str | Activation,
    omega: float,
    tau: float,
    mean_axis: ArrayLike,
    variance_axis: ArrayLike,
    target: tuple[float, float],
    within: float = 1e-2,
    layers: int = 200,
) -> np.ndarray:
    """Returns how many layers it takes from every point to come near the target, ``(V, M)``.

    Near: the mean within ``within`` standard deviations of the target, the variance within that
    share of its own. NaN where it does not happen in so many layers. The first time counts: from
    near a repelling target the moments leave again.

    Args:
        omega, tau: Sum and sum of squares of a unit's incoming weights.
        mean_axis, variance_axis: ``(M,)`` and ``(V,)``.
        target: Mean and variance, such as a fixed point's.

    Raises:
        ValueError: The activation is unknown, an axis isn't one-dimensional, or a number is out
            of its range.
    """
    act, omega, tau = activation(act), *_weights(omega, tau)
    m, v = _axes(mean_axis, variance_axis)
    layers = int(number("layers", layers, 0, 100_000, integer=True))
    within = number("within", within, 1e-12, 1e3)
    centre = number("target mean", target[0], -1e6, 1e6)
    spread = number("target variance", target[1], 1e-12, 1e12)
    unit = np.array([[spread**0.5], [spread]]) * within

    def is_near(points: np.ndarray) -> np.ndarray:
        return np.all(np.abs(points - [[centre], [spread]]) <= unit, axis=0)

    grid = np.stack([axis.ravel() for axis in np.meshgrid(m, v)])
    near = is_near(grid)
    if omega == 0.0:  # a row has one orbit
        rest = np.stack([np.zeros(v.size), v])
        count = np.repeat(_layers_to(act, omega, tau, rest, is_near, layers), m.size)
    else:
        count = _layers_to(act, omega, tau, grid, is_near, layers)
    return np.where(near, 0.0, count).reshape(v.size, m.size)


def _layers_to(
    act: Activation, omega: float, tau: float, points: np.ndarray, is_near: Near, layers: int
) -> np.ndarray:
    """Returns after how many layers, 1 or more, each of the points ``(2, n)`` is near."""
    count = np.full(points.shape[1], np.nan)
    index, here = np.arange(points.shape[1]), points
    for layer in range(1, layers + 1):
        if not index.size:
            break
        after = moment_map(act, here[0], here[1], omega, tau)
        there = np.stack([after.mean, after.variance])
        near = is_near(there)
        count[index[near]] = layer
        scale = np.stack([np.sqrt(there[1]), there[1]])
        moves = (np.abs(there - here) > STILL * scale).any(0)
        going = ~near & moves & (np.abs(there) < FAR).all(0)
        index, here = index[going], there[:, going]
    return count


def _weights(omega: float, tau: float) -> tuple[float, float]:
    return number("omega", omega, -1e3, 1e3), number("tau", tau, 0.0, 1e6)


def _axes(mean_axis: ArrayLike, variance_axis: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    axes = []
    for name, given in (("mean_axis", mean_axis), ("variance_axis", variance_axis)):
        axis = np.asarray(given, np.float64)
        if axis.ndim != 1:
            raise ValueError(f"{name} must be one-dimensional, got shape {axis.shape}.")
        axes.append(axis)
    return axes[0], axes[1]


def _spectral_norm(jacobian: np.ndarray) -> np.ndarray:
    """Returns the largest singular value of every 2 x 2 matrix (the paper's S, lemma 11)."""
    (a, b), (c, d) = np.moveaxis(jacobian, (-2, -1), (0, 1))
    return 0.5 * (np.hypot(a + d, c - b) + np.hypot(a - d, b + c))
