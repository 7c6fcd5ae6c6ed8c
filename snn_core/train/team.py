"""Some seeds that train in lock step: update after update, and what they know by then."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from snn_core.network import generator
from snn_core.propagate import Stopped
from snn_core.spec import Experiment
from snn_core.train.dense import by_hand, is_plain
from snn_core.train.ensemble import Ensemble, Pass, draw, effective, project_, run_pass
from snn_core.train.notes import Notes, notes_of
from snn_core.train.optimize import clip_, losses, optimizer_of, scores
from snn_core.train.task import Batch, Order, Rows, Task, batch_at

__all__ = ["Fault", "Team", "advance", "back_and_forth", "evaluate", "look", "team_of"]


class Fault(NamedTuple):
    """Where numbers stopped being finite: the update, the layer, and what of it."""

    step: int
    layer: int
    what: str


@dataclass
class Team:
    """Some seeds' networks, their optimizer, and how many updates they have made.

    ``plain`` says whether their gradients are computed by hand.
    """

    net: Ensemble
    task: Task
    order: Order
    optimizer: Optimizer
    plain: bool
    step: int = 0
    fault: Fault | None = None


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
) -> Notes | None:
    """Makes updates until there are ``target``; returns notes of the last one where asked for.

    ``rate`` gives the learning rate of every update. A fault ends it early, and so does
    ``should_stop`` by raising Stopped; both leave a team that has made whole updates.
    """
    notes = None
    while team.step < target and team.fault is None:
        if should_stop():
            raise Stopped
        notes = _update(team, rate(team.step), noting and team.step == target - 1)
    return notes


def look(team: Team) -> Notes:
    """Returns notes of the pass that the next update will be made from, without the update."""
    found, gradients = back_and_forth(team, True)[1:]
    with torch.no_grad():
        return notes_of(team.net, found, gradients, None, effective(team.net))


def _update(team: Team, rate: float, noting: bool) -> Notes | None:
    net, limit = team.net, team.net.experiment.training.clip
    before = None
    if noting:
        with torch.no_grad():
            before = [weight.detach().clone() for weight in effective(net)]
    loss, found, gradients = back_and_forth(team, noting)
    if not math.isfinite(loss):
        team.fault = _blame(team, batch_at(team.order, team.task.train, team.step).x)
        return None
    leaves = net.leaves()
    if limit:
        clip_(leaves, limit)
    for group in team.optimizer.param_groups:
        group["lr"] = rate
    team.optimizer.step()
    project_(net)
    team.step += 1
    if not noting:
        return None
    with torch.no_grad():
        return notes_of(net, found, gradients, before, effective(net))


def back_and_forth(team: Team, noting: bool) -> tuple[float, Pass, list[Tensor]]:
    """Leaves the gradients in the leaves; returns the loss, the pass, and dL/dh if noting."""
    net, smoothing = team.net, team.net.experiment.training.label_smoothing
    batch = batch_at(team.order, team.task.train, team.step)

    def loss(outputs: Tensor) -> Tensor:
        return losses(outputs, batch, smoothing, team.task.regression)

    if team.plain:
        return by_hand(net, batch.x, loss, noting)
    for leaf in net.leaves():
        leaf.grad = None
    found = run_pass(net, batch.x.requires_grad_(noting), _masks(team), keep=noting)
    gradients: list[Tensor] = [torch.empty(0)] * len(found.h)
    for index, h in enumerate(found.h):
        h.register_hook(lambda g, index=index: gradients.__setitem__(index, g))
    total = loss(found.outputs).sum()
    total.backward()
    return float(total.detach()), found, gradients


def _masks(team: Team) -> list[torch.Generator]:
    """Dropout's random numbers: of this seed and this step, whatever came before."""
    experiment = team.net.experiment
    if experiment.network.dropout == "none":
        return []
    return [generator(experiment, k, "dropout", team.step) for k in team.net.seeds]


@torch.no_grad()
def _blame(team: Team, x: Tensor) -> Fault:
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
    outputs = run_pass(net, x, _masks(team), keep=True).h
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
    units = max(layer.plan.units for layer in net.shapes)
    size = min(max(2**24 // (seeds * units), 16), 1024)
    loss, score = torch.zeros(seeds).double(), torch.zeros(seeds).double()
    for start in range(0, len(rows.y), size):
        if should_stop():
            raise Stopped
        x, y = rows.x[start : start + size], rows.y[start : start + size]
        y = y.expand(seeds, -1)
        outputs = run_pass(net, x.expand(seeds, *x.shape), quiet=True).outputs
        regression = team.task.regression
        loss += y.shape[1] * losses(outputs, Batch(x, y), 0.0, regression).double().cpu()
        score += scores(outputs, y, regression).sum(1, dtype=torch.float64).cpu()
    loss, score = loss / len(rows.y), score / len(rows.y)
    if team.task.regression:
        score = 1.0 - score / rows.y.double().var(unbiased=False).cpu()
    finite = loss.isfinite()
    if not finite.all() and team.fault is None:
        team.fault = _blame(team, rows.x[:size].expand(seeds, *rows.x[:size].shape))
    return loss.numpy(), torch.where(finite, score, torch.nan).numpy()
