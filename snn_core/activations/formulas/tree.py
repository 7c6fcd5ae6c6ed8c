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


def value(node: Node, z: Tensor) -> Tensor:
    """Returns the value at z: memory of its own, in the shape and dtype of z."""
    return _full(_dual(node, z, 0.0)[0], z)


def dual(node: Node, z: Tensor) -> tuple[Tensor, Tensor]:
    """Returns value and slope at z, by forward differentiation.

    Of where, min and max it is the slope of the branch that is taken, whatever the other one is:
    there is no product with 0 that an overflow could turn into NaN. Torch's own forward mode is
    slower, and 1 - tanh^2, its slope of tanh, cancels in the tails: at z = 18 it is 4 % off.
    """
    result, slope = _dual(node, z, 1.0)
    return _full(result, z), _full(slope, z)


def holds(test: Node, z: Tensor) -> Tensor | bool:
    """Returns where all comparisons of a condition are true."""
    assert isinstance(test, Condition)
    first, *rest = (
        _COMPARE[sign](_dual(a, z, 0.0)[0], _dual(b, z, 0.0)[0]) for sign, a, b in test.pairs
    )
    for other in rest:
        first = first & other
    return first


def _dual(node: Node, z: Tensor, seed: float) -> tuple[Value, Value]:
    """Value and slope: either may be z itself, or a number where z is not in it.

    The seed is the slope of z; 0 saves the work for slopes.
    """
    match node:
        case Number(number):
            return number, 0.0
        case Variable():
            return z, seed
        case Call("where", (test, *branches)):
            (left, a), (right, b) = (_dual(branch, z, seed) for branch in branches)
            taken = holds(test, z)
            return _pick(taken, left, right, z), _pick_slope(taken, a, b, z)
        case Call("min" | "max" as name, args):
            (left, a), (right, b) = (_dual(arg, z, seed) for arg in args)
            result = FUNCTIONS[name].fn(*_tensors(left, right, z))  # NaN where one of them is
            # Of equals the second is taken, as torch's relu has slope 0.
            taken = _COMPARE["<" if name == "min" else ">"](left, right)
            return result, _pick_slope(taken, a, b, z)
        case Call(name, args):
            function, pairs = FUNCTIONS[name], [_dual(arg, z, seed) for arg in args]
            values = [of for of, _ in pairs]
            result, slope = function.fn(*values), 0.0
            for index, (_, inner) in enumerate(pairs):
                if not _is(inner, 0.0):
                    outer = function.slopes[index](*values, result)
                    slope = slope + (outer if _is(inner, 1.0) else outer * inner)
            return result, slope
    raise AssertionError(node)


def _is(found: Value, number: float) -> bool:
    return isinstance(found, float) and found == number


def _full(found: Value, z: Tensor) -> Tensor:
    if not isinstance(found, Tensor):
        return torch.ones_like(z) * found  # full_like refuses what overflows to infinity
    return found.clone() if found is z else found


def _pick(taken: Tensor | bool, left: Value, right: Value, z: Tensor) -> Tensor:
    """The left value where it is taken, else the right one; both may be numbers."""
    return torch.where(torch.as_tensor(taken, device=z.device), *_tensors(left, right, z))


def _pick_slope(taken: Tensor | bool, left: Value, right: Value, z: Tensor) -> Value:
    nowhere = _is(left, 0.0) and _is(right, 0.0)
    return 0.0 if nowhere else _pick(taken, left, right, z)


def _tensors(left: Value, right: Value, z: Tensor) -> list[Tensor]:
    """Both values as tensors of the dtype of z."""
    # By way of float64: what a lower dtype has no room for is infinite there, not an error.
    sides = (x if isinstance(x, Tensor) else torch.tensor(x, dtype=torch.float64)
             for x in (left, right))  # fmt: skip
    return [side.to(z.device, z.dtype) for side in sides]
