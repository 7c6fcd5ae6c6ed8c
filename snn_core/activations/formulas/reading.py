"""From a formula's text to its tree: Python's own grammar, of which little is allowed.

The text is parsed, never compiled or evaluated; what is not listed here is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

import torch

from snn_core.activations.formulas.functions import CALLABLE, CONSTANTS, FUNCTIONS
from snn_core.activations.formulas.spelling import Text, cut, refusal
from snn_core.activations.formulas.tree import Call, Condition, Node, Number, Variable, holds
from snn_core.wording import count

__all__ = ["read"]

DEEPEST = 40
LARGEST_EXPONENT = 32.0
LARGEST_NUMBER = 1e30  # float32 holds 3e38
_BINARY: dict[type, str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow",
}  # fmt: skip
_COMPARE: dict[type, str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


def read(typed: str) -> tuple[str, Node]:
    """Returns the canonical spelling of a formula, without its equals sign, and its tree.

    >>> read("2 * tanh(x)^2")[0]
    '2*tanh(z)**2'

    Raises:
        ValueError: It is no formula; the sentence says at which character and why.
    """
    text = cut(typed)
    try:
        body = ast.parse(text.spelled, mode="eval").body
    except SyntaxError as error:
        place = text.place((error.offset or 1) - 1)
        raise refusal(typed, place, "it can't be read from here on.") from None
    except (ValueError, RecursionError, MemoryError):
        raise refusal(typed, 0, "it is nested too deeply.") from None
    return text.spelled, _node(body, text, 0)


def _refused(text: Text, at: ast.expr, sentence: str) -> ValueError:
    return refusal(text.typed, text.place(at.col_offset), sentence)


def _node(at: ast.expr, text: Text, depth: int) -> Node:
    if depth > DEEPEST:
        raise _refused(text, at, f"it is nested more than {DEEPEST} deep.")
    match at:
        case ast.Constant(value=int() | float() as number):
            return _number(float(number), text, at)
        case ast.Name(id="z"):
            return Variable()
        case ast.Name(id=name) if name in CONSTANTS:
            return Number(CONSTANTS[name])
        case ast.Name(id=name):
            raise _refused(text, at, f"{name!r} is a function; give it its argument: {name}(z).")
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _node(inner, text, depth + 1)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return _call("neg", [_node(inner, text, depth + 1)], text, at)
        case ast.BinOp(op=sign, left=left, right=right) if type(sign) in _BINARY:
            args = [_node(side, text, depth + 1) for side in (left, right)]
            return _call(_BINARY[type(sign)], args, text, at)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in CALLABLE:
            return _function(name, args, text, at, depth)
        case ast.Compare():
            raise _refused(
                text, at, "a comparison stands only first in where(), as in where(z > 0, z, 0)."
            )
        case ast.Tuple():
            raise _refused(text, at, "a comma parts a function's arguments, as in max(z, 0).")
    raise _refused(text, at, "only numbers, z, + - * / ** and the known functions are allowed.")


def _function(name: str, args: Sequence[ast.expr], text: Text, at: ast.expr, depth: int) -> Node:
    arity = CALLABLE[name]
    if len(args) != arity:
        raise _refused(text, at, f"{name} takes {count(arity, 'argument')}, got {len(args)}.")
    if name == "where":
        test = _condition(args[0], text, depth + 1)
        branches = [_node(arg, text, depth + 1) for arg in args[1:]]
        if isinstance(test, bool):
            return branches[0] if test else branches[1]
        return Call("where", (test, *branches))
    inner = [_node(arg, text, depth + 1) for arg in args]
    if name == "relu":
        return _call("max", [*inner, Number(0.0)], text, at)
    if name == "clip":
        low = _call("max", inner[:2], text, at)
        return _call("min", [low, inner[2]], text, at)
    return _call(name, inner, text, at)


def _condition(at: ast.expr, text: Text, depth: int) -> Condition | bool:
    """Returns where()'s first argument; True or False where z has no say in it."""
    if not isinstance(at, ast.Compare):
        raise _refused(text, at, "where() begins with a comparison, as in where(z > 0, z, 0).")
    sides = [_node(side, text, depth) for side in (at.left, *at.comparators)]
    if not all(type(sign) in _COMPARE for sign in at.ops):
        raise _refused(text, at, "compare with <, <=, > or >=.")
    signs = [_COMPARE[type(sign)] for sign in at.ops]
    test = Condition(tuple(zip(signs, sides, sides[1:], strict=False)))
    fixed = all(isinstance(side, Number) for side in sides)
    return bool(holds(test, torch.zeros(()))) if fixed else test


def _call(name: str, args: Sequence[Node], text: Text, at: ast.expr) -> Node:
    """The call, or its number where z is not in it: so all arithmetic is in floating point."""
    exponent = args[-1] if name == "pow" else None
    if exponent is not None:
        if not isinstance(exponent, Number):
            raise _refused(text, at, "an exponent is a number; write exp(z*log(2)) for 2**z.")
        if abs(exponent.value) > LARGEST_EXPONENT:
            given, most = f"{exponent.value:.4g}", f"{LARGEST_EXPONENT:g}"
            raise _refused(text, at, f"an exponent is between -{most} and {most}, got {given}.")
        if exponent.value == 0.0:
            return Number(1.0)
    if name == "div" and args[1] == Number(0.0):
        raise _refused(text, at, "this divides by 0.")
    numbers = [arg.value for arg in args if isinstance(arg, Number)]
    if len(numbers) < len(args):
        return Call(name, tuple(args))
    numbers = [torch.tensor(number, dtype=torch.float64) for number in numbers]
    return _number(float(FUNCTIONS[name].fn(*numbers)), text, at)


def _number(number: float, text: Text, at: ast.expr) -> Number:
    if not abs(number) <= LARGEST_NUMBER:  # nor NaN
        said = f"a number is between -{LARGEST_NUMBER:g} and {LARGEST_NUMBER:g}, got {number:g}."
        raise _refused(text, at, said)
    return Number(number)
