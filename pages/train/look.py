"""A look at a training: what its figures are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from snn_core.thinning import stride
from snn_core.train import Snapshot
from snn_core.train.live import Training

__all__ = ["Look", "shown"]

MOST_POINTS = 400  # of a curve


@dataclass(frozen=True)
class Look:
    """The training, its records, the arms' names, the step looked at (None: the newest).

    ``memory`` keeps what networks had to be run for from one look to the next; ``layer`` is the
    one whose numbers are looked at.
    """

    training: Training
    records: Sequence[Snapshot]
    names: list[str]
    at: int | None
    memory: dict[str, Any] = field(default_factory=dict)
    layer: int = 1

    @property
    def step(self) -> int:
        """The step that is looked at."""
        return self.records[-1].step if self.at is None else self.at


def shown(training: Training, busy: bool) -> list[Snapshot]:
    """Returns few enough records to draw; which ones does not change when others come."""
    news = training.job.since()
    every = stride(news.next, MOST_POINTS)
    found = [item for at, item in zip(news.indices, news.items, strict=True) if at % every == 0]
    if not busy and found and found[-1] is not news.items[-1]:
        found.append(news.items[-1])
    return [*found, *news.passing] if busy else found
