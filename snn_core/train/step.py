"""One update of some seeds' networks: batch, gradients, optimizer, constraint."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import SGD, Adadelta, Adam, AdamW, Optimizer, RMSprop

from snn_core.activations import Activation
from snn_core.network import generator
from snn_core.propagate import Stopped
from snn_core.settings import Experiment, TrainingSpec
from snn_core.train.data import Batch, Order, Task, batch_at
from snn_core.train.manual_backward import Buffers, buffers_of, is_plain, manual_backward
from snn_core.train.networks import (
    Networks,
    Trace,
    adapt,
    ask,
    copy_of,
    draw,
    effective,
    is_slow_constraint,
    project_,
    run_pass,
)
from snn_core.train.statistics import PartialSums, partial_sums

__all__ = [
    "Divergence",
    "SeedGroup",
    "advance",
    "bytes_of",
    "first_sums",
    "gradients",
    "group_of",
    "locate_nonfinite",
    "losses",
    "resumed",
]

TOGETHER = 2**20  # numbers worth copying side by side, to save kernels


class Divergence(NamedTuple):
    """Where numbers stopped being finite: the update, the layer, and what of it."""

    step: int
    layer: int
    what: str


@dataclass
class SeedGroup:
    """Some seeds that train in lock step, and how many updates they have made.

    ``memory`` is what the optimizer remembers of each of ``net.leaves()``. ``manual`` says whether
    gradients are computed without autograd. ``optimizer``, which writes into ``memory``, and
    ``buffers`` are made when first needed.
    """

    net: Networks
    task: Task
    order: Order
    memory: list[dict[str, Any]]
    manual: bool
    step: int = 0
    divergence: Divergence | None = None
    optimizer: Optimizer | None = None
    buffers: Buffers | None = None


def group_of(experiment: Experiment, task: Task, seeds: Sequence[int]) -> SeedGroup:
    """Returns the seeds before their first update."""
    order = Order(experiment, seeds, len(task.train.y))
    net = draw(experiment, seeds, task.outputs, batch_at(order, task.train, 0).x)
    group = SeedGroup(net, task, order, [{} for _ in net.leaves()], is_plain(net))
    _optimizer_of(group, 0.0)  # a process's first takes a second, which no update should
    return group


def resumed(group: SeedGroup, experiment: Experiment | None = None) -> SeedGroup:
    """Returns a copy that goes on bit by bit as the group would, or as another experiment.

    That may have another training, constraint or dropout; another optimizer starts without a
    memory.
    """
    net, old = copy_of(group.net), group.net.experiment
    new = experiment or old
    if new != old:
        net = adapt(net, new)
    kept = group.memory if new.training.optimizer == old.training.optimizer else []
    return replace(
        group,
        net=net,
        order=Order(new, net.seeds, group.order.rows),
        memory=[_cloned(state) for state in kept] or [{} for _ in net.leaves()],
        manual=is_plain(net),
        optimizer=None,
        buffers=None,
    )


def _cloned(state: dict[str, Any]) -> dict[str, Any]:
    return {k: v.clone() if isinstance(v, Tensor) else v for k, v in state.items()}


def bytes_of(group: SeedGroup) -> int:
    """Returns what parameters and the optimizer's memory hold."""
    tensors = [*group.net.leaves(), *(v for state in group.memory for v in state.values())]
    return sum(t.numel() * t.element_size() for t in tensors if isinstance(t, Tensor))


def advance(
    group: SeedGroup, target: int, rate: Callable[[int], float], noting: bool = False
) -> PartialSums | None:
    """Makes updates until there are ``target``; returns sums of the last one where ``noting``.

    ``rate`` gives the learning rate of every update. A divergence ends it early, and so does
    the networks' ``should_stop`` by raising Stopped; both leave a group that has made whole
    updates.
    """
    sums = None
    while group.step < target and group.divergence is None:
        ask(group.net)
        sums = _update(group, rate(group.step), noting and group.step == target - 1)
    return sums


def first_sums(group: SeedGroup) -> PartialSums | None:
    """Returns sums of the pass that the next update will be made from, without the update."""
    found = gradients(group, noting=True)[1]
    if found is None:
        return None
    with torch.no_grad():
        return partial_sums(_activation(group), found, effective(group.net), [], 0.0)


def _activation(group: SeedGroup) -> Activation:
    return group.net.shapes[0].activation


def _update(group: SeedGroup, rate: float, noting: bool) -> PartialSums | None:
    loss, trace = gradients(group, noting)
    if not math.isfinite(loss):
        group.divergence = locate_nonfinite(group, _batch(group).x)
        return None
    net, training = group.net, group.net.experiment.training
    if training.clip:
        clip_(net.leaves(), training.clip)
    steps_kept = remembers_steps(training) and net.constraint.name == "none"
    with torch.no_grad():
        before = [run.clone() for run in effective(net)] if trace and not steps_kept else []
    kept = resumed(group) if is_slow_constraint(net) else None
    _optimizer_of(group, rate).step()
    try:
        project_(net)
        with torch.no_grad():
            after = effective(net) if trace else []
    except Stopped:
        assert kept is not None  # nothing else asks
        group.net, group.memory = replace(kept.net, should_stop=net.should_stop), kept.memory
        group.optimizer = group.buffers = None
        raise
    group.step += 1
    if trace is None:
        return None
    if steps_kept:
        steps = [state["momentum_buffer"] for state in group.memory[: len(after)]]
        return partial_sums(_activation(group), trace, after, steps, rate)
    with torch.no_grad():
        steps = [old.sub_(new) for old, new in zip(before, after, strict=True)]
    return partial_sums(_activation(group), trace, after, steps, 1.0)


def _batch(group: SeedGroup) -> Batch:
    return batch_at(group.order, group.task.train, group.step)


def gradients(group: SeedGroup, noting: bool = False) -> tuple[float, Trace | None]:
    """Leaves the gradients in the leaves; returns the loss, and all the layers if noting.

    The layers stay as they are until the next pass. Stopping before a large product raises
    Stopped; no parameter has changed then.
    """
    net, batch = group.net, _batch(group)
    smoothing, regression = net.experiment.training.label_smoothing, group.task.regression
    setting = {"batch": batch, "smoothing": smoothing, "regression": regression}
    if group.manual:
        group.buffers = group.buffers or buffers_of(net, group.order.size)
        top = partial(losses, **setting)
        return manual_backward(net, group.buffers, batch.x, top, noting)
    for leaf in net.leaves():
        leaf.requires_grad_(True).grad = None
    found = run_pass(net, batch.x.requires_grad_(noting), _masks(group), keep=noting)
    layers: list[Tensor] = [torch.empty(0)] * len(found.h)
    for index, h in enumerate(found.h):
        h.register_hook(lambda g, index=index: layers.__setitem__(index, g))
    each, slope = losses(found.outputs.detach(), **setting)
    found.outputs.backward(slope)
    trace = Trace(_stacked(found.h), _stacked(found.z), _stacked(layers)) if noting else None
    return float(each.sum()), trace


def _stacked(layers: Sequence[Tensor]) -> list[Tensor]:
    """Neighbours of one shape as blocks, as far as a copy costs less than kernels for each."""
    blocks = []
    for _, alike in itertools.groupby(layers, lambda layer: layer.shape):
        run = [layer.detach() for layer in alike]
        count = max(1, TOGETHER // run[0].numel())
        for some in (run[start : start + count] for start in range(0, len(run), count)):
            blocks.append(torch.stack(some) if len(some) > 1 else some[0].unsqueeze(0))
    return blocks


def _masks(group: SeedGroup) -> list[torch.Generator]:
    """Dropout's random numbers: of this seed and this step, whatever came before."""
    experiment = group.net.experiment
    if experiment.network.dropout == "none":
        return []
    return [generator(experiment, k, "dropout", group.step) for k in group.net.seeds]


@torch.no_grad()
def locate_nonfinite(group: SeedGroup, x: Tensor) -> Divergence:
    """Returns where it began, after a loss that is not finite.

    Weights that are not finite come from the update before, and from the highest such layer,
    since gradients come from above; else the lowest output that is not finite.
    """
    net, depth = group.net, len(group.net.shapes)
    runs = zip(net.weights, net.biases, strict=True)
    finite = [f for w, b in runs for f in (_finite(w) & _finite(b)).tolist()]
    finite.append(bool((_finite(net.head_weight) & _finite(net.head_bias)).all()))
    if not all(finite):
        layer = depth + 1 - finite[::-1].index(False)
        return Divergence(group.step, layer, "weights")
    outputs = run_pass(net, x, _masks(group), keep=True).h
    bad = [index for index, h in enumerate(outputs) if not h.isfinite().all()]
    return Divergence(group.step + 1, bad[0] if bad else depth + 1, "outputs")


def _finite(run: Tensor) -> Tensor:
    """(layers,): whether all numbers of a layer are finite."""
    return run.detach().flatten(1).isfinite().all(1)


def _optimizer_of(group: SeedGroup, rate: float) -> Optimizer:
    if group.optimizer is None:
        leaves = group.net.leaves()
        group.optimizer = optimizer_of(group.net.experiment.training, leaves)
        group.optimizer.state.update(zip(leaves, group.memory, strict=True))
    for each in group.optimizer.param_groups:
        each["lr"] = rate
    return group.optimizer


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


def losses(
    outputs: Tensor, batch: Batch, smoothing: float, regression: bool
) -> tuple[Tensor, Tensor]:
    """Returns every seed's mean loss over its rows, ``(seeds,)``, and the gradient of their sum.

    Cross entropy in nats, or the squared error of a regression. The gradient is the outputs', in
    a few kernels: of cross entropy softmax less the targets' shares, over the number of rows. A
    seed's is that of its own loss, since seeds share nothing.
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
        slope.scatter_add_(2, place, hit.new_ones(()).mul(weight).expand_as(hit).unsqueeze(2))
    return each.mean(1), slope.div_(rows)
