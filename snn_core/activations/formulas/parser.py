"""From a formula's tokens to its tree: Python's own grammar, of which little is allowed.

The text is parsed, never compiled or evaluated; what is not listed here is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

import torch

from snn_core.activations.formulas.functions import CALLABLE, CONSTANTS, FUNCTIONS
from snn_core.activations.formulas.tokens import Refused, Token
from snn_core.activations.formulas.tree import Call, Condition, Node, Number, Variable, holds
from snn_core.wording import count

__all__ = ["parse"]

DEEPEST = 40
LARGEST_EXPONENT = 32.0
LARGEST_NUMBER = 1e30  # float32 holds 3e38
_BINARY: dict[type, str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow",
}  # fmt: skip
_COMPARE: dict[type, str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


def parse(tokens: Sequence[Token]) -> Node:
    """Returns the tree of a formula.

    Raises:
        Refused: It is not a formula.
    """
    # One line per character typed, so that a node's line number is its place.
    texts = {token.place: token.text for token in tokens}
    lines = (texts.get(place, "") for place in range(1, tokens[-1].place + 1))
    try:
        body = ast.parse("\\\n".join(lines), mode="eval").body
    except SyntaxError as error:
        place = error.lineno or 0
        wrong = {"(": "this bracket is never closed.", ")": "this bracket closes none."}
        said = wrong.get(texts.get(place, ""), "it can't be read from here on.")
        raise Refused(place, said) from None
    except (ValueError, RecursionError, MemoryError):
        raise Refused(0, "it is nested too deeply.") from None
    return _node(body, 0)


def _node(at: ast.expr, depth: int) -> Node:
    place, below = at.lineno, depth + 1
    if depth > DEEPEST:
        raise Refused(place, f"it is nested more than {DEEPEST} deep.")
    match at:
        case ast.Constant(value=int() | float() as number):
            return _number(float(number), place)
        case ast.Name(id="z"):
            return Variable()
        case ast.Name(id=name) if name in CONSTANTS:
            return Number(CONSTANTS[name])
        case ast.Name(id=name):
            raise Refused(place, f"{name!r} is a function; give it its argument: {name}(z).")
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _node(inner, below)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return _call("neg", [_node(inner, below)], place)
        case ast.BinOp(op=sign, left=left, right=right) if type(sign) in _BINARY:
            args = [_node(side, below) for side in (left, right)]
            return _call(_BINARY[type(sign)], args, place)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in CALLABLE:
            return _function(name, args, place, below)
        case ast.Compare():
            said = "a comparison stands only first in where(), as in where(z > 0, z, 0)."
            raise Refused(place, said)
        case ast.Tuple():
            raise Refused(place, "a comma parts a function's arguments, as in max(z, 0).")
    raise Refused(place, "only numbers, z, + - * / ** and the known functions are allowed.")


def _function(name: str, args: Sequence[ast.expr], place: int, depth: int) -> Node:
    arity = CALLABLE[name]
    if len(args) != arity:
        raise Refused(place, f"{name} takes {count(arity, 'argument')}, got {len(args)}.")
    if name == "where":
        test = _condition(args[0], depth)
        branches = [_node(arg, depth) for arg in args[1:]]
        if isinstance(test, bool):
            return branches[0] if test else branches[1]
        return Call("where", (test, *branches))
    inner = [_node(arg, depth) for arg in args]
    if name == "relu":
        return _call("max", [*inner, Number(0.0)], place)
    if name == "clip":
        return _call("min", [_call("max", inner[:2], place), inner[2]], place)
    return _call(name, inner, place)


def _condition(at: ast.expr, depth: int) -> Condition | bool:
    """The first argument of where(); True or False if it does not depend on z."""
    if not isinstance(at, ast.Compare):
        raise Refused(at.lineno, "where() begins with a comparison, as in where(z > 0, z, 0).")
    sides = [_node(side, depth) for side in (at.left, *at.comparators)]
    signs = [_COMPARE[type(sign)] for sign in at.ops]  # the tokens have no others
    test = Condition(tuple(zip(signs, sides, sides[1:], strict=False)))
    fixed = all(isinstance(side, Number) for side in sides)
    return bool(holds(test, torch.zeros(()))) if fixed else test


def _call(name: str, args: Sequence[Node], place: int) -> Node:
    """The call, or its number if it does not depend on z: all arithmetic is in floating point."""
    if name == "pow":
        exponent, most = args[1], f"{LARGEST_EXPONENT:g}"
        if not isinstance(exponent, Number):
            raise Refused(place, "an exponent is a number; write exp(z*log(2)) for 2**z.")
        if abs(exponent.value) > LARGEST_EXPONENT:
            said = f"an exponent is between -{most} and {most}, got {exponent.value:.4g}."
            raise Refused(place, said)
        if exponent.value == 0.0:
            return Number(1.0)
    if name == "div" and args[1] == Number(0.0):
        raise Refused(place, "this divides by 0.")
    numbers = [arg.value for arg in args if isinstance(arg, Number)]
    if len(numbers) < len(args):
        return Call(name, tuple(args))
    tensors = [torch.tensor(number, dtype=torch.float64) for number in numbers]
    return _number(float(FUNCTIONS[name].fn(*tensors)), place)


def _number(number: float, place: int) -> Number:
    if not abs(number) <= LARGEST_NUMBER:  # nor NaN
        most = f"{LARGEST_NUMBER:g}"
        raise Refused(place, f"a number is between -{most} and {most}, got {number:g}.")
    return Number(number)
