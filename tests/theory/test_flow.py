"""The moment map on a grid, layer by layer, and the way to a fixed point."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snn_core.activations import ACTIVATIONS
from snn_core.theory.moments.flow import basin, orbit, vector_field
from snn_core.theory.moments.maps import moment_map

M, V = np.linspace(-1.5, 1.5, 7), np.geomspace(0.05, 9.0, 5)


@pytest.mark.parametrize("omega", [0.0, 0.4])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_arrow_ends_where_the_map_says(name: str, omega: float) -> None:
    field = vector_field(name, omega, 1.2, M, V)
    assert field.next_mean.shape == (5, 7) and field.jacobian.shape == (5, 7, 2, 2)
    for row, column in ((0, 0), (2, 3), (4, 6)):
        one = moment_map(name, M[column], V[row], omega, 1.2)
        assert field.next_mean[row, column] == pytest.approx(float(one.mean), rel=1e-12, abs=1e-14)
        assert field.next_variance[row, column] == pytest.approx(float(one.variance), rel=1e-12)
        assert field.jacobian[row, column] == pytest.approx(one.jacobian, rel=1e-11, abs=1e-14)
        norm = np.linalg.norm(one.jacobian, 2)
        assert field.spectral_norm[row, column] == pytest.approx(norm, rel=1e-12)


@pytest.mark.parametrize(("omega", "tau"), [(0.0, 1.0), (0.4, 1.2)])
@pytest.mark.parametrize("name", ["selu", "tanh"])
def test_an_orbit_is_the_map_again_and_again(name: str, omega: float, tau: float) -> None:
    path = orbit(name, (M[:, None], V), omega, tau, layers=4)
    assert path.mean.shape == path.variance.shape == (5, 7, 5)
    for layer in range(4):
        after = moment_map(name, path.mean[layer], path.variance[layer], omega, tau)
        np.testing.assert_array_equal(after.mean, path.mean[layer + 1])
        np.testing.assert_array_equal(after.variance, path.variance[layer + 1])


def test_layers_may_have_their_own_weights() -> None:
    path = orbit("identity", (1.0, 1.0), [1.0, 0.5], [2.0, 3.0], layers=2)
    assert path.variance.tolist() == [1.0, 2.0, 6.0]
    assert path.mean.tolist() == [1.0, 1.0, 0.5]


def test_an_orbit_that_explodes_ends_in_nan() -> None:
    path = orbit("identity", (0.0, [1.0, 1e-9]), 0.0, 10.0, layers=15)
    assert path.variance[11, 0] == pytest.approx(1e11)
    assert np.isnan(path.variance[12:, 0]).all() and np.isfinite(path.variance[:, 1]).all()


@pytest.mark.parametrize(
    ("name", "omega", "tau", "target"),
    [
        ("selu", 0.0, 1.0, (0.0, 1.0)),
        ("selu", 0.1, 1.0, (0.0, 1.0)),
        ("erf", 0.3, 2.0, (0.0, 0.44)),
    ],
)
def test_the_basin_counts_the_layers_of_each_orbit(
    name: str, omega: float, tau: float, target: tuple[float, float]
) -> None:
    count = basin(name, omega, tau, M, V, target, within=0.02, layers=60)
    path = orbit(name, (M[None, :], V[:, None]), omega, tau, layers=60)
    near = np.abs(path.mean - target[0]) <= 0.02 * math.sqrt(target[1])
    near &= np.abs(path.variance - target[1]) <= 0.02 * target[1]
    first = np.where(near.any(0), near.argmax(0), np.nan)
    np.testing.assert_array_equal(count, first)
    assert np.isfinite(count).any()


def test_the_entry_theorem_by_sampling() -> None:
    """Proved with ball arithmetic: from this box, inside theorem 1's domain after 25 layers."""
    m, v = np.linspace(-1, 1, 9), np.geomspace(0.02, 16, 9)
    for omega in (-0.1, 0.1):
        for tau in (0.95, 1.1):
            path = orbit("selu", (m[:, None], v), omega, tau, layers=25)
            assert (np.abs(path.mean[-1]) <= 0.1).all()
            assert ((path.variance[-1] >= 0.8) & (path.variance[-1] <= 1.5)).all()


def test_nothing_comes_near_where_nothing_is() -> None:
    assert np.isnan(basin("relu", 0.0, 1.0, M, V, (0.0, 100.0))).all()
    assert basin("relu", 0.0, 1.0, [0.0], [100.0], (0.0, 100.0)).tolist() == [[0.0]]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: vector_field("sellu", 0.0, 1.0, M, V), "Did you mean 'selu'"),
        (lambda: vector_field("selu", 0.0, 1.0, M, -V), "variance must be"),
        (lambda: vector_field("selu", 0.0, -1.0, M, V), "tau must be"),
        (lambda: vector_field("selu", 0.0, 1.0, M[None], V), "mean_axis must be one-dimensional"),
        (lambda: orbit("selu", (0.0, -1.0), layers=0), "variance must be"),
        (lambda: orbit("selu", (0.0, 1.0), layers=1.5), "layers must be"),
        (lambda: basin("selu", 0.0, 1.0, M, V, (0.0, 0.0)), "target variance must be"),
    ],
)
def test_a_wrong_argument_is_told(call, said: str) -> None:  # noqa: ANN001
    with pytest.raises(ValueError, match=said):
        call()
