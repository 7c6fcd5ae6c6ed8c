"""Fixed points: each is mapped to itself, and its kind is what iterating the map does near it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from snn_core.activations import ACTIVATIONS, Activation, activation, gaussian_moments
from snn_core.theory.moments.fixed_points import HUGE, TINY, FixedPoint, NoFixedPoint, fixed_point
from snn_core.theory.moments.maps import moment_map

WEIGHTS = [(0.0, 1.0), (-0.5, 2.0), (0.0, 3.0)]

solved = lru_cache(fixed_point)


def follow(
    act: str | Activation, point: tuple[float, float], omega: float, tau: float, layers: int
) -> tuple[float, float]:
    for _ in range(layers):
        after = moment_map(act, *point, omega=omega, tau=tau)
        point = (float(after.mean), float(after.variance))
    return point


@pytest.mark.parametrize(("omega", "tau"), WEIGHTS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_fixed_point_is_mapped_to_itself_and_its_absence_is_told(
    name: str, omega: float, tau: float
) -> None:
    found = solved(name, omega, tau)
    if isinstance(found, NoFixedPoint):
        if found.layers <= 300:  # a longer orbit only takes longer
            orbit = follow(name, (0.0, 1.0), omega, tau, found.layers)
            assert orbit == (found.mean, found.variance)
        low, high = found.variance <= TINY, found.variance >= HUGE
        assert found.trend == ("vanishing" if low else "exploding" if high else "unsettled")
        assert found.reason.startswith(
            "From mean 0 and variance 1 the orbit reaches no fixed point:"
        )
        return
    point = (found.mean, found.variance)
    scale = (found.variance**0.5, found.variance)
    moved = np.subtract(follow(name, point, omega, tau, 1), point) / scale
    assert np.abs(moved).max() < 1e-11
    assert found.residual == pytest.approx(np.abs(moved * scale).max(), abs=1e-15)
    assert found.kind in found.reason


@pytest.mark.parametrize(("omega", "tau"), WEIGHTS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_jacobian_is_the_slope_of_the_map(name: str, omega: float, tau: float) -> None:
    found = solved(name, omega, tau)
    if isinstance(found, NoFixedPoint):
        return
    columns = []
    for axis in (0, 1):
        step = np.zeros(2)
        step[axis] = 1e-5 * found.variance ** (0.5 + 0.5 * axis)
        ahead = follow(name, tuple(np.array([found.mean, found.variance]) + step), omega, tau, 1)
        behind = follow(name, tuple(np.array([found.mean, found.variance]) - step), omega, tau, 1)
        columns.append(np.subtract(ahead, behind) / (2 * step[axis]))
    slope = np.stack(columns, axis=1)
    assert found.jacobian == pytest.approx(slope, rel=1e-6, abs=1e-6)
    radius = np.abs(np.linalg.eigvals(slope)).max()
    assert abs(found.eigenvalues[0]) == pytest.approx(radius, abs=1e-5)
    assert found.spectral_norm == pytest.approx(np.linalg.norm(slope, 2), abs=1e-5)


def test_selu_has_the_paper_s_fixed_point() -> None:
    found = fixed_point("selu")
    assert isinstance(found, FixedPoint)
    assert (found.mean, found.variance) == pytest.approx((0.0, 1.0), abs=1e-12)
    # Ball arithmetic of the Jacobian at (0, 1): Klambauer et al. 2017, section 2 and appendix.
    expected = [[0.0, 0.0888347551068901], [0.0, 0.782647883196813]]
    assert found.jacobian == pytest.approx(np.array(expected), abs=1e-12)
    assert found.eigenvalues == pytest.approx([0.782647883196813, 0.0], abs=1e-12)
    assert found.spectral_norm == pytest.approx(0.787673360465716, abs=1e-12)
    assert found.kind == "attracting"


@pytest.mark.parametrize("omega", [-0.1, 0.0, 0.1])
@pytest.mark.parametrize("tau", [0.95, 1.0, 1.1])
def test_theorem_1_holds_at_its_corners(omega: float, tau: float) -> None:
    found = fixed_point("selu", omega=omega, tau=tau, start=(-0.1, 1.5))
    assert isinstance(found, FixedPoint)
    assert -0.03107 <= found.mean <= 0.06773  # the printed lower bound fails by 5e-7
    assert 0.80009 <= found.variance <= 1.48617
    assert found.kind == "attracting" and found.spectral_norm < 1


def test_the_example_of_the_authors_notebook_is_repelling() -> None:
    act = activation("selu", alpha=1.97690219542, scale=1.07385123962)
    found = fixed_point(act, omega=1.0, tau=1.0, start=(-0.1, 2.0))
    assert isinstance(found, FixedPoint)
    assert (found.mean, found.variance) == pytest.approx((-0.1, 2.0), abs=1e-8)
    assert abs(found.eigenvalues[0]) == pytest.approx(1.108, abs=5e-4)
    assert found.kind == "repelling"
    away = follow(act, (found.mean + 1e-3, found.variance), 1.0, 1.0, layers=60)
    assert away == pytest.approx((0.23, 2.53), abs=5e-3)


def test_lines_of_fixed_points_are_neutral() -> None:
    keeps = 2 / (1 - 1 / math.pi)  # the variance of a rectified centred Gaussian
    for name, tau, start in (("relu", keeps, (0.0, 0.7)), ("identity", 1.0, (0.0, 3.0))):
        found = fixed_point(name, tau=tau, start=start)
        assert isinstance(found, FixedPoint)
        assert found.variance == pytest.approx(start[1], rel=1e-12)
        assert found.kind == "neutral"


def normalized(name: str) -> Activation:
    """a f + b, with a and b such that a standard Gaussian keeps mean 0 and variance 1."""
    act = ACTIVATIONS[name]
    moments = gaussian_moments(act, 0.0, 1.0)
    a = float(moments.variance) ** -0.5
    b = -a * float(moments.mean)
    fn, derivative = act.fn, act.derivative
    return replace(
        act, fn=lambda z: a * fn(z) + b, derivative=lambda z: a * derivative(z), moments=None
    )


@pytest.mark.parametrize(
    ("name", "eigenvalue"),
    [
        *(("sin", 0.313), ("hardtanh", 0.385), ("erf", 0.409), ("tanh", 0.461)),
        *(("softsign", 0.477), ("sigmoid", 0.719), ("selu", 0.783), ("elu", 0.860)),
        *(("identity", 1.0), ("relu", 1.0), ("leaky_relu", 1.0)),
        *(("mish", 1.001), ("softplus", 1.056), ("gelu", 1.062), ("silu", 1.101)),
        ("hardswish", 1.156),
    ],
)
def test_any_activation_made_to_fix_0_and_1_attracts_as_computed(
    name: str, eigenvalue: float
) -> None:
    found = fixed_point(normalized(name))
    assert isinstance(found, FixedPoint)
    assert (found.mean, found.variance) == pytest.approx((0.0, 1.0), abs=1e-9)
    assert abs(found.eigenvalues[0]) == pytest.approx(eigenvalue, abs=6e-4)
    kinds = {True: "attracting", False: "repelling"}
    assert found.kind == ("neutral" if eigenvalue == 1 else kinds[eigenvalue < 1])


@pytest.mark.parametrize(
    ("name", "tau", "trend"),
    [("relu", 1.0, "vanishing"), ("identity", 1.1, "exploding"), ("tanh", 1.0, "unsettled")],
)
def test_no_fixed_point_says_where_the_variance_goes(name: str, tau: float, trend: str) -> None:
    found = fixed_point(name, tau=tau)
    assert isinstance(found, NoFixedPoint)
    assert found.trend == trend


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"act": "sellu"}, "Did you mean 'selu'"),
        ({"act": "selu", "tau": -1.0}, "tau must be"),
        ({"act": "selu", "omega": math.nan}, "omega must be"),
        ({"act": "selu", "start": (0.0, 0.0)}, "variance must be"),
    ],
)
def test_a_wrong_argument_is_told(given: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fixed_point(**given)
