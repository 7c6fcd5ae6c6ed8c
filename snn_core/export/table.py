"""The records of a training as text: long tables in CSV, everything in one JSON object."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from snn_core.export.text import csv_text, plain, setting_columns
from snn_core.settings import Experiment, settings
from snn_core.train import ArmSnapshot, Snapshot
from snn_core.train.history import records

__all__ = ["CURVES", "FORMAT", "LAYERS", "curves_csv", "layers_csv", "run_json"]

FORMAT = 1  # of the JSON object; goes up when a key changes its meaning
CURVES = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
_FROM_INPUT = ("mean", "variance", "gradient_mean", "gradient_variance")
LAYERS = (
    *_FROM_INPUT,
    *("omega", "tau", "omega_spread", "tau_spread", "inside", "update_ratio", "saturated", "dead"),
)


def curves_csv(
    history: Sequence[Snapshot], experiments: Sequence[Experiment], names: Sequence[str]
) -> str:
    """Returns one row for every record, arm and seed, as CSV text with a header.

    Columns: step, epoch, arm (its index), arm_name, seed (its index), the losses and accuracies,
    and learning_rate, of the next update; then the arms' main settings and all that are not a
    default, by their key in a link after ``arm.``. Losses are in nats, or squared errors of
    standardized targets, whose accuracy is R^2. What is not a number is ``nan``.

    Raises:
        ValueError: There is not one name and one experiment for every arm.
    """
    _check(history, experiments, names)
    about = setting_columns(experiments)

    def rows() -> Iterator[list[Any]]:
        for arm, name in enumerate(names):
            end = [values[arm] for values in about.values()]
            for record in records(history, arm):
                columns = [getattr(record, field).tolist() for field in CURVES]
                for seed, values in enumerate(zip(*columns, strict=True)):
                    begin = [record.step, record.epoch, arm, plain(name), seed]
                    yield [*begin, *values, record.learning_rate, *end]

    header = ["step", "epoch", "arm", "arm_name", "seed", *CURVES, "learning_rate"]
    return csv_text([*header, *(f"arm.{key}" for key in about)], rows())


def layers_csv(
    history: Sequence[Snapshot], experiments: Sequence[Experiment], names: Sequence[str]
) -> str:
    """Returns one row for every statistics record, arm, seed and layer, as CSV text.

    Columns: step, arm, arm_name, seed, layer, and the statistics by their names in ArmSnapshot;
    then the settings, as `curves_csv` has them. Layer 0 is the input, which has the first four
    statistics only; the others are empty there.

    Raises:
        ValueError: There is not one name and one experiment for every arm.
    """
    _check(history, experiments, names)
    about = setting_columns(experiments)

    def rows() -> Iterator[list[Any]]:
        for arm, name in enumerate(names):
            end = [values[arm] for values in about.values()]
            for record in records(history, arm, "variance"):
                columns = [_padded(record, field) for field in LAYERS]
                for seed, layers in enumerate(zip(*columns, strict=True)):
                    for layer, values in enumerate(zip(*layers, strict=True)):
                        yield [record.step, arm, plain(name), seed, layer, *values, *end]

    header = ["step", "arm", "arm_name", "seed", "layer", *LAYERS]
    return csv_text([*header, *(f"arm.{key}" for key in about)], rows())


def _padded(record: ArmSnapshot, name: str) -> list[list[float | str]]:
    """A statistic as ``(seeds, depth + 1)`` nested lists, empty text where layer 0 has none."""
    rows = getattr(record, name).tolist()
    return rows if name in _FROM_INPUT else [["", *row] for row in rows]


def _check(
    history: Sequence[Snapshot], experiments: Sequence[Experiment], names: Sequence[str]
) -> None:
    arms = len(history[0].arms) if history else len(experiments)
    if not len(experiments) == len(names) == arms:
        raise ValueError(
            f"The history has {arms} arms; give an experiment and a name for each, got "
            f"{len(experiments)} experiments and {len(names)} names."
        )


def run_json(
    history: Sequence[Snapshot],
    experiments: Sequence[Experiment],
    names: Sequence[str],
    notes: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Returns the whole run without its layers as one JSON object, in strict JSON.

    Keys: ``format``, a number that goes up when a key changes its meaning; ``versions`` of the
    libraries; ``notes``, as given; ``arms``: for each its ``name``, its ``settings`` that differ
    from the defaults, by their keys in a link, ``ended``, ``diverged_at`` ([step, layer] or
    null), ``seconds``, ``test_accuracy`` (one a seed, or null) and ``curves``: ``step``,
    ``epoch`` and ``learning_rate``, one a record, losses and accuracies, one list of seeds a
    record. What is infinite or not a number is null.

    Raises:
        ValueError: There is not one name and one experiment for every arm, or notes hold anything
            but text, numbers, lists and mappings.
    """
    _check(history, experiments, names)
    whole = {
        "format": FORMAT,
        "versions": {"torch": str(torch.__version__), "numpy": np.__version__},
        "notes": list(notes),
        "arms": [
            _arm(history, arm, experiment, name)
            for arm, (experiment, name) in enumerate(zip(experiments, names, strict=True))
        ],
    }
    return json.dumps(_strict(whole), allow_nan=False, ensure_ascii=False, indent=1)


def _arm(
    history: Sequence[Snapshot], arm: int, experiment: Experiment, name: str
) -> dict[str, Any]:
    found = records(history, arm)
    last = found[-1] if found else None
    fields = ("step", "epoch", "learning_rate", *CURVES)
    return {
        "name": name,
        "settings": settings(experiment),
        "ended": last.ended if last else "",
        "diverged_at": last.diverged_at if last else None,
        "seconds": last.seconds if last else 0.0,
        "test_accuracy": last.test_accuracy if last else None,
        "curves": {field: [getattr(record, field) for record in found] for field in fields},
    }


def _strict(value: object) -> object:
    """The same in JSON's own types; what is not a finite number is None."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _strict(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(each) for each in value]
    kind = type(value).__name__
    raise ValueError(f"Notes hold text, numbers, lists and mappings, got a {kind}: {value!r:.60}.")
