"""What each page declares of its settings: how a link is read, what it opens with, its views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any

from snn_core.datasets import DATASETS, is_labelled
from snn_core.settings import (
    LETTERS,
    Experiment,
    NetworkSpec,
    TrainingSpec,
    arm_of,
    arm_settings,
    merged,
    read_arms,
    read_query,
    settings,
)

__all__ = [
    "ARM",
    "DECLARED",
    "KNOB",
    "MAP",
    "PROPAGATE",
    "TRAIN",
    "PageSettings",
    "Value",
    "Values",
    "own_parts",
]

# What every arm of a training has for itself; it shares the others unless it is given its own.
ARM = (
    "activation", "initializer", "constraint", "constraint_manner", "normalization",
    "normalization_position", "dropout", "dropout_rate",
)  # fmt: skip

# Every setting that the spec declares, in its order; each has a default.
DECLARED: dict[str, Field[Any]] = {
    f.name: f
    for owner in (NetworkSpec, Experiment, TrainingSpec)
    for f in fields(owner)
    if f.metadata
}
Value = bool | int | float | str
Values = dict[str, Value]


def _read_one(query: Mapping[str, str]) -> tuple[Values, list[str]]:
    opened, found = read_query(query)
    return settings(opened), found


def _read_arms(query: Mapping[str, str]) -> tuple[Values, list[str]]:
    """The arms of a link; where their data can't be learned, data that can."""
    opened, found = read_arms(query)
    values, data = arm_settings(opened), opened[0].data
    if not is_labelled(DATASETS[data]):
        images = any(arm.network.kind == "cnn" for arm in opened)
        values = {k: v for k, v in values.items() if not k.startswith("data.")}
        values["data"] = "digits" if images else "moons"
        if query.get("data") == data:
            found = [*found, f"{data} is random noise and has nothing to learn."]
    return own_parts(values), found


def own_parts(values: Mapping[str, Value]) -> Values:
    """Returns the arms' settings with those of ARM, and their parameters, given to each arm.

    Of the others what most arms have is shared, so that its control moves most of them.
    """
    letters = LETTERS[: int(values.get("arms", 1))]
    shared = {k: v for k, v in values.items() if k.partition(".")[0] not in ARM}
    each = {
        f"{letter}.{k}": v
        for letter in letters
        for k, v in merged(values, letter).items()
        if k.partition(".")[0] in ARM
    }
    return _shared_by_most(shared | each, letters)


def _shared_by_most(values: Values, letters: Sequence[str]) -> Values:
    usual = {name: f.default for name, f in DECLARED.items() if name not in ARM}
    for name in {bare for letter, bare in map(arm_of, values) if letter and bare in usual}:
        each: dict[str, Any] = {x: merged(values, x).get(name, usual[name]) for x in letters}
        most = max(each.values(), key=list(each.values()).count)
        if 2 * list(each.values()).count(most) > len(each):
            values = {k: v for k, v in values.items() if arm_of(k)[1] != name}
            values |= {f"{x}.{name}": value for x, value in each.items() if value != most}
            values |= {name: most} if most != usual[name] else {}
    return values


# What is looked at, by its name: label and help.
KNOB = {
    "omega": ("ω, sum of a unit's weights", "Σ w. It decides how much of the inputs' mean a unit "
              "sees: its pre-activation has mean ω · mean. Centralizing makes it 0."),
    "tau": ("τ, sum of their squares", "Σ w². The pre-activation has variance τ · variance. LeCun "
            "normal weights have τ near 1, He normal ones near 2."),
    "mean": ("Start: mean", "Where the orbit starts; a click on the plane sets it too."),
    "variance": ("Start: variance", "Where the orbit starts; a click on the plane sets it too."),
    "sigma_w": ("σ_w, scale of the weights", "Weights have variance σ_w² / fan_in."),
    "sigma_b": ("σ_b, scale of the biases", "Biases have variance σ_b²."),
    "wanted_mean": ("Wanted mean", "Of the fixed point that the activation is designed for."),
    "wanted_variance": ("Wanted variance", "Of the fixed point; about the mean."),
    "keep": ("Keep rate", "The share of units that alpha dropout keeps."),
}  # fmt: skip


@dataclass(frozen=True)
class PageSettings:
    """A page's settings: its name, its views, how a link is read, what an empty one is.

    An ``opening`` is a setting of the page's own; it stands in the link in full, since a link is
    always relative to the library's defaults. ``opening_views`` are looked at with it, by their
    keys in a link. ``numbers`` are views too, each with its bounds and its usual value; widgets
    know them by their key in the link, ``view.`` and the name.
    """

    name: str
    views: tuple[str, ...]
    read: Callable[[Mapping[str, str]], tuple[Values, list[str]]]
    opening: Mapping[str, str] = field(default_factory=dict)
    opening_views: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


PROPAGATE = PageSettings("propagate", ("axis", "layer", "mean", "more", "size", "tab"), _read_one)
MAP = PageSettings(
    "map",
    ("axis", "claim", "domain", "framework", "more", "shade", "size", "tab"),
    _read_one,
    numbers={
        "omega": (-2.0, 2.0, 0.0),  # of the map that is drawn
        "tau": (0.0, 4.0, 1.0),
        "mean": (-3.0, 3.0, 0.5),  # where the orbit starts
        "variance": (0.001, 100.0, 2.0),
        "mean_low": (-5.0, 5.0, -0.1),  # the domain of a proof
        "mean_high": (-5.0, 5.0, 0.1),
        "omega_low": (-5.0, 5.0, -0.1),
        "omega_high": (-5.0, 5.0, 0.1),
        "variance_low": (0.001, 100.0, 0.8),
        "variance_high": (0.001, 100.0, 1.5),
        "tau_low": (0.01, 10.0, 0.95),
        "tau_high": (0.01, 10.0, 1.1),
        "wanted_mean": (-3.0, 3.0, 0.0),  # the designer's fixed point
        "wanted_variance": (0.01, 20.0, 1.0),
        "keep": (0.05, 0.99, 0.95),
        "sigma_w": (0.0, 4.0, 1.0),  # of the mean-field side
        "sigma_b": (0.0, 2.0, 0.0),
    },
)
# As benchmarks/depth_makes_a_difference_where_train_opens.py measures: 24 layers of SELU separate
# the spirals in seconds, 24 of ReLU do so late or not at all, and one layer never does.
TRAIN = PageSettings(
    "train",
    ("arm", "goal", "layer", "more", "more_arm", "size", "speed", "tab"),
    _read_arms,
    {
        "arms": "3",
        "data": "spirals",
        "depth": "24",
        "width": "32",
        "seeds": "4",
        "learning_rate": "0.003",
        "steps": "300",
        "b.activation": "relu",
        "b.initializer": "he_normal",
        "c.depth": "1",
    },
    {"view.tab": "Boundary"},
)
