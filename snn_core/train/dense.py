"""The pass of plain dense networks with its gradients by hand, in half of autograd's time.

For ``z = h W^T + b``, ``h' = f(z)`` and ``g = dL/dh'``: ``dL/dz = g f'(z)``, ``dL/dW = (dL/dz)^T
h``, ``dL/db`` its sum over rows, ``dL/dh = dL/dz W``. Written straight into the parameters' own
gradients. Only the loss is left to autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from snn_core.activations import Activation
from snn_core.train.ensemble import Ensemble, Pass

__all__ = ["by_hand", "is_plain"]


def is_plain(net: Ensemble) -> bool:
    """Returns whether every layer is a weight, a bias and an activation, and nothing else."""
    spec = net.experiment.network
    return (
        all(layer.plan.kind == "dense" for layer in net.shapes)
        and (spec.normalization, spec.dropout, spec.residual) == ("none", "none", False)
        and net.scale is None
        and (net.rule.name == "none" or not net.parametrized)
    )


@torch.no_grad()
def by_hand(
    net: Ensemble, x: Tensor, loss: Callable[[Tensor], Tensor], keep: bool
) -> tuple[float, Pass, list[Tensor]]:
    """Leaves the gradients in the leaves; returns the loss, the pass, and dL/dh where ``keep``.

    ``loss`` gives every seed's, ``(seeds,)``, from the outputs; the seeds' sum is returned. The
    pass keeps h and z where asked for, and the gradients are of the input and every layer.
    """
    for leaf in net.leaves():
        if leaf.grad is None:
            leaf.grad = torch.empty_like(leaf)
    alone = len(net.seeds) == 1  # plain products are faster than stacks of one
    runs = [*zip(net.weights, net.biases, strict=True), (net.head_weight, net.head_bias)]
    weights = [w for weight, _ in runs for w in _matrices(weight.detach(), alone)]
    biases = [b for _, bias in runs for b in _matrices(bias.detach(), alone)]
    weight_grads = [g for weight, _ in runs for g in _matrices(weight.grad, alone)]
    bias_grads = [g for _, bias in runs for g in _matrices(bias.grad, alone)]
    affine, product = (torch.addmm, torch.mm) if alone else (_affine, torch.bmm)
    activation = net.shapes[0].activation
    h, z = [x.flatten(2).squeeze(0) if alone else x.flatten(2)], []
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        z.append(affine(bias, h[-1], weight.mT))
        h.append(activation.fn(z[-1]))
    outputs = affine(biases[-1], h[-1], weights[-1].mT)
    outputs = outputs.unsqueeze(0) if alone else outputs
    total, g = _top(outputs, loss)
    g, pull, gradients = g.squeeze(0) if alone else g, _pull(activation), []
    for index in range(len(weights) - 1, -1, -1):
        product(g.mT, h[index], out=weight_grads[index])
        torch.sum(g, -2, out=bias_grads[index])
        if index or keep:
            g = product(g, weights[index])
            gradients.append(g)
        if index:
            g = pull(g, z[index - 1])
    if not keep:
        return total, Pass(outputs, [], []), []
    found = ([each.unsqueeze(0) for each in part] if alone else part for part in (h, z, gradients))
    h, z, gradients = found
    return total, Pass(outputs, h, z), gradients[::-1]


def _matrices(leaf: Tensor | None, alone: bool) -> Sequence[Tensor]:
    """The layers of a parameter tensor, without the seeds axis where there is one seed."""
    assert leaf is not None
    return (leaf.squeeze(1) if alone else leaf).unbind(0)


def _affine(bias: Tensor, h: Tensor, weight: Tensor) -> Tensor:
    return torch.baddbmm(bias.unsqueeze(1), h, weight)


def _pull(activation: Activation) -> Callable[[Tensor, Tensor], Tensor]:
    """g f'(z), in one kernel where the activation has it."""
    return activation.pull or (lambda g, z: g * activation.derivative(z))


@torch.enable_grad()
def _top(outputs: Tensor, loss: Callable[[Tensor], Tensor]) -> tuple[float, Tensor]:
    leaf = outputs.detach().requires_grad_(True)
    total = loss(leaf).sum()
    return float(total.detach()), torch.autograd.grad(total, leaf)[0]
