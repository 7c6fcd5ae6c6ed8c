"""Losses, gradients kept within bounds, and torch's optimizers on tensors with a seeds axis."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import SGD, Adadelta, Adam, AdamW, Optimizer, RMSprop

from snn_core.settings import TrainingSpec
from snn_core.train.data import Batch

__all__ = ["clip_", "losses", "losses_by_hand", "optimizer_of", "remembers_steps", "scores"]


def losses(outputs: Tensor, batch: Batch, smoothing: float, regression: bool) -> Tensor:
    """Returns every seed's mean loss over its rows, ``(seeds,)``.

    Cross entropy in nats, or the squared error of a regression. Only the sum over seeds is
    differentiated; a seed's gradient is that of its own loss, since seeds share nothing.
    """
    own = _each(outputs, batch.y, smoothing, regression)
    if batch.other is not None and batch.share is not None:
        other = _each(outputs, batch.other, smoothing, regression)
        own = batch.share * own + (1.0 - batch.share) * other
    return own.mean(1)


def _each(outputs: Tensor, y: Tensor, smoothing: float, regression: bool) -> Tensor:
    if regression:
        return (outputs.squeeze(2) - y).square()
    flat = F.cross_entropy(
        outputs.flatten(0, 1), y.flatten(), reduction="none", label_smoothing=smoothing
    )
    return flat.view(y.shape)


def losses_by_hand(
    outputs: Tensor, batch: Batch, smoothing: float, regression: bool
) -> tuple[Tensor, Tensor]:
    """Returns `losses` and the gradient of their sum from the outputs, in a few kernels.

    Of cross entropy: softmax less the targets' shares, over the number of rows.
    """
    rows, classes = outputs.shape[1:]
    targets: list[tuple[Tensor, Tensor | float]] = [(batch.y, 1.0)]
    if batch.other is not None and batch.share is not None:
        targets = [(batch.y, batch.share), (batch.other, 1.0 - batch.share)]
    each = outputs.new_zeros(())
    if regression:
        slope = each
        for y, share in targets:
            miss = outputs.squeeze(2) - y
            each, slope = each + share * miss.square(), slope + share * miss
        return each.mean(1), (slope * (2.0 / rows)).unsqueeze(2)
    logs = outputs.log_softmax(2)
    slope = logs.exp()
    if smoothing:
        even = smoothing / classes
        slope, each = slope.sub_(even), -even * logs.sum(2)
    for y, share in targets:
        place, weight = y.unsqueeze(2), (smoothing - 1.0) * share
        hit = logs.gather(2, place).squeeze(2)
        each = each + weight * hit
        slope.scatter_add_(2, place, (torch.ones_like(hit) * weight).unsqueeze(2))
    return each.mean(1), slope.div_(rows)


def scores(outputs: Tensor, y: Tensor, regression: bool) -> Tensor:
    """Returns, for every row, 1 if its class is right, else 0; or the squared error."""
    if regression:
        return (outputs.squeeze(2) - y).square()
    return (outputs.argmax(2) == y).to(outputs.dtype)


def optimizer_of(training: TrainingSpec, leaves: Sequence[Tensor]) -> Optimizer:
    """Returns torch's optimizer for the setting; every one is elementwise, so seeds stay apart.

    Other parameters than the setting's are torch's defaults. Fused where torch has it.
    """
    rate, decay = training.learning_rate, training.weight_decay
    if training.optimizer == "sgd":
        momentum, nesterov = training.momentum, training.nesterov
        return SGD(leaves, rate, momentum, weight_decay=decay, nesterov=nesterov, fused=True)
    if training.optimizer in ("adam", "adamw"):
        kind = Adam if training.optimizer == "adam" else AdamW
        return kind(leaves, rate, weight_decay=decay, fused=True)
    kind = RMSprop if training.optimizer == "rmsprop" else Adadelta
    return kind(leaves, rate, weight_decay=decay, foreach=True)


def remembers_steps(training: TrainingSpec) -> bool:
    """Returns whether an update is minus the rate times the optimizer's "momentum_buffer"."""
    return training.optimizer == "sgd" and training.momentum > 0.0 and not training.nesterov


@torch.no_grad()
def clip_(leaves: Sequence[Tensor], limit: float) -> None:
    """Scales every seed's gradient down to that norm over all its parameters.

    As torch.nn.utils.clip_grad_norm_: by min(1, limit / (norm + 1e-6)). Pascanu, Mikolov, Bengio
    2013, arXiv:1211.5063. Seeds are axis 1 of every leaf.
    """
    gradients = [leaf.grad for leaf in leaves if leaf.grad is not None]
    norms = [
        torch.linalg.vector_norm(g, dim=[axis for axis in range(g.dim()) if axis != 1])
        for g in gradients
    ]
    factor = (limit / (torch.linalg.vector_norm(torch.stack(norms), dim=0) + 1e-6)).clamp(max=1.0)
    for g in gradients:
        g.mul_(factor.reshape(1, -1, *[1] * (g.dim() - 2)))
