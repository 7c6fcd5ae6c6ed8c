"""What can be downloaded of a training; each file is made when it is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from snn_core.export import curves_csv, layers_csv, run_json, weights_safetensors
from snn_core.train import checkpoint_at
from snn_core.train.live import Training, history

__all__ = ["files"]

MOST_ROWS = 100_000  # of a table of layers; every second, third ... record beyond


def files(
    training: Training, named: Sequence[str], at: int | None
) -> list[tuple[str, str, str, Callable[[], str | bytes]]]:
    """Returns what can be downloaded: label, file name, type, and how to make it when asked.

    ``at`` is the step whose weights are wanted, None the newest.
    """
    arms = training.experiments

    def curves() -> str:
        return curves_csv(history(training), arms, named)

    def layers() -> str:
        records = history(training)
        rows = sum(arm.seeds * (arm.network.depth + 1) for arm in arms) * len(records)
        return layers_csv(records[:: math.ceil(rows / MOST_ROWS)], arms, named)

    def whole() -> str:
        return run_json(history(training), arms, named, training.notes)

    def weights(index: int, at: int | None) -> bytes:
        run = training.run
        assert run is not None
        step = run.step if at is None else at
        return weights_safetensors(checkpoint_at(run, step), index)

    found: list[tuple[str, str, str, Callable[[], str | bytes]]] = [
        ("Curves (CSV)", "curves.csv", "text/csv", curves),
        ("Layers (CSV)", "layers.csv", "text/csv", layers),
        ("Everything (JSON)", "training.json", "application/json", whole),
    ]
    if training.run is not None and training.run.checkpoints:
        found += [
            (
                f"Weights of {name} (safetensors)",
                f"weights_{name[0].lower()}.safetensors",
                "application/octet-stream",
                partial(weights, index, at),
            )
            for index, name in enumerate(named)
        ]
    return found
