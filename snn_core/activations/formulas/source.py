"""A formula as source: for torch and for Keras."""

from __future__ import annotations

from typing import Literal

from snn_core.activations.formulas.functions import FUNCTIONS
from snn_core.activations.formulas.tree import Call, Condition, Node, Number

__all__ = ["code"]


def code(tree: Node, library: Literal["torch", "keras"]) -> str:
    """Returns the formula as a lambda of z in the library's functions."""
    return f"lambda z: {_source(tree, library)}"


def _source(node: Node, library: Literal["torch", "keras"]) -> str:
    if isinstance(node, Number):
        return repr(node.value)
    if isinstance(node, Condition):
        pairs = [f"({_source(a, library)} {sign} {_source(b, library)})"
                 for sign, a, b in node.pairs]  # fmt: skip
        return " & ".join(pairs)
    if not isinstance(node, Call):
        return "z"
    args = [_source(arg, library) for arg in node.args]
    if library == "torch" and node.name in ("min", "max"):
        numbers = [isinstance(arg, Number) for arg in node.args]
        if any(numbers):  # torch.minimum takes no numbers; a bound from above is a minimum
            bound, other = args if numbers[0] else reversed(args)
            side = "max" if node.name == "min" else "min"
            return f"torch.clamp({other}, {side}={bound})"
    if library == "torch" and node.name == "where":
        if all(isinstance(arg, Number) for arg in node.args[1:]):  # of two numbers: float32
            args[1:] = [f"z.new_tensor({arg})" for arg in args[1:]]
    function = FUNCTIONS[node.name]
    template = function.torch_code if library == "torch" else function.keras_code
    return template.format(*args)
