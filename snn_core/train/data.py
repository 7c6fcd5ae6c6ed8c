"""What there is to learn: the parts of a table as tensors, and every seed's batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from snn_core.datasets import DATASETS, Part, is_labelled, is_regression, split
from snn_core.network import STREAMS, generator
from snn_core.settings import Experiment, dataset_of, input_shape

__all__ = ["Batch", "Order", "Rows", "Task", "batch_at", "task_of"]


class Rows(NamedTuple):
    """Some rows: ``x`` (rows, *input shape), ``y`` (rows,)."""

    x: Tensor
    y: Tensor


class Batch(NamedTuple):
    """Every seed's own rows: ``x`` (seeds, rows, *input shape), ``y`` (seeds, rows).

    With mixup, ``other`` has the targets of the rows mixed in, and ``share`` (seeds, 1) is what is
    left of a row itself.
    """

    x: Tensor
    y: Tensor
    other: Tensor | None = None
    share: Tensor | None = None


@dataclass(frozen=True)
class Task:
    """The three parts, standardized; ``outputs`` are classes, or 1 for a regression."""

    train: Rows
    validation: Rows
    test: Rows
    outputs: int
    regression: bool


def task_of(experiment: Experiment) -> Task:
    """Returns the experiment's data as tensors on its device; a law is a ValueError."""
    data = dataset_of(experiment)
    if data.load is None:
        known = ", ".join(name for name, d in DATASETS.items() if is_labelled(d))
        raise ValueError(
            f"{data.name} is random noise and has nothing to learn. Use one of {known}."
        )
    table, shape = data.load(), input_shape(experiment)
    dtype, device = getattr(torch, experiment.dtype), experiment.device
    regression = is_regression(table)

    def rows(part: Part) -> Rows:
        # a copy: the part is shared and read-only
        x = torch.tensor(part.x, dtype=dtype, device=device).reshape(-1, *shape)
        return Rows(x, torch.tensor(part.y, dtype=dtype if regression else None, device=device))

    parts = [rows(part) for part in split(data, experiment.seed)]
    return Task(*parts, outputs=1 if regression else len(table.class_names), regression=regression)


class Order:
    """The order in which every seed sees the training part: another permutation every epoch."""

    def __init__(self, experiment: Experiment, seeds: Sequence[int], rows: int) -> None:
        self.experiment, self.seeds, self.rows = experiment, tuple(seeds), rows
        self.size = min(experiment.training.batch_size, rows)
        self._kept: dict[int, Tensor] = {}

    def at(self, step: int) -> Tensor:
        """Returns the rows that update ``step`` sees, ``(seeds, batch)``; batches are all full."""
        epoch, start = divmod(step * self.size, self.rows)
        rows = self._epoch(epoch)[:, start : start + self.size]
        missing = self.size - rows.shape[1]
        return torch.cat((rows, self._epoch(epoch + 1)[:, :missing]), 1) if missing else rows

    def _epoch(self, epoch: int) -> Tensor:
        if epoch not in self._kept:
            drawn = [
                torch.randperm(self.rows, generator=generator(self.experiment, k, "order", epoch))
                for k in self.seeds
            ]
            old = {e: kept for e, kept in self._kept.items() if e == epoch - 1}
            self._kept = old | {epoch: torch.stack(drawn).to(self.experiment.device)}
        return self._kept[epoch]


def batch_at(order: Order, train: Rows, step: int) -> Batch:
    """Returns what update ``step``, counted from 0, is made from.

    It depends on the experiment's seed, the seed's index and the step alone, so that a training
    can go on from any step.
    """
    index = order.at(step)
    flat = index.flatten()
    x = train.x.index_select(0, flat).unflatten(0, index.shape)
    y = train.y.index_select(0, flat).view(index.shape)
    alpha = order.experiment.training.mixup
    return _mixed(order, x, y, alpha, step) if alpha else Batch(x, y)


def _mixed(order: Order, x: Tensor, y: Tensor, alpha: float, step: int) -> Batch:
    """Rows mixed with others of their batch by a share from Beta(alpha, alpha).

    Zhang, Cisse, Dauphin, Lopez-Paz 2018, arXiv:1710.09412; one share a batch, as in its code.
    """
    shares, partners = [], []
    for k in order.seeds:
        entropy = (order.experiment.seed, k, STREAMS.index("mixup"), step)
        source = np.random.default_rng(entropy)
        shares.append(source.beta(alpha, alpha))
        partners.append(torch.from_numpy(source.permutation(y.shape[1])))
    share = torch.tensor(shares, dtype=x.dtype, device=x.device)[:, None]
    partner = torch.stack(partners).to(x.device)
    own = share.reshape(-1, *[1] * (x.dim() - 1))
    seeds = torch.arange(len(y), device=x.device)[:, None]
    return Batch(own * x + (1.0 - own) * x[seeds, partner], y, y[seeds, partner], share)
