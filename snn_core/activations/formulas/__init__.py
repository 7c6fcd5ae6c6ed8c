"""An activation of one's own, typed as a formula in z: ``"=1.6*tanh(z)"``."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from snn_core.activations.activation import Activation
from snn_core.activations.formulas.kinks import (
    check_usable,
    find_kinks,
    largest_slope,
    left_limit,
)
from snn_core.activations.formulas.parser import parse
from snn_core.activations.formulas.source import code
from snn_core.activations.formulas.tokens import LONGEST, Refused, readable, tokenize
from snn_core.activations.formulas.tree import Node, dual, value

__all__ = ["LONGEST", "SELU_FORMULA", "formula", "is_formula"]

SELU_FORMULA = "=1.0507009873554805*where(z>0,z,1.6732632423543772*(exp(z)-1))"
LONGEST_LABEL = 40


def is_formula(name: object) -> bool:
    """Returns whether an activation's name is a formula: a text that begins with "="."""
    return isinstance(name, str) and name.startswith("=")


@lru_cache(maxsize=256)
def formula(text: str) -> Activation:
    """Returns the activation that a formula in z describes, or in x, which is the same.

    Its name is the formula's canonical spelling. Its moments are by quadrature. Its largest slope
    is that for |z| up to 8, since many formulas have no bound.

    >>> formula("= 1.6 * tanh(x)").name, formula("=relu(z)^2").label
    ('=1.6*tanh(z)', 'relu(z)^2')

    Raises:
        ValueError: It is not a formula, or no activation: constant, with jumps, or not finite for
            |z| up to 8. The sentence says where and why.
    """
    typed = text.removeprefix("=")
    try:
        tokens = tokenize(typed)
        tree = parse(tokens)
        check_usable(tree)
    except Refused as refused:
        shown = typed if len(typed) <= 60 else f"{typed[:57]}..."
        where = f", character {refused.place}" if refused.place else ""
        raise ValueError(f"Formula {shown!r}{where}: {refused.sentence}") from None
    spelled = "".join(token.text for token in tokens)
    kinks, whole = find_kinks(tree)
    return Activation(
        name=f"={spelled}",
        label=readable(spelled, LONGEST_LABEL),
        formula=readable(spelled),
        fn=partial(_apply, tree),
        derivative=partial(_slope, tree),
        citation="",
        kinks=kinks,
        saturation=left_limit(tree),
        largest_slope=largest_slope(tree, kinks),
        torch_code=code(tree, "torch"),
        keras_code=code(tree, "keras"),
        note="" if whole else "It has more kinks than the theory's integrals are split at, "
        "so predictions are less exact.",
    )  # fmt: skip


def _slope(tree: Node, z: Tensor) -> Tensor:
    return dual(tree, z)[1]


class _Formula(torch.autograd.Function):
    """f with its own derivative: autograd keeps only z and ignores branches that are not taken."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, tree: Node) -> Tensor:  # noqa: ANN401  torch's own
        ctx.save_for_backward(z)
        ctx.tree = tree
        return value(tree, z)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (z,) = ctx.saved_tensors
        return gradients[0] * _slope(ctx.tree, z), None


def _apply(tree: Node, z: Tensor) -> Tensor:
    return _Formula.apply(z, tree)
