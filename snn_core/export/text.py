"""Tables as CSV text: names that no spreadsheet takes for a formula, columns of settings."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from snn_core.settings import Experiment, settings

__all__ = ["csv_text", "plain", "setting_columns"]

ALWAYS = ("kind", "depth", "width", "activation", "initializer")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]], line_end: str = "\n") -> str:
    """Returns the table with a header, quoted as RFC 4180 has it; floats to the last digit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def plain(name: str) -> str:
    """Returns the name so that a spreadsheet reads it as text."""
    return f"'{name}" if name.startswith(_FORMULA) else name


def setting_columns(experiments: Sequence[Experiment]) -> dict[str, list[bool | float | str]]:
    """Returns the value that a setting has in each of the experiments, by the setting's key.

    The settings are the main ones of a network and all that differ from their default, as
    `settings` has them, in at least one of the experiments. Where a part has no parameter of that
    name, its value is empty text.

    >>> from snn_core.settings import NetworkSpec
    >>> wide = Experiment(NetworkSpec(width=512), seeds=2)
    >>> found = setting_columns([Experiment(), wide])
    >>> found["width"], found["seeds"], found["activation"]
    ([256, 512], [8, 2], ['selu', 'selu'])
    """
    keys = dict.fromkeys(ALWAYS) | {key: None for each in experiments for key in settings(each)}
    return {key: [_value(experiment, key) for experiment in experiments] for key in keys}


def _value(experiment: Experiment, key: str) -> bool | float | str:
    name, _, parameter = key.partition(".")
    owners = (experiment.network, experiment, experiment.training)
    owner = next(each for each in owners if hasattr(each, name))
    chosen = getattr(owner, name)
    if not parameter:
        return plain(chosen) if isinstance(chosen, str) else chosen
    (knob,) = (field for field in fields(owner) if field.name == name)
    known = getattr(knob.metadata["options"].get(chosen), "parameters", ())  # a formula has none
    values = {each.name: each.default for each in known}
    return (values | dict(getattr(owner, f"{name}_parameters"))).get(parameter, "")
