"""Identities over the whole table, then an independent table of 50-digit integrals."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from snn_core.activations import ACTIVATIONS, Activation, activation, gaussian_moments
from snn_core.gaussian import quadrature_moments

NAMES = """selu lselu sselu elu celu scaled_elu relu relu6 leaky_relu prelu gelu gelu_tanh silu
mish hardswish tanh hardtanh sigmoid hardsigmoid softplus softsign erf sin identity""".split()
GOLDEN = json.loads((Path(__file__).parent / "golden" / "moments.json").read_text())

# Every activation at its defaults and, where it has parameters, away from them.
OTHERS = [
    ("selu", {"alpha": 1.0, "scale": 1.3}),
    ("lselu", {"alpha": 0.5, "scale": 1.1, "beta": 0.0}),
    ("sselu", {"alpha": 3.0, "beta": 1.7}),
    ("elu", {"alpha": 0.3}),
    ("elu", {"alpha": 0.0}),
    ("celu", {"alpha": 0.2}),
    ("celu", {"alpha": 5.0}),
    ("scaled_elu", {"alpha": 0.7, "scale": 0.5}),
    ("leaky_relu", {"negative_slope": 1.5}),
    ("leaky_relu", {"negative_slope": 0.0}),
    ("prelu", {"init": 0.1}),
    ("hardtanh", {"min_val": -0.5, "max_val": 3.0}),
    ("softplus", {"beta": 3.0}),
    ("sin", {"omega_0": 2.5}),
]
CASES = [*ACTIVATIONS.values(), *(activation(name, **values) for name, values in OTHERS)]
every = pytest.mark.parametrize(
    "act", CASES, ids=lambda a: "-".join([a.name, *(f"{x:.3g}" for _, x in a.values)])
)


def _points(act: Activation, dtype: torch.dtype = torch.float64) -> Tensor:
    """Points on both sides of everything, none at a kink."""
    z = torch.cat([torch.linspace(-12, 12, 4801), torch.tensor([-1e4, -100.0, 100.0, 1e4])])
    z = z.double() + 1e-3 / 7
    for kink in (0.0, *act.kinks):
        z = z[(z - kink).abs() > 1e-5]
    return z.to(dtype)


def test_the_table_holds_the_names() -> None:
    assert list(ACTIVATIONS) == NAMES
    assert all(act.name == name for name, act in ACTIVATIONS.items())


@every
def test_derivative_is_autograds(act: Activation) -> None:
    z = _points(act).requires_grad_()
    (slope,) = torch.autograd.grad(act.fn(z).sum(), z)
    # Torch's kernel for hardsigmoid holds 1/6 as a float32.
    tolerance = 5e-8 if act.name == "hardsigmoid" else 1e-12
    ours = act.derivative(z.detach())
    torch.testing.assert_close(ours, slope, rtol=tolerance, atol=tolerance)


@every
def test_derivative_is_the_slope_of_secants(act: Activation) -> None:
    """Autograd and the derivative may share a kernel; a difference quotient shares nothing."""
    z = _points(act)
    z = z[z.abs() < 20]
    secant = (act.fn(z + 5e-6) - act.fn(z - 5e-6)) / 1e-5
    torch.testing.assert_close(act.derivative(z), secant, rtol=1e-7, atol=1e-8)


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_is_finite_and_near_float64(act: Activation, dtype: torch.dtype) -> None:
    z = _points(act, dtype)
    # A lower dtype only rounds: a few units in the last place of the inputs and the result.
    ulp = 16 * torch.finfo(dtype).eps
    for function in (act.fn, act.derivative):
        low, high = function(z), function(z.double())
        assert low.dtype == dtype and low.isfinite().all()
        if act.name != "sin":  # the sine of a rounded product of 1e4
            torch.testing.assert_close(low.double(), high, rtol=ulp, atol=ulp)


@pytest.mark.parametrize("name", [a.name for a in ACTIVATIONS.values() if a.fn_])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_in_place_is_the_same_function(name: str, dtype: torch.dtype) -> None:
    act = ACTIVATIONS[name]
    assert act.fn_ is not None
    z = _points(act, dtype)
    leaf = z.clone().requires_grad_()
    copy = leaf.clone()
    result = act.fn_(copy)
    assert result.data_ptr() == copy.data_ptr()
    torch.testing.assert_close(result, act.fn(z), rtol=0, atol=0)
    if dtype == torch.float64:
        (slope,) = torch.autograd.grad(result.sum(), leaf)
        torch.testing.assert_close(slope, act.derivative(z), rtol=5e-8, atol=5e-8)


@every
def test_shape_is_kept_and_the_input_is_not_changed(act: Activation) -> None:
    z = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    before = z.clone()
    assert act.fn(z).shape == act.derivative(z).shape == z.shape
    assert torch.equal(z, before)
    assert act.fn(z.to(memory_format=torch.contiguous_format).transpose(0, 2)).shape == (4, 3, 2)


@every
def test_continuous_at_every_kink(act: Activation) -> None:
    for kink in act.kinks:
        left, right = act.fn(torch.tensor([kink - 1e-9, kink + 1e-9], dtype=torch.float64))
        assert abs(left - right) < 1e-7


@every
def test_saturation_is_the_limit_on_the_left(act: Activation) -> None:
    far = act.fn(torch.tensor([-1e8, -1e9], dtype=torch.float64))
    settled = bool((far[1] - far[0]).abs() < 1e-6) and act.name != "sin"
    assert settled == (act.saturation is not None)
    if act.saturation is not None:
        assert abs(float(far[1]) - act.saturation) < 1e-6


@every
def test_largest_slope_is_the_supremum(act: Activation) -> None:
    grid = torch.linspace(-12, 12, 480_001, dtype=torch.float64)
    largest = float(act.derivative(grid).abs().max())
    assert largest <= act.largest_slope * (1 + 1e-12)
    assert largest >= act.largest_slope * (1 - 1e-4)


@every
def test_torch_code_is_the_same_function(act: Activation) -> None:
    function: Callable[[Tensor], Tensor] = eval(  # our own source, as the exporter writes it
        act.torch_code, {"torch": torch, "nn": nn, "F": F}
    )
    z = _points(act, torch.float32)
    with torch.no_grad():
        torch.testing.assert_close(function(z), act.fn(z), rtol=1e-6, atol=1e-6)
    compile(act.keras_code, act.name, "eval")


@every
def test_words_for_a_person(act: Activation) -> None:
    assert act.label and act.formula and act.torch_code and act.keras_code
    assert re.search(r"\b(19|20)\d\d\b", act.citation)
    assert [p.name for p in act.parameters] == [name for name, _ in act.values]
    for parameter in act.parameters:
        assert parameter.low <= parameter.default <= parameter.high and parameter.help


def test_reconstructions_say_so() -> None:
    for name in ("lselu", "sselu"):
        act = ACTIVATIONS[name]
        assert "reconstruction" in act.label and "reconstruction" in act.note
        m = gaussian_moments(act, 0.0, 1.0)  # the three conditions they were solved from
        assert abs(m.mean) < 1e-5 and abs(m.second_moment - 1) < 2e-5
        assert abs(m.derivative_second_moment - 1.03) < 2e-5


# --- moments -----------------------------------------------------------------------------------

GRID_MEAN = np.linspace(-4, 4, 9)[:, None]
GRID_VARIANCE = np.array([1e-4, 0.02, 0.3, 1.0, 4.0, 30.0])


@pytest.mark.parametrize("name", [a.name for a in ACTIVATIONS.values() if a.moments])
def test_closed_form_is_quadrature(name: str) -> None:
    act = ACTIVATIONS[name]
    assert act.moments is not None
    m, v = np.broadcast_arrays(GRID_MEAN, GRID_VARIANCE)
    raw, exact = act.moments(m, v), quadrature_moments(act.fn, act.derivative, act.kinks, m, v)
    # Not where f is all but constant: of such a tail the quadrature drops what is past 9 sd. Nor
    # where f swings faster than its nodes.
    kept = ~np.isnan(raw.variance) & (exact.variance > 1e-6 * v)
    kept &= (act.name != "sin") | (v * act.largest_slope**2 < 10)
    assert kept.mean() > 0.3
    rms = np.sqrt(exact.second_moment[kept])
    assert (np.abs(raw.mean - exact.mean)[kept] / rms).max() < 1e-12
    for field in ("variance", "second_moment", "derivative_second_moment"):
        ours, other = getattr(raw, field)[kept], getattr(exact, field)[kept]
        np.testing.assert_allclose(ours, other, rtol=2e-11, err_msg=field)
    slopes = np.abs(raw.derivative_mean - exact.derivative_mean)[kept]
    assert slopes.max() < 1e-12 * act.largest_slope
    scale = np.abs(exact.jacobian[kept]).max((-2, -1))
    error = np.abs(raw.jacobian - exact.jacobian)[kept].max((-2, -1))
    assert (error / scale).max() < 1e-11


@every
def test_jacobian_is_the_slope_of_the_moments(act: Activation) -> None:
    m, v, h = np.array([-1.3, 0.4, 2.0]), np.array([0.7, 1.5, 6.0]), 1e-5
    got = gaussian_moments(act, m, v).jacobian
    for column, (dm, dv) in enumerate(((h, 0.0), (0.0, h))):
        up, down = gaussian_moments(act, m + dm, v + dv), gaussian_moments(act, m - dm, v - dv)
        for row, field in enumerate(("mean", "variance")):
            slope = (getattr(up, field) - getattr(down, field)) / (2 * h)
            np.testing.assert_allclose(got[:, row, column], slope, rtol=1e-6, atol=1e-8)


@every
def test_moments_bound_each_other(act: Activation) -> None:
    """Var f >= 0, E f'^2 >= (E f')^2, and Poincare: (E f')^2 v <= Var f <= v E f'^2."""
    m, v = np.broadcast_arrays(GRID_MEAN, GRID_VARIANCE)
    got = gaussian_moments(act, m, v)
    slack = 1 + 1e-9
    assert (got.variance >= 0).all()
    assert (got.derivative_mean**2 <= got.derivative_second_moment * slack).all()
    assert (got.variance <= v * got.derivative_second_moment * slack + 1e-18).all()
    assert (got.derivative_mean**2 * v <= got.variance * slack + 1e-18).all()
    np.testing.assert_allclose(got.second_moment, got.variance + got.mean**2, rtol=1e-12)


@every
def test_variance_zero(act: Activation) -> None:
    m = np.array([-1.7, 0.6, 2.2])
    z = torch.from_numpy(m)
    got, slope = gaussian_moments(act, m, 0.0), act.derivative(z).numpy()
    np.testing.assert_allclose(got.mean, act.fn(z).numpy(), rtol=1e-15)
    np.testing.assert_array_equal(got.variance, 0.0)
    np.testing.assert_allclose(got.jacobian[:, 0, 0], slope, rtol=1e-8, atol=1e-9)
    np.testing.assert_array_equal(got.jacobian[:, 1, 0], 0.0)
    np.testing.assert_allclose(got.jacobian[:, 1, 1], slope**2, rtol=1e-8, atol=1e-9)
    assert np.isfinite(gaussian_moments(act, [0.0, *act.kinks], 0.0).jacobian).all()


@every
@pytest.mark.parametrize("variance", [1e6, 1e12, 1e100])
def test_huge_variances(act: Activation, variance: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = gaussian_moments(act, np.array([-3.0, 0.0, 1.0]), variance)
    assert all(np.isfinite(field).all() for field in got)
    right = float(act.fn(torch.tensor(1e6, dtype=torch.float64))) / 1e6
    left = float(act.fn(torch.tensor(-1e6, dtype=torch.float64))) / -1e6
    growth = got.second_moment / variance  # f is a line on each side, or bounded
    np.testing.assert_allclose(growth, (right**2 + left**2) / 2, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    "row", GOLDEN, ids=[f"{i}-{row['activation']}" for i, row in enumerate(GOLDEN)]
)
def test_golden_integrals(row: dict) -> None:
    """50-digit composite Gauss-Legendre integrals of f alone, Jacobian by the score function."""
    values = {{"lambda": "scale"}.get(name, name): value for name, value in row["params"].items()}
    act = activation(row["activation"], **values)
    got = gaussian_moments(act, row["mu"] * row["omega"], row["nu"] * row["tau"])
    assert abs(got.mean - row["mean"]) <= 1e-11 * math.sqrt(row["second_moment"])
    assert got.variance == pytest.approx(row["var"], rel=1e-11)
    assert got.second_moment == pytest.approx(row["second_moment"], rel=1e-11)
    assert got.derivative_second_moment == pytest.approx(row["deriv_second_moment"], rel=1e-11)
    jacobian = np.array(row["jacobian"])
    error = np.abs(got.jacobian * [row["omega"], row["tau"]] - jacobian).max()
    assert error <= 1e-11 * np.abs(jacobian).max()


def test_golden_rows_cover_the_table() -> None:
    assert {row["activation"] for row in GOLDEN} >= set(NAMES) - {"prelu", "hardsigmoid"}


def test_selu_at_its_fixed_point() -> None:
    got = gaussian_moments("selu", 0.0, 1.0)
    assert abs(got.mean) < 1e-15 and abs(got.variance - 1) < 1e-14
    expected = [[got.derivative_mean, 0.0888347551068901], [0.0, 0.782647883196813]]
    np.testing.assert_allclose(got.jacobian * [0, 1], np.array(expected) * [0, 1], rtol=1e-13)
    assert got.derivative_second_moment == pytest.approx(1.0715749924557993, rel=1e-14)


def test_scaled_elu_has_the_fixed_point_0_2() -> None:
    got = gaussian_moments("scaled_elu", 0.0, 2.0)
    assert abs(got.mean) < 1e-14 and abs(got.variance - 2) < 1e-13


def test_truncated_pieces_far_from_their_cuts() -> None:
    """A narrow clip in a wide Gaussian: P(z > 0) and the width decide everything."""
    got = gaussian_moments("hardtanh", 0.0, np.logspace(3, 11, 17))
    inside = got.derivative_second_moment  # P(|z| < 1)
    np.testing.assert_allclose(got.second_moment, 1 - inside * 2 / 3, rtol=2e-6)
    s = np.logspace(1.5, 5.5, 17)
    mass = [math.erf(1 / (x * math.sqrt(2))) for x in s]
    np.testing.assert_allclose(inside, mass, rtol=1e-11)


# --- names and parameters ----------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_parameters_out_of_bounds_are_refused(name: str) -> None:
    default = ACTIVATIONS[name]
    for parameter in default.parameters:
        for value in (parameter.low - 1, parameter.high + 1, math.nan, math.inf, "1", True):
            with pytest.raises(ValueError, match=f"{name}.{parameter.name} must be"):
                activation(name, **{parameter.name: value})  # type: ignore[arg-type]
        for value in (parameter.low, parameter.high):
            act = activation(name, **{parameter.name: value})
            assert dict(act.values)[parameter.name] == value
            assert np.isfinite(gaussian_moments(act, 0.3, 1.2).jacobian).all()
    with pytest.raises(ValueError, match="gamma"):
        activation(name, gamma=1.0)


def test_unknown_name_and_parameter_suggest_the_nearest() -> None:
    with pytest.raises(ValueError, match="Unknown activation 'sellu'.*Did you mean 'selu'"):
        activation("sellu")
    with pytest.raises(ValueError, match="Did you mean 'negative_slope'"):
        activation("leaky_relu", negativ_slope=0.1)


def test_an_activation_is_itself() -> None:
    act = activation("elu", alpha=0.5)
    assert activation(act) is act
    assert activation("selu") is ACTIVATIONS["selu"]
    with pytest.raises(ValueError, match="alpha"):
        activation(act, alpha=1.0)


def test_values_are_plain_numbers() -> None:
    act = activation("leaky_relu", negative_slope=np.float64(0.25))
    assert act.values == (("negative_slope", 0.25),) and type(act.values[0][1]) is float
    assert "np.float64" not in act.torch_code


@pytest.mark.parametrize("name", [a.name for a in ACTIVATIONS.values() if a.pull])
def test_the_pull_is_the_gradient_times_the_derivative_by_the_output(name: str) -> None:
    act = ACTIVATIONS[name]
    z = torch.linspace(-6.0, 6.0, 241, dtype=torch.float64)  # and the kink at 0
    g = torch.randn(241, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert act.pull is not None
    assert torch.allclose(act.pull(g, act.fn(z)), g * act.derivative(z), atol=1e-12)
