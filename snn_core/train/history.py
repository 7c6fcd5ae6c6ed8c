"""One quantity of one arm over a whole training, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from snn_core.tables import choose
from snn_core.train.result import ArmSnapshot, Snapshot

__all__ = ["NUMBERS", "last_record", "records", "series"]

_WORDS = ("diverged_at", "ended")
NUMBERS = tuple(f.name for f in fields(ArmSnapshot) if f.name not in _WORDS)


def series(history: Sequence[Snapshot], arm: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns (steps, values) of one field of one arm's records.

    ``steps`` is ``(n,)`` int64, ``values`` ``(n, *shape of the field)`` float64: ``(n, seeds)``
    for "validation_loss", ``(n, seeds, depth + 1)`` for "variance", ``(n,)`` for "learning_rate".
    Records without the field are left out. An arm that has ended stays in the later snapshots as
    it was; these repeats are left out too. Of several records of one step the last one counts:
    an arm that diverges in the update after a record ends at that record's step. The history may
    be thinned. Without a record both arrays are empty, ``(0,)``.

    Raises:
        ValueError: A name that is not a field of ArmSnapshot with numbers, an arm that is not
            there.

    >>> from snn_core.train.training import train
    >>> from snn_core.settings import Experiment, NetworkSpec, TrainingSpec
    >>> tiny = Experiment(NetworkSpec(depth=2, width=8), "moons", training=TrainingSpec(steps=20))
    >>> steps, values = series(list(train(tiny)), 0, "variance")
    >>> steps.tolist(), values.shape
    ([0, 10, 20], (3, 8, 3))
    """
    choose(NUMBERS, name, "quantity of an arm")
    found = records(history, arm, name)
    steps = np.array([record.step for record in found], dtype=np.int64)
    # np.array takes a list of small arrays several times faster than np.stack
    return steps, np.array([getattr(record, name) for record in found], dtype=np.float64)


def records(history: Sequence[Snapshot], arm: int, name: str = "step") -> list[ArmSnapshot]:
    """Returns one arm's records that have the field, one a step, as `series` chooses them.

    Raises:
        ValueError: An arm that is not there.
    """
    _check(history, arm)
    found: list[ArmSnapshot] = []
    last = -1
    for snapshot in history:
        record = snapshot.arms[arm]
        if getattr(record, name) is None:
            continue
        if record.step == last:
            found[-1] = record
        else:
            found.append(record)
        last = record.step
    return found


def last_record(history: Sequence[Snapshot], arm: int) -> ArmSnapshot | None:
    """Returns the arm as it stands; None without a record.

    Raises:
        ValueError: An arm that is not there.
    """
    _check(history, arm)
    return history[-1].arms[arm] if history else None


def _check(history: Sequence[Snapshot], arm: int) -> None:
    count = len(history[0].arms) if history else arm + 1
    if not 0 <= arm < count:
        raise ValueError(
            f"There is no arm {arm}; the history has {count}, counted from 0. The nearest is "
            f"{min(max(arm, 0), count - 1)}."
        )
