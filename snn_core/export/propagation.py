"""Propagations as text: one long table in CSV, everything in one JSON object."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any
from urllib.parse import urlencode

import numpy as np
import torch

from snn_core.export.text import csv_text, plain, setting_columns
from snn_core.propagate import Detail, Propagation
from snn_core.settings import settings, to_query
from snn_core.theory.mean_field.prediction import Prediction

__all__ = ["COLUMNS", "FORMAT_VERSION", "propagation_csv", "propagation_json"]

FORMAT_VERSION = 1  # of the JSON object; goes up when a key changes its meaning
MOST_NUMBERS = 1_000_000  # of single units in the JSON object, some 20 MB
MEASURED = ("mean", "variance", "omega", "tau", "inside", "gradient_mean", "gradient_variance")
PREDICTED = ("mean", "variance", "gradient_variance", "mean_sd", "variance_sd")
COLUMNS = (
    *("setting", "setting_name", "seed", "layer", "layer_name"),
    *MEASURED,
    *(f"predicted_{name}" for name in PREDICTED),
)
_GRADIENTS = ("gradient_mean", "gradient_variance")  # None without a backward pass
_WEIGHTS = ("omega", "tau", "inside")  # the input, layer 0, has none
_UNITS = ("unit_mean", "unit_variance", "unit_omega", "unit_tau")
_NULLS = (
    "null stands for a number that is infinite, not a number, or given by no theory; not_finite "
    "counts them by array."
)


def propagation_csv(results: Sequence[Propagation], names: Sequence[str]) -> str:
    """Returns one row for every setting, seed and layer, as CSV text with a header.

    Columns: setting (its index), setting_name, seed (its index), layer, layer_name; what was
    measured, by its name in Propagation, gradients only if one of the results has them; what
    theory predicted, by its name in Prediction after ``predicted_``; and, for what the row is
    about, the setting's main values and all that are not a default, by their key in a link after
    ``setting.``. Layer 0 is the input. A cell is empty where there is nothing: weights of the
    input, gradients without a backward pass, what no theory gives, what is not a number. An
    infinity is ``inf``. Numbers are written to the last digit; lines end as RFC 4180 has it.

    Raises:
        ValueError: There is not one name for every result.
    """
    _check(results, names)
    columns = setting_columns([p.experiment for p in results])
    backward = any(p.gradient_variance is not None for p in results)
    header = [name for name in COLUMNS if backward or name not in _GRADIENTS]
    kept = [name for name in MEASURED if name in header]

    def rows() -> Iterator[list[Any]]:
        for setting, (p, name) in enumerate(zip(results, names, strict=True)):
            seeds, layers = p.mean.shape
            measured = [_measured(p, column) for column in kept]
            predicted = [getattr(p.predicted, column) for column in PREDICTED]
            each = [np.broadcast_to(column, (seeds, layers)) for column in predicted]
            table = np.stack([*measured, *each], axis=-1).tolist()
            about = [values[setting] for values in columns.values()]
            for seed in range(seeds):
                for layer, layer_name in enumerate(p.layers):
                    begin = [setting, plain(name), seed, layer, layer_name]
                    yield [*begin, *(_cell(value) for value in table[seed][layer]), *about]

    return csv_text([*header, *(f"setting.{key}" for key in columns)], rows(), line_end="\r\n")


def _measured(p: Propagation, name: str) -> np.ndarray:
    """A statistic as ``(seeds, depth + 1)``, NaN where there is none."""
    values = getattr(p, name)
    if values is None:
        return np.full(p.mean.shape, np.nan)
    return np.pad(values, ((0, 0), (1, 0)), constant_values=np.nan) if name in _WEIGHTS else values


def _cell(value: float) -> float | str:
    return "" if math.isnan(value) else value


def _check(results: Sequence[Propagation], names: Sequence[str]) -> None:
    if len(results) != len(names):
        raise ValueError(
            f"There are {len(results)} results; give a name for each, got {len(names)} names."
        )


def propagation_json(results: Sequence[Propagation], names: Sequence[str]) -> str:
    """Returns the results as one JSON object, in strict JSON.

    Keys: ``format_version``, a number that goes up when a key changes its meaning; ``versions``
    of the libraries; ``nulls``, what null stands for; ``results``: for each its ``name``, its
    ``settings`` that differ from the defaults, as `to_json` has them, the same as the ``query``
    of a link, ``layers``, ``diverged_at``, ``died_at``, ``seconds``, the ``measured`` and
    ``predicted`` arrays by their names in Propagation and Prediction, the ``reasons`` for what
    theory leaves out, the arrays of ``detail`` or null, and ``not_finite``, how many numbers of
    which array became null. Arrays of single units are left out, and named in ``left_out``,
    where they hold more than a million numbers together.

    Raises:
        ValueError: There is not one name for every result.
    """
    _check(results, names)
    whole = {
        "format_version": FORMAT_VERSION,
        "versions": {"torch": str(torch.__version__), "numpy": np.__version__},
        "nulls": _NULLS,
        "results": [_result(p, name) for p, name in zip(results, names, strict=True)],
    }
    # No indent: it would put every one of many thousand numbers on a line of its own.
    return json.dumps(whole, allow_nan=False, ensure_ascii=False)


def _result(p: Propagation, name: str) -> dict[str, Any]:
    known = [f.name for f in fields(Prediction) if f.name != "reasons"]
    kept = [f.name for f in fields(Detail)] if p.detail else []
    left_out = list(_UNITS) if p.detail and _unit_numbers(p.detail) > MOST_NUMBERS else []
    kept = [column for column in kept if column not in left_out]
    groups = {
        "measured": {column: getattr(p, column) for column in MEASURED},
        "predicted": {column: getattr(p.predicted, column) for column in known},
        "detail": {column: getattr(p.detail, column) for column in kept},
    }
    lost = {
        f"{group}.{column}": _not_finite(values)
        for group, columns in groups.items()
        for column, values in columns.items()
    }
    found = {
        group: {column: _numbers(values) for column, values in columns.items()}
        for group, columns in groups.items()
    }
    return {
        "name": name,
        "settings": settings(p.experiment),
        "query": urlencode(to_query(p.experiment)),
        "layers": list(p.layers),
        "diverged_at": list(p.diverged_at),
        "died_at": list(p.died_at),
        "seconds": p.seconds,
        **found,
        "detail": found["detail"] or None,
        "reasons": list(p.predicted.reasons),
        "not_finite": {column: count for column, count in lost.items() if count},
        "left_out": left_out,
    }


def _unit_numbers(detail: Detail) -> int:
    return sum(values.size for name in _UNITS for values in getattr(detail, name))


def _not_finite(values: np.ndarray | tuple[np.ndarray, ...] | None) -> int:
    if values is None:
        return 0
    arrays = values if isinstance(values, tuple) else (values,)
    return sum(int((~np.isfinite(array)).sum()) for array in arrays)


def _numbers(values: np.ndarray | tuple[np.ndarray, ...] | None) -> list[Any] | None:
    """Nested lists of finite numbers and None."""
    if values is None:
        return None
    if isinstance(values, tuple):
        return [_numbers(array) for array in values]
    kept, finite = values, np.isfinite(values)
    if not finite.all():
        kept = values.astype(object)
        kept[~finite] = None
    return kept.tolist()
