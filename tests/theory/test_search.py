"""All fixed points in a window: each is one, none that an orbit finds is missed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_core.activations import ACTIVATIONS, activation
from snn_core.theory.moments.fixed_points import FixedPoint, distance, fixed_point
from snn_core.theory.moments.flow import orbit
from snn_core.theory.moments.maps import moment_map
from snn_core.theory.moments.search import FixedPoints, fixed_points

MEAN, VARIANCE = (-2.0, 2.0), (1e-3, 20.0)
WEIGHTS = [(0.0, 1.0), (0.5, 1.5), (-1.0, 3.0)]


def check(act: str, omega: float, tau: float, found: FixedPoints) -> None:
    for p in found.points:
        after = moment_map(act, p.mean, p.variance, omega, tau)
        moved = ((after.mean - p.mean) / p.variance**0.5, after.variance / p.variance - 1)
        assert np.abs(moved).max() < 1e-10
        assert MEAN[0] <= p.mean <= MEAN[1] and VARIANCE[0] <= p.variance <= VARIANCE[1]
    pairs = [(p.mean, p.variance) for p in found.points]
    assert pairs == sorted(pairs, key=lambda pair: pair[1])
    apart = [distance(a, b) for i, a in enumerate(pairs) for b in pairs[:i]]
    assert not apart or min(apart) > 1e-6
    assert bool(found.points) != found.reason.startswith("No fixed point")


@pytest.mark.parametrize(("omega", "tau"), WEIGHTS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_point_is_fixed_and_no_orbit_s_end_is_missed(
    name: str, omega: float, tau: float
) -> None:
    found = fixed_points(name, omega, tau)
    check(name, omega, tau, found)
    if found.continuum:
        assert len(found.points) >= 1
        return
    starts = [grid.ravel() for grid in np.meshgrid([-1.5, 0.0, 1.5], [0.01, 1.0, 15.0])]
    path = orbit(name, (starts[0], starts[1]), omega, tau, layers=150)
    for before, last in zip(
        zip(path.mean[-2], path.variance[-2], strict=True),
        zip(path.mean[-1], path.variance[-1], strict=True),
        strict=True,
    ):
        inside = MEAN[0] < last[0] < MEAN[1] and VARIANCE[0] < last[1] < VARIANCE[1]
        if inside and distance(before, last) < 1e-9:
            gaps = [distance(last, (p.mean, p.variance)) for p in found.points]
            assert min(gaps, default=math.inf) < 1e-6


@given(
    st.sampled_from(["selu", "elu", "erf", "gelu", "sselu", "hardtanh"]),
    st.floats(-1.0, 1.0),
    st.floats(0.5, 3.0),
)
@settings(max_examples=40)
def test_any_weights(name: str, omega: float, tau: float) -> None:
    check(name, omega, tau, fixed_points(name, omega, tau))


def test_attracting_and_repelling_points_are_found_together() -> None:
    """erf at omega = tau = 1: (0, 0.1419) attracts, with a repelling point on either side."""
    found = fixed_points("erf", 1.0, 1.0)
    assert [p.kind for p in found.points] == ["repelling", "repelling", "attracting"]
    assert found.points[0].mean == pytest.approx(-found.points[1].mean, rel=1e-8)
    assert found.reason == "3 fixed points: 2 repelling, 1 attracting."


def test_the_notebook_s_example_has_its_repelling_point_in_the_window() -> None:
    act = activation("selu", alpha=1.97690219542, scale=1.07385123962)
    points = fixed_points(act, 1.0, 1.0).points
    (near,) = [p for p in points if abs(p.mean + 0.1) < 1e-6 and abs(p.variance - 2) < 1e-6]
    assert near.kind == "repelling"


KEEPS = 2 / (1 - 1 / math.pi)  # tau at which ReLU keeps the variance of a centred Gaussian


@pytest.mark.parametrize(
    ("name", "omega", "tau"),
    [("relu", 0.0, KEEPS), ("identity", 0.0, 1.0), ("identity", 1.0, 1.0)],
)
def test_a_continuum_is_one_point_and_a_sentence(name: str, omega: float, tau: float) -> None:
    found = fixed_points(name, omega, tau)
    assert found.continuum and len(found.points) == 1
    assert found.points[0].kind == "neutral"
    assert "without a gap" in found.reason
    if name == "identity":
        assert (found.points[0].mean, found.points[0].variance) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("name", "omega", "tau", "said"),
    [
        ("relu", 0.0, 2.0, "the variance falls everywhere"),
        ("identity", 0.0, 1.1, "the variance grows everywhere"),
        ("selu", -1.0, 3.0, "but the mean moves on"),
    ],
)
def test_none_has_a_reason(name: str, omega: float, tau: float, said: str) -> None:
    found = fixed_points(name, omega, tau)
    assert found.points == () and not found.continuum
    assert said in found.reason


def test_the_window_decides() -> None:
    assert len(fixed_points("selu").points) == 1
    assert not fixed_points("selu", variance=(1.001, 20.0)).points
    assert not fixed_points("selu", mean=(0.1, 2.0)).points
    assert len(fixed_points("selu", variance=(1.0, 20.0)).points) == 1  # its ends count


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"act": "sellu"}, "Did you mean 'selu'"),
        ({"act": "selu", "tau": -1.0}, "tau must be"),
        ({"act": "selu", "variance": (0.0, 1.0)}, "variance must be"),
        ({"act": "selu", "mean": (1.0, -1.0)}, "mean must go from a smaller"),
    ],
)
def test_a_wrong_argument_is_told(given: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fixed_points(**given)


@pytest.mark.parametrize(
    ("name", "tau", "said"),
    [
        ("selu", 1.0, "A small deviation shrinks by 22 % each layer."),
        ("sin", 3.0, "A small deviation shrinks by 82 % each layer."),
        ("hardswish", KEEPS, "A small deviation grows by 12 % each layer."),
        ("identity", 1.0, "A small deviation stays as large as it is."),
    ],
)
def test_the_contraction_in_words(name: str, tau: float, said: str) -> None:
    (point,) = fixed_points(name, 0.0, tau).points
    assert point.contraction == said
    radius = abs(point.eigenvalues[0])
    stated = [float(word) for word in said.split() if word.isdigit()] or [0.0]
    assert stated[0] == pytest.approx(100 * abs(1 - radius), abs=0.5)


def test_singular_values_are_the_jacobian_s() -> None:
    point = fixed_point("selu", omega=0.3)
    assert isinstance(point, FixedPoint)
    product = point.singular_values.prod()
    assert product == pytest.approx(abs(np.linalg.det(point.jacobian)), rel=1e-12)
    squares = np.square(point.jacobian).sum()
    assert np.square(point.singular_values).sum() == pytest.approx(squares, rel=1e-12)
    assert point.singular_values[0] == point.spectral_norm >= point.singular_values[1]
