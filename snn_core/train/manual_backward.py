"""The backward pass of plain dense networks without autograd, in half of its time.

For ``z = h W^T + b``, ``h' = f(z)`` and ``g = dL/dh'``: ``dL/dz = g f'(z)``, ``dL/dW = (dL/dz)^T
h``, ``dL/db`` its sum over rows, ``dL/dh = dL/dz W``. Written straight into the parameters' own
gradients. What a pass keeps lies in one block for all neighbours of one width, taken once: fresh
memory would cost more than some kernels, and the statistics of all layers are a few kernels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from snn_core.activations import Activation
from snn_core.train.networks import Networks, Trace, ask, is_slow

__all__ = ["Buffers", "buffers_of", "is_plain", "manual_backward"]

Top = Callable[[Tensor], tuple[Tensor, Tensor]]


def is_plain(net: Networks) -> bool:
    """Returns whether every layer is a weight, a bias and an activation, and nothing else."""
    spec = net.experiment.network
    return (
        all(layer.plan.kind == "dense" for layer in net.shapes)
        and (spec.normalization, spec.dropout, spec.residual) == ("none", "none", False)
        and net.scale is None
        and not net.parametrized
    )


@dataclass(frozen=True)
class Buffers:
    """Where the passes of a plain network leave their numbers, update after update.

    ``blocks`` are of the hidden layers. Where the activation's ``pull`` works from its output, h
    lies in the place of z and nothing keeps z. All else are views, an entry a layer from the input
    up, without the seeds axis where there is one seed: plain products are faster than stacks of
    one. ``weights`` and what follows have the head as their last entry; ``slow`` says where a
    product takes so long that it is worth asking before it whether to stop.
    """

    blocks: Trace
    z: list[Tensor]
    h: list[Tensor]
    gradients: list[Tensor]
    leaves: list[tuple[Tensor, Tensor]]  # a parameter and its gradient
    weights: list[Tensor]
    turned: list[Tensor]  # W^T
    biases: list[Tensor]
    weight_grads: list[Tensor]
    bias_grads: list[Tensor]
    slow: list[bool]


@torch.no_grad()
def buffers_of(net: Networks, rows: int) -> Buffers:
    """Returns the buffers for batches of so many rows a seed."""
    alone = len(net.seeds) == 1
    pairs = [(leaf, torch.empty_like(leaf)) for leaf in net.leaves()]
    grads = [grad for _, grad in pairs]
    kinds = len(net.weights)
    plans, seeds = [layer.plan for layer in net.shapes], len(net.seeds)
    widths = [(k, len([*some])) for k, some in itertools.groupby(plan.outputs for plan in plans)]
    kinds_kept = 2 if net.shapes[0].activation.pull else 3  # h tells the slope, so z need not stay
    h, gradients, *z = (
        [net.head_bias.new_empty(count, seeds, rows, width) for width, count in widths]
        for _ in range(kinds_kept)
    )
    own_h = _matrices(h, alone)
    weights = _matrices([*net.weights, net.head_weight], alone)
    biases = _matrices([*net.biases, net.head_bias], alone)
    return Buffers(
        blocks=Trace(h, z[0] if z else [], gradients),
        z=_matrices(z[0], alone) if z else own_h,
        h=own_h,
        gradients=_matrices(gradients, alone),
        leaves=pairs,
        weights=weights,
        turned=[weight.mT for weight in weights],
        biases=[bias if alone else bias.unsqueeze(1) for bias in biases],
        weight_grads=_matrices([*grads[:kinds], grads[2 * kinds]], alone),
        bias_grads=_matrices([*grads[kinds : 2 * kinds], grads[2 * kinds + 1]], alone),
        slow=[is_slow(plan, seeds, rows) for plan in (*plans, net.head.plan)],
    )


def _matrices(runs: Sequence[Tensor], alone: bool) -> list[Tensor]:
    """The layers of ``(layers, seeds, ...)``, without the seeds axis where there is one seed."""
    whole = (run.detach() for run in runs)
    return [layer for run in whole for layer in (run.squeeze(1) if alone else run).unbind(0)]


@torch.no_grad()
def manual_backward(
    net: Networks, buffers: Buffers, x: Tensor, top: Top, keep: bool
) -> tuple[float, Trace | None]:
    """Leaves the gradients in the leaves; returns the loss, and where ``keep`` all layers.

    ``top`` gives every seed's loss, ``(seeds,)``, and the gradient of their sum from the outputs;
    the sum is returned. The layers stay as they are until the next pass.

    Raises:
        Stopped: The training was to stop before a large product; no parameter has changed.
    """
    for leaf, grad in buffers.leaves:
        leaf.grad = grad
    alone, activation = len(net.seeds) == 1, net.shapes[0].activation
    affine, product = (torch.addmm, torch.mm) if alone else (torch.baddbmm, torch.bmm)
    inputs, last = x.flatten(2), len(buffers.h)
    h = [inputs.squeeze(0) if alone else inputs, *buffers.h]
    for index in range(last):
        if buffers.slow[index]:
            ask(net)
        z = affine(buffers.biases[index], h[index], buffers.turned[index], out=buffers.z[index])
        _apply(activation, z, buffers.h[index])
    outputs = affine(buffers.biases[last], h[last], buffers.turned[last])
    each, g = top(outputs.unsqueeze(0) if alone else outputs)
    g, vjp = g.squeeze(0) if alone else g, _vjp(activation)
    gradients = [torch.empty_like(h[0]), *buffers.gradients] if keep else [None] * (last + 1)
    for index in range(last, -1, -1):
        if buffers.slow[index]:
            ask(net)
        product(g.mT, h[index], out=buffers.weight_grads[index])
        torch.sum(g, -2, out=buffers.bias_grads[index])
        if index or keep:
            g = product(g, buffers.weights[index], out=gradients[index])
        if index:
            g = vjp(g, buffers.z[index - 1])
    total = float(each.sum())
    if not keep:
        return total, None
    blocks, below = buffers.blocks, g.unsqueeze(0) if alone else g
    gradients = [below.unsqueeze(0), *blocks.gradients]
    return total, Trace([inputs.unsqueeze(0), *blocks.h], blocks.z, gradients)


def _apply(activation: Activation, z: Tensor, h: Tensor) -> None:
    """Writes f(z) to h, which may be z itself; a copy costs less than memory of its own."""
    if activation.fn_ is None:
        h.copy_(activation.fn(z))
    else:
        activation.fn_(h if h is z else h.copy_(z))


def _vjp(activation: Activation) -> Callable[[Tensor, Tensor], Tensor]:
    """g f'(z) from what the buffers keep for it: the output in one kernel, else z."""
    return activation.pull or (lambda g, z: g * activation.derivative(z))
