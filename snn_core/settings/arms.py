"""Several experiments, the arms, in one link; what they share is written once.

A plain key (``depth``) is for every arm, ``b.depth`` for arm b only. An arm with a part of its own
(``b.activation``) ignores the shared parameters of that part. Data, seeds and the steps that are
recorded are the same for all arms, so that their curves can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TypeVar

from snn_core.settings.codec import MOST_SETTINGS, from_query, read_query, settings
from snn_core.settings.experiment import Experiment
from snn_core.settings.knobs import SettingError

__all__ = [
    "LETTERS",
    "SHARED",
    "arm_of",
    "arm_settings",
    "arms_from_query",
    "arms_to_query",
    "merged",
    "read_arms",
]

Value = str | int | float | bool
V = TypeVar("V")
LETTERS = ("a", "b", "c", "d")
SHARED = (
    *(f.name for f in fields(Experiment) if f.metadata),
    *("steps", "record_every", "statistics_every"),
)


def arm_of(key: str) -> tuple[str, str]:
    """Returns the letter of a key's arm, "" for a shared key, and the setting's own key.

    >>> arm_of("b.activation.alpha"), arm_of("activation.alpha")
    (('b', 'activation.alpha'), ('', 'activation.alpha'))
    """
    letter, dot, rest = key.partition(".")
    return (letter, rest) if dot and letter in LETTERS else ("", key)


def merged(values: Mapping[str, V], letter: str) -> dict[str, V]:
    """Returns one arm's settings without its letter; its own override the shared ones.

    >>> merged({"activation": "selu", "activation.alpha": 2.0, "b.activation": "relu"}, "b")
    {'activation': 'relu'}
    """
    own = {name: v for arm, name, v in _split(values) if arm == letter}
    shared = {name: v for arm, name, v in _split(values) if not arm}
    return {k: v for k, v in shared.items() if "." not in k or _part(k) not in own} | own


def _split(values: Mapping[str, V]) -> list[tuple[str, str, V]]:
    return [(*arm_of(key), value) for key, value in values.items()]


def _part(key: str) -> str:
    return key.partition(".")[0]


def arms_to_query(arms: Sequence[Experiment]) -> dict[str, str]:
    """Returns a link's query for one to four arms, with their number unless it is 1.

    >>> from snn_core.settings.network import NetworkSpec
    >>> arms_to_query([Experiment(NetworkSpec(depth=8)), Experiment(NetworkSpec(depth=9))])
    {'arms': '2', 'a.depth': '8', 'b.depth': '9'}
    """
    return {
        key: str(int(value)) if isinstance(value, bool) else str(value)
        for key, value in arm_settings(arms).items()
    }


def arm_settings(arms: Sequence[Experiment]) -> dict[str, Value]:
    """Returns what `arms_to_query` does, as numbers and names rather than text."""
    if not 1 <= len(arms) <= len(LETTERS):
        raise ValueError(f"There can be 1 to {len(LETTERS)} arms, got {len(arms)}.")
    each = [settings(arm) for arm in arms]
    keys = list(dict.fromkeys(key for values in each for key in values))
    differ = {key for key in keys if len({values.get(key) for values in each}) > 1}
    found: dict[str, Value] = {} if len(arms) == 1 else {"arms": len(arms)}
    for key in keys:
        for letter, values in zip(LETTERS, each, strict=False):
            if key not in values:
                continue
            if key in differ or _part(key) in differ:
                found[f"{letter}.{key}"] = values[key]
            else:
                found[key] = values[key]
    return found


def arms_from_query(query: Mapping[str, str]) -> tuple[Experiment, ...]:
    """Returns the arms that a query names.

    Raises SettingError, a ValueError, for the first key or value that is not allowed.

    >>> [arm.network.depth for arm in arms_from_query({"arms": "2", "b.depth": "9"})]
    [32, 9]
    """
    _check_length(query)
    count, rest = _count(query)
    for key in rest:
        _check_owner(key, count)
    return tuple(_named(merged(rest, letter), letter) for letter in LETTERS[:count])


def read_arms(query: Mapping[str, str]) -> tuple[tuple[Experiment, ...], list[str]]:
    """Returns the arms, and one sentence for every setting that fell back to its default.

    Never raises, as `read_query`.
    """
    problems: list[str] = []
    try:
        _check_length(query)
        count, rest = _count(query)
    except SettingError as error:
        rest = {k: v for k, v in query.items() if k != "arms"}
        problems.append(str(error))
        count = 1
    except ValueError as error:
        return (Experiment(),), [str(error)]
    for key in list(rest):
        try:
            _check_owner(key, count)
        except SettingError as error:
            problems.append(str(error))
            del rest[key]
    arms = []
    for letter in LETTERS[:count]:
        arm, found = read_query(merged(rest, letter))
        arms.append(arm)
        problems += [sentence for sentence in found if sentence not in problems]
    return tuple(arms), problems


def _named(values: Mapping[str, str], letter: str) -> Experiment:
    try:
        return from_query(values)
    except SettingError as error:
        names = tuple(f"{letter}.{name}" for name in error.settings)
        raise SettingError(names, f"Arm {letter.upper()}: {error}") from None


def _check_length(query: Mapping[str, str]) -> None:
    most = MOST_SETTINGS * len(LETTERS)
    if len(query) > most:
        raise ValueError(f"A link has at most {most} settings, got {len(query)}.")


def _count(query: Mapping[str, str]) -> tuple[int, dict[str, str]]:
    """Returns how many arms there are, and the query without that."""
    rest = dict(query)
    text = rest.pop("arms", "1")
    counts = {str(number): number for number in range(1, len(LETTERS) + 1)}
    if text not in counts:
        given = str(text)[:40]
        raise SettingError("arms", f"arms must be 1 to {len(LETTERS)}, got {given!r}.")
    return counts[text], rest


def _check_owner(key: str, count: int) -> None:
    letter, name = arm_of(key)
    if letter in LETTERS[count:]:
        raise SettingError(key, f"{key[:40]} is for an arm that is not there; arms is {count}.")
    if letter and (name in SHARED or _part(name) == "data"):
        raise SettingError(
            key, f"{name[:40]} is the same for all arms; say {name[:40]}, not {key[:40]}."
        )
