"""Some seeds that train in lock step: update after update, and what they know by then."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from snn_core.activations import Activation
from snn_core.network import generator
from snn_core.propagate import Stopped
from snn_core.settings import Experiment
from snn_core.train.data import Batch, Order, Rows, Task, batch_at
from snn_core.train.manual_backward import Room, by_hand, is_plain, room_of
from snn_core.train.networks import (
    Ensemble,
    Trace,
    draw,
    effective,
    is_slow_rule,
    never,
    project_,
    run_pass,
)
from snn_core.train.statistics import Sums, sums_of
from snn_core.train.step import (
    clip_,
    losses,
    losses_by_hand,
    optimizer_of,
    remembers_steps,
    scores,
)

__all__ = ["Fault", "Team", "advance", "back_and_forth", "evaluate", "look", "team_of"]


TOGETHER = 2**20  # numbers worth copying side by side, to save kernels
AT_ONCE = 2e9  # floating-point operations between two looks at should_stop, some 20 ms


class Fault(NamedTuple):
    """Where numbers stopped being finite: the update, the layer, and what of it."""

    step: int
    layer: int
    what: str


@dataclass
class Team:
    """Some seeds' networks, their optimizer, and how many updates they have made.

    ``plain`` says whether their gradients are computed by hand, in a ``room`` of their own.
    """

    net: Ensemble
    task: Task
    order: Order
    optimizer: Optimizer
    plain: bool
    step: int = 0
    fault: Fault | None = None
    room: Room | None = None


def team_of(experiment: Experiment, task: Task, seeds: Sequence[int]) -> Team:
    """Returns the seeds before their first update."""
    order = Order(experiment, seeds, len(task.train.y))
    first = batch_at(order, task.train, 0).x
    net = draw(experiment, seeds, task.outputs, first)
    return Team(net, task, order, optimizer_of(experiment.training, net.leaves()), is_plain(net))


def advance(
    team: Team,
    target: int,
    rate: Callable[[int], float],
    noting: bool,
    should_stop: Callable[[], bool],
) -> Sums | None:
    """Makes updates until there are ``target``; returns sums of the last one where asked for.

    ``rate`` gives the learning rate of every update. A fault ends it early, and so does
    ``should_stop`` by raising Stopped; both leave a team that has made whole updates.
    """
    sums = None
    while team.step < target and team.fault is None:
        if should_stop():
            raise Stopped
        last = noting and team.step == target - 1
        sums = _update(team, rate(team.step), last, should_stop)
    return sums


def look(team: Team, should_stop: Callable[[], bool]) -> Sums | None:
    """Returns sums of the pass that the next update will be made from, without the update."""
    found = back_and_forth(team, True, should_stop)[1]
    if found is None:
        return None
    with torch.no_grad():
        weights = effective(team.net, should_stop)
    return sums_of(_activation(team), found, weights, [], 0.0)


def _activation(team: Team) -> Activation:
    return team.net.shapes[0].activation


def _update(team: Team, rate: float, noting: bool, should_stop: Callable[[], bool]) -> Sums | None:
    net, limit = team.net, team.net.experiment.training.clip
    loss, found = back_and_forth(team, noting, should_stop)
    if not math.isfinite(loss):
        x = batch_at(team.order, team.task.train, team.step).x
        team.fault = _blame(team, x, should_stop)
        return None
    leaves = net.leaves()
    if limit:
        clip_(leaves, limit)
    for group in team.optimizer.param_groups:
        group["lr"] = rate
    remembers = remembers_steps(net.experiment.training) and net.rule.name == "none"
    with torch.no_grad():
        before = (
            [run.clone() for run in effective(net, should_stop)] if found and not remembers else []
        )
    undo = _undo(team) if is_slow_rule(net) else _nothing
    team.optimizer.step()
    try:
        project_(net, should_stop)
        with torch.no_grad():
            after = effective(net, should_stop) if found else []
    except Stopped:
        undo()
        raise
    team.step += 1
    if found is None:
        return None
    if remembers:
        steps = [team.optimizer.state[run]["momentum_buffer"] for run in net.weights]
        return sums_of(_activation(team), found, after, steps, rate)
    with torch.no_grad():
        steps = [old.sub_(new) for old, new in zip(before, after, strict=True)]
    return sums_of(_activation(team), found, after, steps, 1.0)


def _nothing() -> None:
    """What there is to undo where nobody was asked whether to stop."""


def _undo(team: Team) -> Callable[[], None]:
    """Returns what brings parameters and optimizer back to how they are now."""
    leaves = [(leaf, leaf.detach().clone()) for leaf in team.net.leaves()]
    memory = copy.deepcopy(team.optimizer.state_dict()["state"])

    def undo() -> None:
        with torch.no_grad():
            for leaf, kept in leaves:
                leaf.copy_(kept)
        groups = team.optimizer.state_dict()["param_groups"]
        team.optimizer.load_state_dict({"state": memory, "param_groups": groups})

    return undo


def back_and_forth(
    team: Team, noting: bool, should_stop: Callable[[], bool] = never
) -> tuple[float, Trace | None]:
    """Leaves the gradients in the leaves; returns the loss, and all the layers if noting.

    The layers stay as they are until the next pass. A ``should_stop`` that is true before a large
    product ends it by raising Stopped; no parameter has changed then.
    """
    net, smoothing = team.net, team.net.experiment.training.label_smoothing
    batch = batch_at(team.order, team.task.train, team.step)
    setting = {"batch": batch, "smoothing": smoothing, "regression": team.task.regression}
    if team.plain:
        team.room = team.room or room_of(net, team.order.size)
        top = partial(losses_by_hand, **setting)
        return by_hand(net, team.room, batch.x, top, noting, should_stop)
    for leaf in net.leaves():
        leaf.grad = None
    x = batch.x.requires_grad_(noting)
    found = run_pass(net, x, _masks(team), keep=noting, should_stop=should_stop)
    gradients: list[Tensor] = [torch.empty(0)] * len(found.h)
    for index, h in enumerate(found.h):
        h.register_hook(lambda g, index=index: gradients.__setitem__(index, g))
    total = losses(found.outputs, **setting).sum()
    total.backward()
    trace = Trace(_stacked(found.h), _stacked(found.z), _stacked(gradients)) if noting else None
    return float(total.detach()), trace


def _stacked(layers: Sequence[Tensor]) -> list[Tensor]:
    """Neighbours of one shape as blocks, as far as a copy costs less than kernels for each."""
    blocks = []
    for _, alike in itertools.groupby(layers, lambda layer: layer.shape):
        run = [layer.detach() for layer in alike]
        count = max(1, TOGETHER // run[0].numel())
        for some in (run[start : start + count] for start in range(0, len(run), count)):
            blocks.append(torch.stack(some) if len(some) > 1 else some[0].unsqueeze(0))
    return blocks


def _masks(team: Team) -> list[torch.Generator]:
    """Dropout's random numbers: of this seed and this step, whatever came before."""
    experiment = team.net.experiment
    if experiment.network.dropout == "none":
        return []
    return [generator(experiment, k, "dropout", team.step) for k in team.net.seeds]


@torch.no_grad()
def _blame(team: Team, x: Tensor, should_stop: Callable[[], bool]) -> Fault:
    """Finds where it began, after a loss that is not finite.

    Weights that are not finite come from the update before, and from the highest such layer,
    since gradients come from above; else the lowest output that is not finite.
    """
    net, depth = team.net, len(team.net.shapes)
    runs = zip(net.weights, net.biases, strict=True)
    finite = [f for w, b in runs for f in (_finite(w) & _finite(b)).tolist()]
    finite.append(bool((_finite(net.head_weight) & _finite(net.head_bias)).all()))
    if not all(finite):
        layer = depth + 1 - finite[::-1].index(False)
        return Fault(team.step, layer, "weights")
    outputs = run_pass(net, x, _masks(team), keep=True, should_stop=should_stop).h
    bad = [index for index, h in enumerate(outputs) if not h.isfinite().all()]
    return Fault(team.step + 1, bad[0] if bad else depth + 1, "outputs")


def _finite(run: Tensor) -> Tensor:
    """(layers,): whether all numbers of a layer are finite."""
    return run.detach().flatten(1).isfinite().all(1)


@torch.no_grad()
def evaluate(
    team: Team, rows: Rows, should_stop: Callable[[], bool]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (loss, accuracy), each ``(seeds,)`` float64, over the rows, without dropout.

    A seed whose loss is not finite has the accuracy NaN, and the team a fault.
    """
    net, seeds = team.net, len(team.net.seeds)
    size = _rows_at_once(net)
    loss, score = torch.zeros(seeds).double(), torch.zeros(seeds).double()
    for start in range(0, len(rows.y), size):
        if should_stop():
            raise Stopped
        x, y = rows.x[start : start + size], rows.y[start : start + size]
        y = y.expand(seeds, -1)
        x = x.expand(seeds, *x.shape)
        outputs = run_pass(net, x, quiet=True, should_stop=should_stop).outputs
        regression = team.task.regression
        loss += y.shape[1] * losses(outputs, Batch(x, y), 0.0, regression).double().cpu()
        score += scores(outputs, y, regression).sum(1, dtype=torch.float64).cpu()
    loss, score = loss / len(rows.y), score / len(rows.y)
    if team.task.regression:
        score = 1.0 - score / rows.y.double().var(unbiased=False).cpu()
    finite = loss.isfinite()
    if not finite.all() and team.fault is None:
        x = rows.x[:size]
        team.fault = _blame(team, x.expand(seeds, *x.shape), should_stop)
    return loss.numpy(), torch.where(finite, score, torch.nan).numpy()


def _rows_at_once(net: Ensemble) -> int:
    """How many rows to evaluate together: by memory, and so that stopping is obeyed at once.

    Batch normalization needs rows to normalize over; a large layer asks before it anyway.
    """
    seeds, plans = len(net.seeds), [layer.plan for layer in net.shapes]
    least = 128 if net.experiment.network.normalization == "batch" else 1
    memory = 2**24 // (seeds * max(plan.units for plan in plans))
    work = AT_ONCE / sum(2.0 * seeds * plan.fan_in * plan.units for plan in plans)
    return min(max(memory, 16), 1024, max(int(work), least))
