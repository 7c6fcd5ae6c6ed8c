"""Mean field: lengths against plain iteration, edges, depths, and the correlation map's ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snn_core.activations import ACTIVATIONS, gaussian_moments
from snn_core.theory.mean_field.correlation import correlation_curve
from snn_core.theory.mean_field.edge import edge_of_chaos
from snn_core.theory.mean_field.phases import phase
from snn_core.theory.moments.maps import correlation_map

LAMBDA, ALPHA = 1.0507009873554804934, 1.6732632423543772848
COLLAPSE = math.sqrt(2 / (LAMBDA**2 * (1 + ALPHA**2)))
DIVERGE = math.sqrt(2) / LAMBDA
every_name = pytest.mark.parametrize("name", list(ACTIVATIONS))
W, B = (axis.ravel() for axis in np.meshgrid([0.5, 0.97, 1.17, 1.6, 3.0], [0.0, 0.2, 1.1]))


def iterated(name: str, w: np.ndarray, b: np.ndarray, layers: int = 600) -> np.ndarray:
    q, moving = np.ones(w.shape), np.ones(w.shape, bool)
    for _ in range(layers):
        before = q[moving]
        q[moving] = np.minimum(
            w[moving] ** 2 * gaussian_moments(name, 0.0, before).second_moment + b[moving] ** 2,
            1e13,
        )
        moving[moving] = ~np.isclose(q[moving], before, rtol=1e-13, atol=0)
        if not moving.any():
            break
    return q


@every_name
def test_the_length_is_where_iteration_ends(name: str) -> None:
    found, q = phase(name, W, B), iterated(name, W, B)
    again = W**2 * gaussian_moments(name, 0.0, q).second_moment + B**2
    done = np.isclose(again, q, rtol=1e-9, atol=0) & (q < 1e12)  # the others still crawl
    assert done.sum() >= 5
    np.testing.assert_allclose(found.q[done], q[done], rtol=1e-6)
    # Those that crawl are still between the start and what was found.
    gone, grown = found.q[~done] <= q[~done], found.q[~done] >= np.minimum(q[~done], 1e12)
    assert np.where(q[~done] < 1, gone, grown).all()


@every_name
def test_at_the_length_everything_is_what_the_moments_say(name: str) -> None:
    found = phase(name, W, B)
    good = (found.q > 0) & np.isfinite(found.q)
    q, w, b = found.q[good], W[good], B[good]
    at = gaussian_moments(name, 0.0, q)
    np.testing.assert_allclose(w**2 * at.second_moment + b**2, q, rtol=1e-11)
    np.testing.assert_allclose(found.chi_1[good], w**2 * at.derivative_second_moment, rtol=1e-12)
    h = 1e-5
    up, down = (gaussian_moments(name, 0.0, q * (1 + s)).second_moment for s in (h, -h))
    np.testing.assert_allclose(
        found.slope[good], w**2 * (up - down) / (2 * h * q), rtol=1e-5, atol=1e-8
    )
    ordered = good & (found.chi_1 < 1 - 1e-6)
    assert (found.correlation[ordered] == 1).all()
    expected = -1 / np.log(found.chi_1[ordered])
    np.testing.assert_allclose(found.depth_scale_c[ordered], expected, rtol=1e-10)
    assert np.isnan(found.depth_scale_c[~good]).all()


@pytest.mark.parametrize("name", ["selu", "relu6", "hardtanh", "tanh", "erf", "sin", "softsign"])
def test_in_chaos_the_correlation_is_the_exact_map_s(name: str) -> None:
    found = phase(name, W, B)
    chaos = np.flatnonzero((found.correlation < 0.999) & np.isfinite(found.q))
    assert chaos.size
    for k in chaos[:5]:
        q, c = found.q[k], found.correlation[k]
        around = np.array([c, min(c + 1e-4, 1.0), c - 1e-4])
        after, ahead, behind = (W[k] ** 2 * correlation_map(name, q, around) + B[k] ** 2) / q
        assert float(after) == pytest.approx(c, abs=1e-5)
        slope = float(ahead - behind) / (around[1] - around[2])
        assert found.depth_scale_c[k] == pytest.approx(-1 / math.log(slope), rel=5e-3)
        assert slope < 1


def test_selu_at_its_fixed_point() -> None:
    found = phase("selu", 1.0, 0.0)
    assert float(found.q) == pytest.approx(1.0, abs=1e-12)
    assert float(found.chi_1) == pytest.approx(1.0715749924557993, rel=1e-12)
    assert float(found.slope) == pytest.approx(0.782647883196813, rel=1e-12)
    assert float(found.depth_scale_q) == pytest.approx(4.08, abs=5e-3)
    assert float(found.depth_scale_c) == pytest.approx(33.6, abs=0.05)
    assert float(found.depth_scale_gradient) == pytest.approx(14.5, abs=0.05)
    assert float(found.correlation) == pytest.approx(0.0, abs=1e-9)


def test_selu_without_bias_vanishes_is_chaotic_or_explodes() -> None:
    assert pytest.approx(0.690486, abs=5e-7) == COLLAPSE
    assert pytest.approx(1.345971, abs=5e-7) == DIVERGE
    low = phase("selu", [0.1, 0.5, COLLAPSE - 1e-4], 0.0)
    assert (low.q == 0).all() and (low.chi_1 < 1).all()
    between = phase("selu", np.linspace(COLLAPSE + 1e-4, DIVERGE - 1e-3, 40), 0.0)
    assert (between.q > 0).all() and np.isfinite(between.q).all() and (between.chi_1 > 1).all()
    high = phase("selu", [DIVERGE, 1.5, 3.0], [0.0, 0.0, 1.0])
    assert np.isinf(high.q).all() and np.isnan(high.depth_scale_q).all()
    assert high.chi_1[1] == pytest.approx(1.5**2 * LAMBDA**2 / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "sigma_b", "sigma_w"),
    [
        *(("selu", 0.3, 0.98369), ("selu", 0.6, 1.07487), ("selu", 1.0, 1.14792)),
        *(("tanh", 0.0, 1.0), ("erf", 0.0, math.sqrt(math.pi) / 2), ("relu", 0.0, math.sqrt(2))),
        *(("identity", 0.0, 1.0), ("leaky_relu", 0.0, math.sqrt(2 / 1.0001))),
        # The limit at which SELU's lengths begin to vanish; a network lives at no such edge.
        ("selu", 0.0, COLLAPSE),
    ],
)
def test_the_edge_of_chaos(name: str, sigma_b: float, sigma_w: float) -> None:
    assert float(edge_of_chaos(name, sigma_b)) == pytest.approx(sigma_w, abs=5e-6)


@pytest.mark.parametrize(
    ("name", "sigma_b"),
    [("relu", 0.1), ("identity", 0.5), ("softplus", 0.5), ("gelu", 0.0), ("silu", 0.2)],
)
def test_no_edge_of_chaos_is_nan(name: str, sigma_b: float) -> None:
    assert math.isnan(edge_of_chaos(name, sigma_b))


@every_name
def test_at_the_edge_the_gradient_keeps_its_length(name: str) -> None:
    sigma_b = np.array([1e-3, 0.05, 0.4, 1.5])
    edge = edge_of_chaos(name, sigma_b)
    good = np.isfinite(edge)
    found = phase(name, edge[good], sigma_b[good])
    np.testing.assert_allclose(found.chi_1, 1.0, atol=1e-6)
    if name in ("selu", "tanh", "erf", "sin", "elu", "hardtanh"):
        assert good.all() and (np.diff(edge) > 0).all()
    # Below it order, above it chaos, as far as lengths stay finite.
    below, above = (phase(name, edge[good] * f, sigma_b[good]) for f in (0.999, 1.001))
    assert (below.chi_1 < 1).all() and (above.chi_1 > 1).all()


@every_name
def test_the_curve_is_the_correlation_map_and_its_points_are_kept(name: str) -> None:
    c = np.linspace(-1, 1, 9)
    for w, b in ((1.0, 0.0), (1.3, 0.2), (2.0, 0.1)):
        curve = correlation_curve(name, w, b, c)
        if not 0 < curve.q < math.inf:
            assert np.isnan(curve.next_correlation).all() and not curve.points
            assert ("vanish" if curve.q == 0 else "explode") in curve.reason
            continue
        exact = (w * w * correlation_map(name, curve.q, c) + b * b) / curve.q
        np.testing.assert_allclose(curve.next_correlation, exact, atol=1e-9)
        assert curve.next_correlation[-1] == pytest.approx(1.0, abs=1e-11)
        assert curve.points[-1].correlation == 1.0
        assert curve.points[-1].slope == pytest.approx(float(phase(name, w, b).chi_1), rel=1e-12)
        for point in curve.points:
            kept = correlation_curve(name, w, b, point.correlation).next_correlation
            assert float(kept) == pytest.approx(point.correlation, abs=1e-8)
        positive = [p for p in curve.points if p.correlation >= 0]
        assert len(positive) <= 2  # convex
        if len(positive) == 2:
            assert positive[0].kind == "attracting" and positive[1].kind == "repelling"


def test_selu_s_correlations_go_to_0() -> None:
    curve = correlation_curve("selu", 1.0, 0.0, 0.5)
    zero, one = curve.points
    assert (zero.correlation, zero.slope) == pytest.approx((0.0, 0.97068), abs=1e-5)
    assert one.slope == pytest.approx(1.0715749924557993, rel=1e-10)
    assert curve.reason.startswith("Two inputs become unlike: their correlation goes to 0;")


def test_shapes_broadcast() -> None:
    found = phase("selu", np.ones((3, 1)), np.zeros(4))
    assert {x.shape for x in vars(found).values()} == {(3, 4)}
    assert phase("selu", np.zeros((0, 2)), 0.0).q.shape == (0, 2)
    assert edge_of_chaos("selu", np.full((2, 3), 0.3)).shape == (2, 3)
    assert correlation_curve("selu", 1.0, 0.0, np.zeros((2, 2))).next_correlation.shape == (2, 2)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: phase("sellu", 1.0, 0.0), "Did you mean 'selu'"),
        (lambda: phase("selu", -1.0, 0.0), "sigma_w must be between 0 and 1000, got -1"),
        (lambda: phase("selu", 1.0, math.nan), "sigma_b must be"),
        (lambda: edge_of_chaos("selu", math.inf), "sigma_b must be"),
        (lambda: correlation_curve("selu", 1.0, 0.0, 1.5), "correlation must be between"),
    ],
)
def test_a_wrong_argument_is_told(call, said: str) -> None:  # noqa: ANN001
    with pytest.raises(ValueError, match=said):
        call()


@pytest.mark.parametrize("name", ["selu", "lselu", "scaled_elu", "hardtanh"])
def test_beside_the_edge_a_kink_halves_the_slope(name: str) -> None:
    """1 - c' = chi_1 (1 - c) - k (1 - c)^1.5 keeps a c where its slope is 1 - (chi_1 - 1)/2."""
    found = phase(name, edge_of_chaos(name, 0.5) * 1.0005, 0.5)
    assert 0.99 < float(found.correlation) < 1
    slope = math.exp(-1 / float(found.depth_scale_c))
    assert 1 - slope == pytest.approx((float(found.chi_1) - 1) / 2, rel=0.05)
