"""A formula as data, and its value and slope: a walk over the tree in torch operations."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from snn_core.activations.formulas.functions import FUNCTIONS

__all__ = ["Call", "Condition", "Node", "Number", "Variable", "dual", "holds", "value"]

Value = Tensor | float
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True)
class Variable:
    """The pre-activation z."""


@dataclass(frozen=True)
class Call:
    """A function or an operator, by its name in FUNCTIONS, and its arguments."""

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True)
class Condition:
    """Comparisons that all hold, each ``(sign, left, right)``: the first argument of where()."""

    pairs: tuple[tuple[str, Node, Node], ...]


Node = Number | Variable | Call | Condition


def value(node: Node, z: Tensor) -> Value:
    """Returns the value at z: a tensor of its shape and dtype, or a number where z is not in it.

    The result may be z itself.
    """
    match node:
        case Number(number):
            return number
        case Variable():
            return z
        case Call("where", (test, *branches)):
            left, right = (value(branch, z) for branch in branches)
            return _pick(holds(test, z), left, right, z)
        case Call("min" | "max" as name, args):
            left, right = (value(arg, z) for arg in args)
            return _extreme(name, left, right, z)
        case Call(name, args):
            return FUNCTIONS[name].fn(*(value(arg, z) for arg in args))
    raise AssertionError(node)


def dual(node: Node, z: Tensor) -> tuple[Value, Value]:
    """Returns value and slope at z, by forward differentiation.

    Of where, min and max it is the slope of the branch that is taken, whatever the other one is:
    there is no product with 0 that an overflow could turn into NaN.
    """
    match node:
        case Number(number):
            return number, 0.0
        case Variable():
            return z, 1.0
        case Call("where", (test, *branches)):
            (left, a), (right, b) = (dual(branch, z) for branch in branches)
            taken = holds(test, z)
            return _pick(taken, left, right, z), _pick(taken, a, b, z)
        case Call("min" | "max" as name, args):
            (left, a), (right, b) = (dual(arg, z) for arg in args)
            slope = _pick(_wins(name, left, right), a, b, z)
            return _extreme(name, left, right, z), slope
        case Call(name, args):
            function, pairs = FUNCTIONS[name], [dual(arg, z) for arg in args]
            values = [of for of, _ in pairs]
            result, slope = function.fn(*values), 0.0
            for index, (_, inner) in enumerate(pairs):
                if not (isinstance(inner, float) and inner == 0.0):
                    slope = slope + _product(function.slopes[index](*values, result), inner)
            return result, slope
    raise AssertionError(node)


def holds(test: Node, z: Tensor) -> Tensor | bool:
    """Returns where all comparisons of a condition are true."""
    assert isinstance(test, Condition)
    first, *rest = (_COMPARE[sign](value(a, z), value(b, z)) for sign, a, b in test.pairs)
    for other in rest:
        first = first & other
    return first


def _wins(name: str, left: Value, right: Value) -> Tensor | bool:
    """Where the first argument is taken; of equals the second, as torch's relu has slope 0."""
    return _COMPARE["<" if name == "min" else ">"](left, right)


def _extreme(name: str, left: Value, right: Value, z: Tensor) -> Tensor:
    """The lesser or greater value, NaN where one of them is NaN."""
    return FUNCTIONS[name].fn(*_tensors(left, right, z))


def _pick(taken: Tensor | bool, left: Value, right: Value, z: Tensor) -> Tensor:
    """The left value where it is taken, else the right one; both may be numbers."""
    return torch.where(torch.as_tensor(taken, device=z.device), *_tensors(left, right, z))


def _tensors(left: Value, right: Value, z: Tensor) -> list[Tensor]:
    """Both values as tensors of the dtype of z."""
    # By way of float64: what a lower dtype has no room for is infinite there, not an error.
    sides = (x if isinstance(x, Tensor) else torch.tensor(x, dtype=torch.float64)
             for x in (left, right))  # fmt: skip
    return [side.to(z.device, z.dtype) for side in sides]


def _product(outer: Value, inner: Value) -> Value:
    return outer if isinstance(inner, float) and inner == 1.0 else outer * inner
