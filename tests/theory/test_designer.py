"""Designed activations keep what they were designed to keep, and say whether they attract."""

from __future__ import annotations

import ast
import math
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from snn_core.activations import ACTIVATIONS, gaussian_moments
from snn_core.export.design import FRAMEWORKS, design_code
from snn_core.gaussian import quadrature_moments
from snn_core.theory.moments.affine import normalized
from snn_core.theory.moments.designer import Design, alpha_dropout_constants, design, solve_selu
from snn_core.theory.moments.maps import moment_map

# mean, variance, omega, tau
TARGETS = [
    *((0, 1, 0, 1), (0, 1, 0, 0.8), (0, 1, 0, 1.25), (0.2, 1, 0.5, 1), (0, 2, 0, 1)),
    *((-0.1, 2, 1, 1), (0.6, 1, 0, 1), (-0.5, 1, 0, 1), (0, 1e-6, 0, 1), (1e-9, 1, 1, 1)),
]


def test_the_published_constants() -> None:
    alpha, scale = solve_selu()
    assert alpha == pytest.approx(1.6732632423543772848, rel=1e-15)
    assert scale == pytest.approx(1.0507009873554804934, rel=1e-15)


def test_the_example_of_the_authors_notebook_and_that_it_repels() -> None:
    made = design(-0.1, 2.0, omega=1.0, tau=1.0)
    assert (made.alpha, made.scale) == pytest.approx((1.97690219542, 1.07385123962), abs=5e-12)
    assert abs(made.point.eigenvalues[0]) == pytest.approx(1.108, abs=5e-4)
    assert made.point.kind == "repelling" and made.verdict.startswith("Repels")


@pytest.mark.parametrize("target", TARGETS)
def test_the_map_at_the_target_returns_the_target(target: tuple[float, ...]) -> None:
    mean, variance, omega, tau = target
    made = design(*target)
    after = moment_map(made.activation, mean, variance, omega, tau)
    assert float(after.mean) == pytest.approx(mean, abs=2e-14 * math.sqrt(variance))
    assert float(after.variance) == pytest.approx(variance, rel=2e-13)
    assert (made.point.mean, made.point.variance) == (mean, variance)
    assert made.verdict.split()[0] == {
        "attracting": "Attracts:", "repelling": "Repels:", "neutral": "Neither",
    }[made.point.kind]  # fmt: skip


@given(st.floats(-0.7, 0.6), st.floats(0.01, 50), st.floats(-1, 1), st.floats(0.2, 5))
def test_any_solution_solves(mean: float, variance: float, omega: float, tau: float) -> None:
    mean *= math.sqrt(variance)
    try:
        made = design(mean, variance, omega, tau)
    except ValueError as error:
        assert "No SELU keeps" in str(error)
        return
    # Quadrature knows nothing of the closed form that the solver used.
    act = made.activation
    z = (mean * omega, variance * tau)
    got = quadrature_moments(act.fn, act.derivative, act.kinks, *z)
    assert float(got.mean) == pytest.approx(mean, abs=1e-10 * math.sqrt(variance))
    assert float(got.variance) == pytest.approx(variance, rel=1e-9)
    assert made.alpha >= 0 and made.scale > 0


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ((2, 1, 0, 1), r"the mean is too high.*largest is 0\.6833 \(alpha = 0, ReLU\)"),
        ((-2, 1, 0, 1), r"the mean is too low.*smallest is −0\.8033 \(alpha to infinity\)"),
        ((5, 1, 1e3, 1), "all but always right of 0"),
        ((5, 1, -1e3, 1), "all but always left of 0"),
        ((0, 0, 0, 1), "variance must be"),
        ((0, 1, 0, 0), "tau must be"),
        ((math.nan, 1, 0, 1), "mean must be"),
    ],
)
def test_no_solution_has_a_reason(target: tuple[float, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        solve_selu(*target)


def test_the_largest_mean_is_relu_s() -> None:
    relu = gaussian_moments("relu", 0.0, 1.0)
    edge = float(relu.mean) / math.sqrt(relu.variance)
    alpha, scale = solve_selu(edge - 1e-9)
    assert alpha == pytest.approx(0.0, abs=1e-7)
    assert scale == pytest.approx(float(relu.variance) ** -0.5, rel=1e-6)
    with pytest.raises(ValueError, match="too high"):
        solve_selu(edge + 1e-9)


# --- any activation, normalized ----------------------------------------------------------------

TABLE = {
    **{"sin": 0.313, "hardtanh": 0.385, "erf": 0.409, "tanh": 0.461, "softsign": 0.477},
    **{"sigmoid": 0.719, "selu": 0.783, "elu": 0.860, "hardsigmoid": 0.976},
    **{"identity": 1.0, "relu": 1.0, "leaky_relu": 1.0, "prelu": 1.0, "relu6": 1.0},
    **{"mish": 1.001, "softplus": 1.056, "gelu": 1.062, "silu": 1.101, "hardswish": 1.156},
}


@pytest.mark.parametrize(("name", "eigenvalue"), TABLE.items())
def test_the_table_of_normalized_activations(name: str, eigenvalue: float) -> None:
    made = normalized(name)
    assert made.eigenvalue == pytest.approx(eigenvalue, abs=6e-4)
    assert abs(made.point.eigenvalues[0]) == pytest.approx(made.eigenvalue, rel=1e-12)
    kinds = {True: "attracting", False: "repelling"}
    assert made.kind == ("neutral" if eigenvalue == 1 else kinds[eigenvalue < 1])
    assert made.attracts == (eigenvalue < 1)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_normalized_is_a_f_plus_b_in_every_respect(name: str) -> None:
    act, made = ACTIVATIONS[name], normalized(name)
    new = made.activation
    z = torch.linspace(-4, 4, 33, dtype=torch.float64)
    assert torch.equal(new.fn(z), made.a * act.fn(z) + made.b)
    assert torch.equal(new.derivative(z), made.a * act.derivative(z))
    at = gaussian_moments(new, 0.0, 1.0)
    assert (float(at.mean), float(at.variance)) == pytest.approx((0.0, 1.0), abs=1e-14)
    m, v = np.array([-0.7, 0.2, 1.0]), np.array([1e-4, 0.9, 30.0])
    got = gaussian_moments(new, m, v)
    expected = quadrature_moments(new.fn, new.derivative, new.kinks, m, v)
    for ours, theirs in zip(got, expected, strict=True):
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-11 * scale)
    if act.saturation is not None and name != "softsign":  # which comes there as 1/|z| only
        far = float(new.fn(torch.tensor(-1e3, dtype=torch.float64)))
        assert new.saturation == pytest.approx(far, abs=1e-9)


@pytest.mark.parametrize("name", ["gelu", "selu", "leaky_relu", "softplus", "sin"])
def test_normalized_has_code(name: str) -> None:
    made = normalized(name).activation
    fn = eval(made.torch_code, {"torch": torch, "F": F, "nn": torch.nn})
    z = torch.linspace(-4, 4, 33, dtype=torch.float64)
    torch.testing.assert_close(fn(z), made.fn(z), rtol=1e-12, atol=1e-12)
    ast.parse(made.keras_code, mode="eval")


# --- alpha dropout -----------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0.05, 0.5, 0.8, 0.9, 0.95, 1.0])
def test_selu_s_dropout_is_torch_s(keep: float) -> None:
    ours = alpha_dropout_constants("selu", keep)
    torch.manual_seed(0)
    for h in (0.0, 1.0):
        x = torch.full((4000,), h, dtype=torch.float64)
        y = F.alpha_dropout(x, p=1.0 - keep, training=True)
        values = torch.unique((y * 1e10).round() / 1e10).tolist()
        expected = {ours.a * h + ours.b}
        if keep < 1.0:
            expected.add(ours.a * ours.alpha_prime + ours.b)
        assert values == pytest.approx(sorted(expected), abs=1e-9)
    assert ours == alpha_dropout_constants((*solve_selu(), 0.0, 1.0), keep) or ours == (
        pytest.approx(alpha_dropout_constants((*solve_selu(), 0.0, 1.0), keep), abs=1e-12)
    )


def test_the_paper_s_formula_at_0_and_1() -> None:
    keep, low = 0.9, -1.7580993408473766
    got = alpha_dropout_constants("selu", keep)
    assert got.alpha_prime == pytest.approx(low, rel=1e-15)
    a = (keep + low**2 * keep * (1 - keep)) ** -0.5
    assert (got.a, got.b) == pytest.approx((a, -a * (1 - keep) * low), rel=1e-12)


@given(
    st.floats(0.1, 5), st.floats(0.1, 5), st.floats(-3, 3), st.floats(0.01, 10), st.floats(0.05, 1)
)
def test_dropout_keeps_mean_and_variance(
    alpha: float, scale: float, mean: float, variance: float, keep: float
) -> None:
    got = alpha_dropout_constants((alpha, scale, mean, variance), keep)
    low, drop = got.alpha_prime, 1 - keep
    mixed = keep * mean + drop * low
    spread = keep * (variance + mean**2) + drop * low**2 - mixed**2
    assert got.a * mixed + got.b == pytest.approx(mean, abs=1e-9)
    assert got.a**2 * spread == pytest.approx(variance, rel=1e-9)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("identity",), "no finite limit on the left"),
        (("relu",), "the variance goes to 0"),
        (("selu", 0.0), "keep must be"),
        (((-1.0, 1.0, 0.0, 1.0),), "alpha must be"),
        (((1.0, 1.0, 0.0, 0.0),), "variance must be"),
    ],
)
def test_dropout_that_can_t_be_is_told(given: tuple, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        alpha_dropout_constants(*given)


# --- code --------------------------------------------------------------------------------------

CODED = [(0, 1, 0, 1), (0, 1, 0, 0.8), (-0.1, 2, 1, 1)]
made = lru_cache(design)


def run(design: Design) -> SimpleNamespace:
    scope: dict = {}
    exec(compile(design_code(design, "torch"), "designed.py", "exec"), scope)
    return SimpleNamespace(**scope)


@pytest.mark.parametrize("target", CODED)
def test_the_torch_code_is_the_activation(target: tuple[float, ...]) -> None:
    ours = made(*target)
    code = run(ours)
    z = torch.linspace(-6, 6, 101, dtype=torch.float64)
    torch.testing.assert_close(code.DesignedSELU()(z), ours.activation.fn(z), rtol=1e-14, atol=0)
    layer = code.DesignedAlphaDropout()
    assert torch.equal(layer.eval()(z), z)
    torch.manual_seed(1)
    h = ours.mean + math.sqrt(ours.variance) * torch.randn(400_000, dtype=torch.float64)
    dropped = layer.train()(h)
    assert float(dropped.mean()) == pytest.approx(ours.mean, abs=0.02)
    assert float(dropped.var()) == pytest.approx(ours.variance, rel=0.02)


@pytest.mark.parametrize("target", CODED)
def test_the_torch_code_s_weights_have_omega_and_tau(target: tuple[float, ...]) -> None:
    ours = made(*target)
    torch.manual_seed(0)
    for layer in (torch.nn.Linear(300, 2000), torch.nn.Conv2d(12, 2000, 5)):  # fan_in not fan_out
        layer.apply(run(ours).init_)
        rows = layer.weight.detach().flatten(1)
        assert float(rows.square().sum(1).mean()) == pytest.approx(ours.tau, rel=0.02)
        assert float(rows.sum(1).mean()) == pytest.approx(ours.omega, abs=0.1)
        assert not layer.bias.any()


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("target", CODED)
def test_code_is_python_and_says_whether_it_attracts(
    target: tuple[float, ...], framework: str
) -> None:
    text = design_code(made(*target), framework)
    tree = ast.parse(text)
    assert made(*target).verdict in ast.get_docstring(tree)
    numbers = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id.isupper()
    }
    ours = made(*target)
    assert (numbers["ALPHA"], numbers["SCALE"]) == (ours.alpha, ours.scale)
    kept = (numbers["A"], numbers["B"], numbers["ALPHA_PRIME"], numbers["KEEP"])
    assert kept == tuple(ours.dropout)
    # Every constant that is used is there, every module that is imported is used.
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert {name for name in used if name.isupper()} <= {*numbers, "F"}
    imported = {n.name for node in tree.body if isinstance(node, ast.Import) for n in node.names}
    assert {name.split(".")[0] for name in imported} <= used | {"torch"}


def test_an_unknown_framework_is_told() -> None:
    with pytest.raises(ValueError, match="Did you mean 'keras'"):
        design_code(design(), "kera")
