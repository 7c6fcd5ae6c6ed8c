"""The functions of formulas, each with its slopes and its source in torch and Keras."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

__all__ = ["CALLABLE", "CONSTANTS", "FUNCTIONS", "Function"]


@dataclass(frozen=True)
class Function:
    """A function or an operator of a formula.

    Attributes:
        arity: How many arguments it takes.
        fn: Of tensors or numbers, at least one a tensor.
        slopes: The partial derivative by each argument, of the arguments and the value.
        torch_code, keras_code: Source, with a hole for every argument.
    """

    arity: int
    fn: Callable[..., Any]
    slopes: tuple[Callable[..., Any], ...]
    torch_code: str
    keras_code: str


def _operator(fn: Callable[..., Any], code: str, *slopes: Callable[..., Any]) -> Function:
    return Function(len(slopes), fn, slopes, code, code)


def _unary(
    name: str,
    fn: Callable[..., Any],
    slope: Callable[..., Any],
    torch_code: str = "",
    keras_name: str = "",
) -> Function:
    code = torch_code or f"torch.{name}({{}})"
    return Function(1, fn, (slope,), code, f"keras.ops.{keras_name or name}({{}})")


def _chosen(name: str, arity: int) -> Function:
    """A function that picks one of its arguments, value and slope (in `tree`)."""
    keras_name = {"min": "minimum", "max": "maximum"}.get(name, name)  # torch's name as well
    holes = ", ".join(["{}"] * arity)
    code = f"torch.{keras_name}({holes})"
    fn = getattr(torch, keras_name)
    return Function(arity, fn, (), code, f"keras.ops.{keras_name}({holes})")


FUNCTIONS: dict[str, Function] = {
    "add": _operator(operator.add, "({} + {})", lambda a, b, f: 1.0, lambda a, b, f: 1.0),
    "sub": _operator(operator.sub, "({} - {})", lambda a, b, f: 1.0, lambda a, b, f: -1.0),
    "mul": _operator(operator.mul, "({} * {})", lambda a, b, f: b, lambda a, b, f: a),
    "div": _operator(operator.truediv, "({} / {})", lambda a, b, f: 1 / b, lambda a, b, f: -f / b),
    "neg": _operator(operator.neg, "(-{})", lambda a, f: -1.0),
    # The exponent is a number, never 0.
    "pow": _operator(
        operator.pow, "({} ** {})", lambda a, p, f: p * a ** (p - 1), lambda a, p, f: 0.0
    ),
    "exp": _unary("exp", torch.exp, lambda a, f: f),
    "expm1": _unary("expm1", torch.expm1, lambda a, f: torch.exp(a)),
    "log": _unary("log", torch.log, lambda a, f: 1 / a),
    "log1p": _unary("log1p", torch.log1p, lambda a, f: 1 / (1 + a)),
    "sqrt": _unary("sqrt", torch.sqrt, lambda a, f: 0.5 / f),
    "abs": _unary("abs", torch.abs, lambda a, f: torch.sign(a)),
    "sign": _unary("sign", torch.sign, lambda a, f: torch.zeros_like(a)),
    "sin": _unary("sin", torch.sin, lambda a, f: torch.cos(a)),
    "cos": _unary("cos", torch.cos, lambda a, f: -torch.sin(a)),
    "atan": _unary("atan", torch.atan, lambda a, f: 1 / (1 + a * a), keras_name="arctan"),
    "sinh": _unary("sinh", torch.sinh, lambda a, f: torch.cosh(a)),
    "cosh": _unary("cosh", torch.cosh, lambda a, f: torch.sinh(a)),
    # 1/cosh^2, since 1 - tanh^2 cancels in the tails; and so on.
    "tanh": _unary("tanh", torch.tanh, lambda a, f: torch.cosh(a).reciprocal().square()),
    "sigmoid": _unary("sigmoid", torch.sigmoid, lambda a, f: f * torch.sigmoid(-a)),
    # Above a threshold torch has a itself; at its default of 20 that is wrong by 2e-9.
    "softplus": _unary(
        "softplus",
        lambda a: F.softplus(a, 1.0, 40.0),
        lambda a, f: torch.sigmoid(a),
        "nn.functional.softplus({}, threshold=40.0)",
    ),
    "erf": _unary(
        "erf", torch.erf, lambda a, f: torch.exp(-a * a) * (2 / math.sqrt(math.pi))
    ),
    "where": _chosen("where", 3),
    "min": _chosen("min", 2),
    "max": _chosen("max", 2),
}  # fmt: skip

# Names with the arity that a person writes; relu and clip are min and max by other names.
CALLABLE: dict[str, int] = {
    name: f.arity
    for name, f in FUNCTIONS.items()
    if name not in ("add", "sub", "mul", "div", "neg", "pow")
} | {"relu": 1, "clip": 3, "minimum": 2, "maximum": 2}
CONSTANTS = {"pi": math.pi, "e": math.e}
