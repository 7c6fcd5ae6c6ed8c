"""A formula is the activation that it spells, and no text does anything but name one or fail."""

from __future__ import annotations

import ast
import math
import time
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import snn_core as snn
from snn_core.activations import SELU_FORMULA, activation, formula, gaussian_moments, suits_lecun
from snn_core.activations.formulas import parser
from snn_core.settings import (
    Experiment,
    NetworkSpec,
    SettingError,
    arms_from_query,
    arms_to_query,
    from_json,
    from_query,
    read_query,
    to_json,
    to_query,
)

# A built-in activation and formulas of the same function.
SAME = [
    ("selu", SELU_FORMULA),
    (
        "selu",
        "=1.0507009873554804934 * where(x > 0, x, 1.6732632423543772848 * expm1(min(x, 0)))",
    ),
    ("elu", "=max(z, 0) + exp(min(z, 0)) - 1"),
    ("relu", "=relu(z)"),
    ("relu", "=(z + abs(z))/2"),
    ("relu6", "=clip(z, 0, 6)"),
    ("leaky_relu", "=where(z>=0, z, 0.01*z)"),
    ("hardtanh", "=minimum(1, maximum(-1, z))"),
    ("hardtanh", "=where(-1 < z < 1, z, sign(z))"),
    ("hardsigmoid", "=clip(z/6 + 1/2, 0, 1)"),
    ("hardswish", "=z*clip(z + 3, 0, 6)/6"),
    ("gelu", "=z/2*(1 + erf(z/sqrt(2)))"),
    ("gelu_tanh", "=z/2*(1 + tanh(sqrt(2/pi)*(z + 0.044715*z^3)))"),
    ("silu", "=z*sigmoid(z)"),
    ("silu", "=z/(1 + exp(-z))"),
    ("mish", "=z*tanh(softplus(z))"),
    ("tanh", "=tanh(z)"),
    ("tanh", "=2*sigmoid(2*z) − 1"),
    ("sigmoid", "=sigmoid(z)"),
    ("softplus", "=softplus(z)"),
    ("softplus", "=max(z, 0) + log1p(exp(-abs(z)))"),
    ("softsign", "=z/(1 + abs(z))"),
    ("erf", "=erf(z)"),
    ("sin", "=sin(x)"),
    ("sin", "=cos(z - pi/2)"),
    ("identity", "=z"),
    ("identity", "=log(e**2)*z/2"),
]
same = pytest.mark.parametrize(("name", "text"), SAME, ids=lambda text: text[:40])
LOOSE = {"hardsigmoid": 1e-7}  # torch's kernel holds 1/6 as a float32


def points(kinks: tuple[float, ...] = (), dtype: torch.dtype = torch.float64) -> Tensor:
    z = torch.linspace(-12, 12, 4801, dtype=torch.float64) + 1e-3 / 7
    for kink in (0.0, *kinks):
        z = z[(z - kink).abs() > 1e-5]
    return z.to(dtype)


# --- the same function ---------------------------------------------------------------------------


@same
def test_values_and_slopes_are_those_of_the_activation(name: str, text: str) -> None:
    own, known = activation(text), activation(name)
    z, tolerance = points(known.kinks), LOOSE.get(name, 1e-11)
    torch.testing.assert_close(own.fn(z), known.fn(z), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(
        own.derivative(z), known.derivative(z), rtol=tolerance, atol=tolerance
    )


@same
def test_moments_are_those_of_the_activation(name: str, text: str) -> None:
    m, v = np.linspace(-2, 2, 5)[:, None], np.array([1e-3, 0.3, 1.0, 4.0, 30.0])
    own, known = gaussian_moments(text, m, v), gaussian_moments(name, m, v)
    tolerance = LOOSE.get(name, 1e-9)
    for ours, theirs in zip(own, known, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@same
def test_what_is_known_of_it_is_the_same(name: str, text: str) -> None:
    own, known = activation(text), activation(name)
    assert set(known.kinks) <= set(own.kinks)
    # Looked for up to |z| = 8; softplus comes nearer to 1 beyond.
    assert own.largest_slope == pytest.approx(known.largest_slope, rel=1e-3)
    assert (own.saturation is None) == (known.saturation is None)
    if known.saturation is not None and own.saturation is not None:
        assert abs(own.saturation - known.saturation) < 1e-6
    if name not in ("elu", "celu"):  # of slope 1, and still used with tau = 2
        assert suits_lecun(own) == suits_lecun(known)


@same
def test_its_source_is_the_same_function(name: str, text: str) -> None:
    own = activation(text)
    code: Callable[[Tensor], Tensor] = eval(own.torch_code, {"torch": torch, "nn": nn, "F": F})
    z = points(own.kinks, torch.float32)
    torch.testing.assert_close(code(z), own.fn(z), rtol=1e-6, atol=1e-6)
    compile(own.keras_code, name, "eval")


def test_selus_formula_has_selus_fixed_point() -> None:
    found = snn.fixed_point(SELU_FORMULA)
    assert isinstance(found, snn.FixedPoint) and found.kind == "attracting"
    assert abs(found.mean) < 1e-12 and abs(found.variance - 1) < 1e-12


# --- any formula ---------------------------------------------------------------------------------

OTHERS = [
    "=where(z > 0, where(z > 2, 2 + log(z - 1), z), expm1(z))",
    "=atan(z) + sinh(z/9)*cosh(z/9)",
    "=where(z < 1, z, log(z) + 1)*1.5 - 0.25",
    "=abs(abs(z) - 1) - 0.5",
    "=max(z, min(0.3*z + 0.2, 0.1))",
    "=(1 + z**2)**0.5 - (2 + z^2)^-1.5",
    "=max(z, 0)**2/(1 + max(z, 0))",
    "=-z*-2",
    "=1e-3*exp(z)",
]
every = pytest.mark.parametrize("text", [text for _, text in SAME] + OTHERS, ids=lambda t: t[:40])


@every
def test_the_derivative_is_autograds_and_the_slope_of_secants(text: str) -> None:
    act = activation(text)
    z = points(act.kinks).requires_grad_()
    (slope,) = torch.autograd.grad(act.fn(z).sum(), z)
    flat = z.detach()
    assert torch.equal(slope, act.derivative(flat))
    secant = (act.fn(flat + 5e-6) - act.fn(flat - 5e-6)) / 1e-5
    torch.testing.assert_close(slope, secant, rtol=1e-6, atol=1e-7)


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_is_kept_and_near(text: str, dtype: torch.dtype) -> None:
    act = activation(text)
    z = points(act.kinks, dtype)
    z = z[z.abs() < 8]
    for function in (act.fn, act.derivative):
        low, high = function(z), function(z.double())
        assert low.dtype == dtype and low.shape == z.shape
        scale = float(high.abs().max()) + 1.0
        assert float((low.double() - high).abs().max()) <= 64 * torch.finfo(dtype).eps * scale


@every
def test_results_are_memory_of_their_own(text: str) -> None:
    act, z = activation(text), torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    kept = z.clone()
    for function in (act.fn, act.derivative):
        function(z).zero_()
        function(z.T).zero_()
    assert torch.equal(z, kept)


@every
def test_its_name_and_its_reading_are_the_formula_again(text: str) -> None:
    act = activation(text)
    assert " " not in act.name and activation(act.name) is not None
    assert activation(act.name).name == act.name
    assert activation(f"={act.formula}").name == act.name
    assert len(act.label) <= 40 and act.formula.startswith(act.label.removesuffix("…"))


def test_kinks_are_found_where_they_are() -> None:
    for text, kinks in {
        "=abs(abs(z) - 1)": (-1.0, 0.0, 1.0),
        "=relu(relu(z - 0.3))": (0.3,),
        "=max(z*z, 2)": (-math.sqrt(2), math.sqrt(2)),
        "=where(0.1 < exp(z), z, log(0.1))": (math.log(0.1),),
        "=z*z*z": (),
        "=clip(2*z, -1/3, 1e9)": (-1 / 6,),
    }.items():
        np.testing.assert_allclose(activation(text).kinks, kinks, rtol=0, atol=1e-12)
    many = activation("=abs(sin(9*z))")
    assert len(many.kinks) == 16 and 0.0 in many.kinks and "less exact" in many.note


def test_the_branch_not_taken_leaves_no_trace() -> None:
    act = activation("=where(z > 0, z, exp(z)**9 - 1)")  # exp overflows where z is taken
    z = torch.tensor([500.0, 1e4, -1.0]).requires_grad_()
    (slope,) = torch.autograd.grad(act.fn(z).sum(), z)
    assert slope[:2].tolist() == [1.0, 1.0] and slope.isfinite().all()


# --- what is refused -----------------------------------------------------------------------------

REFUSED = [
    ("", "it is empty"),
    ("   ", "it is empty"),
    ("z + ", "it ends after '+'"),
    ("1.6*tanhh(z)", "character 5: 'tanhh' is not known here. Did you mean 'tanh'?"),
    ("Z", "Did you mean 'z'"),
    ("2z", "character 2: an operator is missing between '2' and 'z'"),
    ("2(z)", "character 2: an operator is missing"),
    ("exp z", "character 5: exp has its argument in brackets, as in exp(z)"),
    ("1+exp", "character 3: 'exp' is a function"),
    ("z + * 2", "character 5: after '+' a number, z or a function has to follow, not '*'"),
    ("*z", "character 1: at the beginning"),
    ("(z", "character 1: this bracket is never closed"),
    ("z + 1)", "character 6: this bracket closes none"),
    ("z +   (1 , 2)", "character 7: a comma parts a function's arguments"),
    ("z^2·π − (3, z)", "character 9: a comma parts a function's arguments"),
    (" \u00a0 z^2*(z + 1^99)", "character 13: an exponent is between -32 and 32"),
    ("(" * 199 + "z", "character 199: this bracket is never closed"),
    ("z^2" + ")" * 150, "character 4: this bracket closes none"),
    ("tanh()", "after '(' a number, z or a function has to follow"),
    ("tanh(z, 1)", "tanh takes 1 argument, got 2"),
    ("max(z)", "max takes 2 arguments, got 1"),
    ("where(z, 1, 2)", "character 7: where() begins with a comparison"),
    ("z > 0", "character 1: a comparison stands only first in where()"),
    ("z*(z > 0)", "a comparison stands only first in where()"),
    ("where(z == 0, 1, z)", "character 9: compare with <, <=, > or >="),
    ("if(z > 0, z, 0)", "Use where(z > 0, a, b)"),
    ("ln(z)", "The natural logarithm is log"),
    ("alpha*z", "Write its number; SELU's alpha is 1.67326"),
    ("scale*z", "Write its number; SELU's scale is 1.0507"),
    ("lambda z: z", "'lambda' is not known here"),
    ("z.real", "character 2: '.' has no meaning here"),
    ("__import__('os').system('ls')", "character 1: '__import__' is not known here"),
    ("()", "character 2: after '(' a number, z or a function"),
    ("(z).__class__", "character 4: '.' has no meaning here"),
    ("exec(z)", "'exec' is not known here"),
    ("'z'", "has no meaning here"),
    ("[z][0]", "'[' has no meaning here"),
    ("max(*z)", "not '*'"),
    ("z;z", "';' has no meaning"),
    ("z:=1", "':' has no meaning"),
    ("z and z", "'and' is not known here"),
    ("z if z else z", "'if' is not known here"),
    ("z\x00", "character 2: '\\x00' has no meaning here"),
    ("zеta", "character 2: 'е' has no meaning here"),  # a Cyrillic letter
    ("z²", "character 2: '²' has no meaning here"),
    ("2**z", "an exponent is a number; write exp(z*log(2)) for 2**z"),
    ("z**99", "an exponent is between -32 and 32, got 99"),
    ("9**9**9**9", "an exponent is between -32 and 32"),
    ("z**-(9**9)", "an exponent is between -32 and 32"),
    ("1e999*z", "a number is between -1e+30 and 1e+30, got inf"),
    ("z*" + "9" * 150, "a number is between"),
    ("z + exp(999)", "a number is between -1e+30 and 1e+30, got inf"),
    ("z*sqrt(-1)", "a number is between -1e+30 and 1e+30, got nan"),
    ("z/0", "this divides by 0"),
    ("z" * 201, "it has 201 characters, at most 200"),
    ("(z^2)" + "^2" * 97, "at most 200 are allowed"),
    ("-" * 150 + "z", "it is nested more than 40 deep"),
    ("(" * 99 + "z" + ")" * 99, ""),
    ("3", "it is constant: it does not depend on z"),
    ("z - z", "it is constant between z = -8 and 8"),
    ("relu(z - 20)", "it is constant between z = -8 and 8"),
    ("log(z)", "its value is not a finite number at z = 0"),
    ("relu(log(z))", "its value is not a finite number at z = -0.001"),
    ("max(0, log(z + 1))", "its value is not a finite number at z = -1"),
    ("sqrt(z + 1)", "its value is not a finite number at z = -1.001"),
    ("sqrt(abs(z))", "its slope is not a finite number at z = 0"),
    ("exp(exp(z))", "its value is not a finite number at z = 6.56"),
    ("z**0.5", "its value is not a finite number at z = -0.001"),
    ("1/z", "its value is not a finite number at z = 0"),
    ("1/(z - 0.12345678)", "it jumps at z = 0.1235"),
    ("sign(z)", "it jumps at z = 0, from -1 to 1"),
    ("where(z > 1, z, 0)", "it jumps at z = 1, from 0 to 1"),
    ("1/(z - 20.0001)", "it jumps at z = 20"),
]


@pytest.mark.parametrize(("typed", "said"), REFUSED, ids=lambda text: ascii(text)[:30])
def test_what_is_refused_is_said_with_its_place(typed: str, said: str) -> None:
    if not said:
        assert activation(f"={typed}").name == f"={typed}"  # brackets alone are no depth
        return
    with pytest.raises(ValueError) as caught:
        activation(f"={typed}")
    assert said in str(caught.value) and len(str(caught.value)) < 420
    with pytest.raises(SettingError) as refused:
        NetworkSpec(activation=f"={typed}")
    assert refused.value.settings == ("activation",)


@pytest.mark.parametrize("error", [MemoryError, RecursionError, ValueError])
def test_a_parser_that_gives_up_is_a_sentence(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parser, "ast", Mock(wraps=ast, parse=Mock(side_effect=error)))
    with pytest.raises(ValueError, match="'z\\+0.125': it is nested too deeply"):
        formula("=z+0.125")


def test_a_name_without_its_sign_is_still_a_name() -> None:
    with pytest.raises(ValueError, match="Unknown activation 'tanh\\(z\\)'"):
        activation("tanh(z)")
    with pytest.raises(ValueError, match="has no parameters"):
        activation("=tanh(z)", alpha=1.0)
    assert activation("tanh").name == "tanh"


# --- any text ------------------------------------------------------------------------------------

PIECES = """z x 1 2.5 .3 1e5 9999999999 ( ( ) ) , + - * / ** ^ < > <= exp( log( sqrt( abs( where(
    max( min( clip( sign( tanh( relu( pi e sin( e . = [ " lambda π − ² softplus(""".split()
texts = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=80).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=80).map(" ".join),
)


def names_or_fails(text: str) -> None:
    began = time.thread_time()
    try:
        act = activation(f"={text}")
    except ValueError as error:
        assert str(error)
    else:
        z = torch.linspace(-8, 8, 33, dtype=torch.float64)
        assert act.fn(z).isfinite().all() and act.derivative(z).isfinite().all()
        assert activation(act.name).name == act.name
    assert time.thread_time() - began < 5.0  # of its own: mostly some ms


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(texts)
def test_any_text_is_an_activation_or_a_value_error(text: str) -> None:
    names_or_fails(text)


LEAVES = ("z", "z", "x", "1", "0.5", "3", "pi", "e", "1e-3", "20")
BRANCHES = (
    *(f"{name}(#)" for name in "exp expm1 log log1p sqrt abs sign sin cos tanh sigmoid".split()),
    *(f"{name}(#)" for name in "softplus erf relu atan sinh cosh -".split()),
    *("(#+#)", "(#-#)", "(#*#)", "(#/#)", "(#)**2", "(#)**3", "(#)**-1", "(#)**0.5", "(#)**0"),
    *("min(#,#)", "max(#,#)", "where(#<#,#,#)", "where(#<=#<1,#,#)", "clip(#,#,#)"),
)


@st.composite
def trees(draw: st.DrawFn) -> str:
    """A well-formed formula, mostly a strange one."""
    text = draw(st.sampled_from(BRANCHES))
    for _ in range(draw(st.integers(0, 6))):
        text = text.replace("#", draw(st.sampled_from(BRANCHES)), 1)
    while "#" in text:
        text = text.replace("#", draw(st.sampled_from(LEAVES)), 1)
    return text


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(trees())
def test_any_tree_is_an_activation_or_a_value_error(text: str) -> None:
    names_or_fails(text)


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(trees())
def test_the_source_of_any_tree_is_the_same_function(text: str) -> None:
    try:
        act = activation(f"={text}")
    except ValueError:
        return
    code: Callable[[Tensor], Tensor] = eval(act.torch_code, {"torch": torch, "nn": nn, "F": F})
    z = torch.linspace(-7.9, 7.9, 33, dtype=torch.float64)
    torch.testing.assert_close(code(z), act.fn(z), rtol=1e-9, atol=1e-9)
    compile(act.keras_code, "keras", "eval")


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(texts)
def test_no_formula_in_a_link_breaks_it(text: str) -> None:
    experiment, problems = read_query({"activation": f"={text}", "depth": "5"})
    assert experiment.network.depth == 5
    assert problems or experiment.network.activation.startswith("=")


@pytest.mark.parametrize("text", [
    "abs(" * 39 + "z" + ")" * 39, "abs(sin(" * 19 + "99*z" + "))" * 19,
    "where(z<0,z,where(z<1,z," * 7 + "z" + "))" * 7, "max(z,min(1," * 13 + "z" + "))" * 13,
])  # fmt: skip
def test_the_worst_takes_no_more_than_a_moment(text: str) -> None:
    formula.cache_clear()
    names_or_fails(text)


# --- where a name is taken -----------------------------------------------------------------------

TWINS = [("selu", SELU_FORMULA), ("tanh", "=tanh(z)"), ("relu", "=relu(z)")]
twins = pytest.mark.parametrize(("name", "text"), TWINS, ids=lambda text: text[:10])


def test_specs_of_one_formula_are_equal_however_it_is_typed() -> None:
    one, other = (NetworkSpec(activation=text) for text in ("=2*x ^ 2 - z", "= 2*z**2−z"))
    assert one == other and hash(one) == hash(other) and one.activation == "=2*z**2-z"


@pytest.mark.parametrize("text", [SELU_FORMULA, "=z*sigmoid(z)", "=z+" + "0.001*" * 32 + "sin(z)"])
def test_a_formula_round_trips(text: str) -> None:
    experiment = Experiment(NetworkSpec(activation=text, depth=3))
    assert from_query(to_query(experiment)) == experiment == from_json(to_json(experiment))
    arms = (experiment, Experiment(NetworkSpec(depth=3)))
    assert arms_from_query(arms_to_query(arms)) == arms


def test_only_a_formula_may_be_long() -> None:
    with pytest.raises(SettingError, match="at most 40 characters"):
        from_query({"activation": "r" * 41})
    with pytest.raises(SettingError, match="at most 201 characters"):
        from_query({"activation": "=" + "z" * 201})


def test_alpha_dropout_needs_a_formula_that_saturates() -> None:
    NetworkSpec(activation=SELU_FORMULA, dropout="alpha")
    with pytest.raises(SettingError, match="z·sin\\(z\\) has none"):
        NetworkSpec(activation="=z*sin(z)", dropout="alpha")


@twins
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_a_formula_propagates_as_its_twin(name: str, text: str, kind: str) -> None:
    small = {"depth": 4, "width": 16, "kind": kind, "dense": 1, "channels": 4}
    own, known = (
        snn.propagate(NetworkSpec(activation=each, **small), batch=16, seeds=2, backward=True,
                      detail=True, dtype="float64", image_size=8)
        for each in (text, name)
    )  # fmt: skip
    for field in ("mean", "variance", "gradient_variance"):
        ours, theirs = getattr(own, field), getattr(known, field)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    # Pairs of samples are by a series without a closed form, good to 1e-4 where f has a kink.
    fields = {"mean": 1e-9, "variance": 1e-9, "gradient_variance": 1e-9, "correlation": 1e-3}
    for field, tolerance in (fields | {"variance_sd": 1e-3}).items():
        ours, theirs = getattr(own.predicted, field), getattr(known.predicted, field)
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=1e-9, err_msg=field)
    assert own.detail is not None and known.detail is not None
    np.testing.assert_allclose(own.detail.saturated, known.detail.saturated, atol=1e-9)
    assert snn.diagnose(own).kind == snn.diagnose(known).kind


@pytest.mark.parametrize("text", [
    "=exp(z)", "=z**3", "=z**20", "=sinh(z)", "=1e30*z", "=1e-25*z", "=exp(-z*z)", "=sin(30*z)",
])  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_whatever_a_formula_does_is_told(text: str) -> None:
    p = snn.propagate(NetworkSpec(activation=text, depth=12, width=16), batch=16, seeds=2,
                      backward=True, detail=True)  # fmt: skip
    assert snn.diagnose(p).headline
    snn.propagation_csv([p], ["own"])
    assert snn.propagation_json([p], ["own"])


@twins
@pytest.mark.parametrize(
    "parts", [{}, {"normalization": "batch"}, {"dropout": "standard"}, {"residual": True}, "cnn"],
    ids=str,
)  # fmt: skip
def test_a_formula_learns_as_its_twin(name: str, text: str, parts: dict | str) -> None:
    """By hand where the network is plain, and by autograd where it is not."""
    cnn = parts == "cnn"
    chosen = {"kind": "cnn", "dense": 1, "channels": 4} if cnn else parts
    training = snn.TrainingSpec(steps=6, record_every=3, statistics_every=3)
    arms = [
        Experiment(NetworkSpec(activation=each, depth=3, width=8, **chosen),
                   data="digits" if cnn else "moons", seeds=2, dtype="float64", training=training)
        for each in (name, text)
    ]  # fmt: skip
    *_, last = snn.train(arms)
    known, own = last.arms
    for field in ("train_loss", "variance", "gradient_variance", "saturated", "dead"):
        np.testing.assert_allclose(getattr(own, field), getattr(known, field), rtol=1e-8,
                                   atol=1e-12)  # fmt: skip


def test_grids_and_fan_in_take_a_formula() -> None:
    small = Experiment(NetworkSpec(activation="=tanh(z)", depth=2, width=8), batch=8, seeds=1)
    cells = list(snn.grid(small, ["none"]))
    assert cells[0].column == "=tanh(z)" and cells[0].present
    assert all(cell.propagation for cell in cells)
    typed = list(snn.grid(small, ["none"], ["= tanh( x )", "selu"]))
    assert [cell.column for cell in typed] == ["=tanh(z)", "selu"] and typed[0].present
    found = snn.fan_in_experiment("=tanh(x)", fan_ins=[16], layers=1, units=32, batch=16)
    assert found.activation == "=tanh(z)"


def test_repairs_of_a_formula_are_those_of_its_twin() -> None:
    for name, text in (("tanh", "=tanh(z)"), ("relu", "=relu(z)")):
        net = NetworkSpec(activation=name, depth=30, width=64, weight_factor=4.0)
        found = [
            snn.diagnose(snn.propagate(replace(net, activation=each), batch=64, seeds=4))
            for each in (name, text)
        ]
        assert [r.settings for r in found[0].repairs] == [r.settings for r in found[1].repairs]
