"""Networks at a checkpoint, and what they decide in the plane.

Everything is computed from the checkpoint's tensors, which nobody changes; so a run that another
thread moves on meanwhile is neither disturbed nor half read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from snn_core.network import Layer, forward
from snn_core.settings import constraint_of, input_shape
from snn_core.tables import number
from snn_core.train.networks import Ensemble, layers_of, run_pass
from snn_core.train.training import Checkpoint, Run

__all__ = [
    "ROOM",
    "Boundary",
    "checkpoint_at",
    "chunks",
    "decision_boundary",
    "networks_at",
    "step_of",
]

Normalize = Callable[[Tensor, int], Tensor]
SHOWN_POINTS = 200
MARGIN = 0.1  # of the training part's extent, on every side of the plane
ROOM = 2**24  # numbers of one layer that are looked at or computed at a time


@dataclass(frozen=True)
class Boundary:
    """What an arm's seeds decide over the plane of two features, after ``step`` updates.

    Attributes:
        x, y: ``(size,)``: the grid's axes, the first and the second feature, standardized.
        probability: ``(size, size, classes)``: softmax of the outputs, averaged over the seeds;
            row i is at ``y[i]``, column j at ``x[j]``. NaN where no seed has finite outputs.
        disagreement: ``(size, size)``: share of the seeds that choose another class than most do.
        points, labels: ``(n, 2)`` and ``(n,)``: up to 400 rows of the training part.
    """

    step: int
    x: np.ndarray
    y: np.ndarray
    probability: np.ndarray
    disagreement: np.ndarray
    points: np.ndarray
    labels: np.ndarray


def checkpoint_at(run: Run, step: int) -> Checkpoint:
    """Returns the last checkpoint that the run keeps up to that step; from any thread.

    Raises:
        ValueError: There is none.
    """
    kept = tuple(run.checkpoints)  # one look: the run may drop or add some meanwhile
    before = [checkpoint for checkpoint in kept if checkpoint.step <= step]
    if not before:
        first = f"the first is at step {kept[0].step}" if kept else "there is none yet"
        raise ValueError(f"No checkpoint up to step {step}; {first}.")
    return before[-1]


def networks_at(run: Run, index: int, checkpoint: Checkpoint) -> list[Ensemble]:
    """Returns arm ``index``'s networks, one Ensemble for each of its teams, at the checkpoint.

    They share the checkpoint's tensors: nothing is copied or drawn, so read them only. Constraint
    and dropout are those that the checkpoint was trained with.

    Raises:
        ValueError: An arm that the run or the checkpoint has not.
    """
    number("arm", index, 0, min(len(run.arms), len(checkpoint.arms)) - 1, integer=True)
    experiment, found = checkpoint.experiments[index], []
    for team, state in zip(run.arms[index].teams, checkpoint.arms[index].teams, strict=True):
        net, leaves = team.net, list(state.leaves)
        runs = len(net.weights)
        scale = leaves.pop() if net.scale is not None else None
        found.append(
            replace(
                net,
                experiment=experiment,
                shapes=tuple(replace(layer, spec=experiment.network) for layer in net.shapes),
                weights=leaves[:runs],
                biases=leaves[runs : 2 * runs],
                head_weight=leaves[-2],
                head_bias=leaves[-1],
                scale=scale,
                rule=constraint_of(experiment.network),
                parametrized=experiment.training.constraint_manner == "parametrization",
            )
        )
    return found


def step_of(checkpoint: Checkpoint, index: int) -> int:
    """Returns how many updates arm ``index`` had made; fewer than the run's once it has ended."""
    return min(team.step for team in checkpoint.arms[index].teams)


@torch.no_grad()
def decision_boundary(run: Run, index: int, checkpoint: Checkpoint, size: int = 48) -> Boundary:
    """Returns what arm ``index`` decides at the checkpoint, on a grid of ``size`` by ``size``.

    The grid spans the training part and a tenth of its extent on every side. Batch normalization
    has the statistics of up to 1024 rows of the training part; the grid's own would be those of
    other data.

    Raises:
        ValueError: Input of other than 2 features, targets that are no classes, a size below 2
            or above 256.
    """
    size = int(number("size", size, 2, 256, integer=True))
    nets, experiment = networks_at(run, index, checkpoint), checkpoint.experiments[index]
    task = run.arms[index].task
    if input_shape(experiment) != (2,) or task.regression:
        what = "numbers to learn" if task.regression else f"input of {input_shape(experiment)}"
        raise ValueError(
            f"A decision boundary needs 2 features and classes; {experiment.data} has {what}. "
            "Use a data set in the plane, such as moons."
        )
    low, high = task.train.x.amin(0).double(), task.train.x.amax(0).double()
    margin = MARGIN * (high - low).clamp_min(1e-3)
    axes = [
        torch.linspace(float(a), float(b), size, dtype=torch.float64)
        for a, b in zip(low - margin, high + margin, strict=True)
    ]
    plane = torch.cartesian_prod(axes[1], axes[0]).flip(1).to(task.train.x)
    outputs = torch.cat([_outputs(net, plane, task.train.x) for net in nets])
    probability, disagreement = _votes(outputs.unflatten(1, (size, size)))
    shown = slice(min(SHOWN_POINTS, len(task.train.y)))
    return Boundary(
        step_of(checkpoint, index),
        axes[0].numpy(),
        axes[1].numpy(),
        probability.cpu().numpy(),
        disagreement.cpu().numpy(),
        task.train.x[shown].double().cpu().numpy(),
        task.train.y[shown].cpu().numpy(),
    )


def _votes(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean probability and disagreement from outputs (seeds, rows, columns, classes).

    A seed without finite outputs at a point has no say there.
    """
    each = outputs.double().softmax(-1)
    finite = each.isfinite().all(-1)  # (seeds, rows, columns)
    voters = finite.sum(0).double()
    each = torch.where(finite[..., None], each, 0.0)
    classes = each.shape[-1]
    votes = torch.nn.functional.one_hot(each.argmax(-1), classes) * finite[..., None]
    # 0 / 0 is NaN, as it should be where nobody votes
    return each.sum(0) / voters[..., None], 1.0 - votes.sum(0).amax(-1) / voters


def _outputs(net: Ensemble, x: Tensor, train: Tensor) -> Tensor:
    """(seeds, rows, outputs) of the rows; batch normalization as over the training rows."""
    if net.experiment.network.normalization == "batch":
        net = _with_fixed_statistics(net, train[:1024])
    parts = [
        run_pass(net, rows.expand(len(net.seeds), *rows.shape), quiet=True).outputs
        for rows in chunks(net, x, max(layer.plan.units for layer in net.shapes))
    ]
    return torch.cat(parts, 1)


def chunks(net: Ensemble, x: Tensor, units: int) -> Iterator[Tensor]:
    """Returns the rows in pieces whose widest layer fits into memory, up to 1024 rows each.

    The pieces are those that a record scores, which batch normalization depends on.
    """
    size = min(max(ROOM // (len(net.seeds) * units), 16), 1024)
    return iter(x.split(size))


def _with_fixed_statistics(net: Ensemble, rows: Tensor) -> Ensemble:
    """The networks with their batch statistics kept as they are over the given rows."""
    h = rows.expand(len(net.seeds), *rows.shape)
    found: list[Layer] = []
    for layer, shape in zip(layers_of(net, quiet=True), net.quiet, strict=True):
        seen: list[Tensor] = []
        noting = replace(layer.normalization, apply=_noted(layer.normalization.apply, seen))
        h = forward(replace(layer, normalization=noting), h, (), keep_z=True)[1]
        variance, mean = torch.var_mean(seen[0].double(), 1, correction=0, keepdim=True)
        scale = (variance + 1e-5).rsqrt()  # the epsilon of torch and of `normalizations`
        kept = replace(layer.normalization, apply=_affine(mean, scale))
        found.append(replace(shape, normalization=kept))
    return replace(net, quiet=tuple(found))


def _noted(apply: Normalize, seen: list[Tensor]) -> Normalize:
    def noted(x: Tensor, axis: int) -> Tensor:
        seen.append(x)
        return apply(x, axis)

    return noted


def _affine(mean: Tensor, scale: Tensor) -> Normalize:
    return lambda x, axis: ((x - mean) * scale).to(x.dtype)
