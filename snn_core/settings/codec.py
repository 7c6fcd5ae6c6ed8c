"""Experiments as links and JSON: names and numbers, only what differs from the defaults.

Keys are the settings' own names; a part's parameter is ``activation.alpha``. Never pickle, eval
or json on a link's text: every value is parsed as the declared type and checked by its knob.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any

from snn_core.activations import LONGEST, is_formula
from snn_core.settings.experiment import Experiment
from snn_core.settings.knobs import SettingError
from snn_core.settings.network import NetworkSpec
from snn_core.settings.training import TrainingSpec
from snn_core.tables import pick

__all__ = ["from_json", "from_query", "read_query", "to_json", "to_query"]

Value = str | int | float | bool

LONGEST_VALUE = 40  # characters; a formula, which begins with "=", may be longer
MOST_SETTINGS = 80
_OWNERS = (NetworkSpec, Experiment, TrainingSpec)  # no two have a key in common


def _knobs(kind: type) -> dict[str, Field[Any]]:
    return {f.name: f for f in fields(kind) if f.metadata}


def _parts(kind: type) -> list[str]:
    suffix = "_parameters"
    return [f.name.removesuffix(suffix) for f in fields(kind) if f.name.endswith(suffix)]


def settings(experiment: Experiment) -> dict[str, Value]:
    """Returns every setting that differs from its default, by its key in a link."""
    found: dict[str, Value] = {}
    for owner in (experiment.network, experiment, experiment.training):
        for name, knob in _knobs(type(owner)).items():
            if getattr(owner, name) != knob.default:
                found[name] = getattr(owner, name)
        for part in _parts(type(owner)):
            for key, value in getattr(owner, f"{part}_parameters"):
                found[f"{part}.{key}"] = value
    return found


def to_query(experiment: Experiment) -> dict[str, str]:
    """Returns a link's query: text by key, only what differs; empty for the default.

    >>> to_query(Experiment(network=NetworkSpec(depth=40)))
    {'depth': '40'}
    """
    return {
        key: str(int(value)) if isinstance(value, bool) else str(value)
        for key, value in settings(experiment).items()
    }


def from_query(query: Mapping[str, str]) -> Experiment:
    """Returns the experiment that a query names.

    Raises SettingError, a ValueError, for the first key or value that is not allowed.

    >>> from_query({"depth": "40"}).network.depth
    40
    """
    if len(query) > MOST_SETTINGS:
        raise ValueError(f"A link has at most {MOST_SETTINGS} settings, got {len(query)}.")
    return _build({key: _parse(key, text) for key, text in query.items()})


def read_query(query: Mapping[str, str]) -> tuple[Experiment, list[str]]:
    """Returns the experiment and one sentence for every setting that fell back to its default.

    Never raises: in a hostile or outdated link only the settings at fault get their defaults.
    """
    values, problems = {}, []
    for key, text in query.items():
        try:
            values[key] = _parse(key, text)
        except SettingError as error:
            problems.append(str(error))
    while True:
        try:
            return _build(values), problems
        except SettingError as error:
            problems.append(str(error))
            at_fault = next((key for key in error.settings if key in values), None)
            if at_fault is None:
                return Experiment(), problems
            for key in [k for k in values if k == at_fault or k.startswith(f"{at_fault}.")]:
                del values[key]


def to_json(experiment: Experiment) -> str:
    """Returns the experiment as one JSON object: what differs from the defaults, typed."""
    return json.dumps(settings(experiment), indent=2)


def from_json(text: str) -> Experiment:
    """Returns the experiment of `to_json`; a ValueError says what is wrong with the text."""
    if not isinstance(text, str):
        raise ValueError(f"An experiment's JSON is text, got {type(text).__name__}.")
    if len(text) > 100_000:
        raise ValueError(f"An experiment has at most 100000 characters, got {len(text)}.")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"This is not JSON: {error}.") from None
    if not isinstance(values, dict):
        raise ValueError(f"An experiment is a JSON object, got {type(values).__name__}.")
    for key in values:
        _declared(key)
    return _build(values)


def _declared(key: str) -> Value:
    """Returns the default of a setting, which also declares its type."""
    known: dict[str, Any] = {k: f.default for kind in _OWNERS for k, f in _knobs(kind).items()}
    part, dot, parameter = key.partition(".")
    if dot and part in _parts(NetworkSpec) + _parts(Experiment) and parameter.isidentifier():
        return 0.0
    try:
        return pick(known, key, "setting")
    except ValueError as error:
        raise SettingError(key, str(error)) from None


def _parse(key: str, text: str) -> Value:
    default = _declared(key)
    most = LONGEST + 1 if is_formula(text) else LONGEST_VALUE
    if not isinstance(text, str) or len(text) > most:
        shown = str(text)[:LONGEST_VALUE]
        raise SettingError(key, f"{key} has at most {most} characters, got {shown!r}...")
    if isinstance(default, bool):
        table = {"0": False, "1": True, "false": False, "true": True}
        if text.lower() not in table:
            raise SettingError(key, f"{key} must be 0 or 1, got {text!r}.")
        return table[text.lower()]
    parse = type(default)
    try:
        return parse(text)
    except ValueError:
        kind = "a whole number" if parse is int else "a number"
        raise SettingError(key, f"{key} must be {kind}, got {text!r}.") from None


def _build(values: Mapping[str, Any]) -> Experiment:
    """Builds the experiment, so that every check runs.

    A default that conflicts with a given value is adjusted, since nobody chose it.
    """
    try:
        return _built(values)
    except SettingError as error:
        if not error.fit or any(key in values for key in error.fit):
            raise
        return _built({**values, **error.fit})


def _built(values: Mapping[str, Any]) -> Experiment:
    parts: dict[str, dict[str, float]] = {}
    plain: dict[str, Any] = {}
    for key, value in values.items():
        part, dot, parameter = key.partition(".")
        if dot:
            parts.setdefault(part, {})[parameter] = value
        else:
            plain[key] = value

    def arguments(kind: type) -> dict[str, Any]:
        own = {name: plain[name] for name in _knobs(kind) if name in plain}
        return own | {f"{p}_parameters": parts[p] for p in _parts(kind) if p in parts}

    return Experiment(
        network=NetworkSpec(**arguments(NetworkSpec)),
        training=TrainingSpec(**arguments(TrainingSpec)),
        **arguments(Experiment),
    )
