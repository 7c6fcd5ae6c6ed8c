"""What is known to repair a network whose moments run away, tried in theory before it is offered.

A repair changes as little as it can: first the setting at fault, then several together where one
is not enough, then another kind of network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from snn_core.activations import suits_lecun
from snn_core.datasets import input_law
from snn_core.diagnosis.trend import Trend, trend
from snn_core.settings import (
    Experiment,
    activation_of,
    dataset_of,
    from_query,
    input_shape,
    settings,
)
from snn_core.theory.mean_field.forward import forward

__all__ = [
    "DEEPEST",
    "FORGOTTEN",
    "SELU",
    "Outlook",
    "Repair",
    "Settings",
    "buildable",
    "experiment_of",
    "half_repair",
    "helpful",
    "outlook",
    "repaired",
]

Value = str | int | float | bool
Settings = tuple[tuple[str, Value], ...]
DEEPEST = 64  # layers that are followed in theory; a trend shows by then
MOST = 3  # repairs offered
FORGOTTEN = 0.99  # correlation of two samples from which the input hardly shows any more
USABLE = (1e-2, 1e2)  # variance: beyond, to stand still there is of little help
SELU: Settings = (
    *(("activation", "selu"), ("initializer", "lecun_normal"), ("weight_factor", 1.0)),
)


@dataclass(frozen=True)
class Repair:
    """A change of settings that helps.

    Attributes:
        label: What a button says.
        settings: Keys as in a link, and their new values.
        why: One sentence.
        cause: What had to be changed: "initializer", "bias", ...; of several the first.
    """

    label: str
    settings: Settings
    why: str
    cause: str


@dataclass(frozen=True)
class Outlook:
    """What theory says of an experiment: its trend, and whether it makes samples alike."""

    trend: Trend | None
    forgets: bool


def experiment_of(changes: Settings) -> Experiment:
    """Returns the default experiment with some settings changed, keys as in a link."""
    return from_query({key: _text(value) for key, value in changes})


def repaired(experiment: Experiment, repair: Repair) -> Experiment:
    """Returns the experiment with the repair's settings, parts with their default parameters.

    Raises SettingError, a ValueError, where they don't go together with the rest.
    """
    changed = dict(repair.settings)
    kept = {k: v for k, v in settings(experiment).items() if k.partition(".")[0] not in changed}
    return experiment_of(tuple((kept | changed).items()))


def _text(value: Value) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def buildable(experiment: Experiment, repair: Repair) -> Experiment | None:
    """Returns the repaired experiment, or None where it is refused or the same as before."""
    try:
        new = repaired(experiment, repair)
    except ValueError:
        return None
    return new if new != experiment else None


@lru_cache(maxsize=512)
def outlook(experiment: Experiment) -> Outlook:
    """Returns what theory says of the experiment, of a deeper MLP's first 64 layers.

    A table's rows are taken for samples of a normal law with the table's mean and variance: to
    follow every row takes a hundred times as long, and changes little.
    """
    net = experiment.network
    if net.kind == "mlp":
        experiment = replace(
            _by_law(experiment), network=replace(net, depth=min(net.depth, DEEPEST))
        )
    states = forward(experiment).states
    mean, variance = np.array([state.pooled for state in states]).T
    alike = states[-1].cosine > FORGOTTEN >= states[0].cosine
    return Outlook(trend(mean, np.maximum(variance, 0.0)), bool(alike))


def _by_law(experiment: Experiment) -> Experiment:
    data, shape = dataset_of(experiment), input_shape(experiment)
    if data.load is None:
        return experiment
    law = input_law(data, shape[0], experiment.standardize)
    mean, second = float(law.mean.mean()), float(law.second_moment.mean())
    numbers = (("mean", mean), ("variance", max(second - mean**2, 0.0)))
    try:
        return replace(experiment, data="gaussian", data_parameters=numbers, standardize=False,
                       features=min(shape[0], 4096))  # fmt: skip
    except ValueError:  # numbers that the law does not take
        return experiment


def helpful(experiment: Experiment, strictly: bool = False) -> tuple[Repair, ...]:
    """Returns up to three repairs that help in theory, the least change first.

    To help is to hold or to settle without making samples alike. ``strictly``: only to hold
    counts, and only by the settings at fault; an activation that settles elsewhere needs no
    repair.
    """
    faults = list(_faults(experiment))
    found: list[Repair] = []
    for repair in faults:
        # other weights are a second choice where the usual ones help
        again = repair.cause == "initializer" and any(r.cause == "initializer" for r in found)
        if not again and _helps(experiment, repair, strictly):
            found.append(repair)
    if not found:
        found = [*_together(experiment, faults, strictly)]
    if not strictly:
        rest = (r for r in _others(experiment) if _helps(experiment, r, strictly))
        found += [repair for repair, _ in zip(rest, range(MOST - len(found)), strict=False)]
    return tuple(found[:MOST])


def _helps(experiment: Experiment, repair: Repair, strictly: bool) -> bool:
    new = buildable(experiment, repair)
    if new is None:
        return False
    found = outlook(new)
    if found.trend is None or found.forgets:
        return False
    if strictly:
        return found.trend.kind == "holds"
    # scaled branches are chosen for the depth at hand: they slow the growth, and do not end it
    slows = found.trend.kind == "drifts" and "residual_scale" in dict(repair.settings)
    return _stands(found) or (slows and _is_usable(found.trend))


def half_repair(experiment: Experiment) -> tuple[Repair, Outlook] | None:
    """Returns the usual weights, and what theory says, where they mend the variance alone.

    It then holds or settles, which it did not before, and samples become alike all the same.
    """
    if _stands(outlook(experiment)):
        return None
    for repair in _faults(experiment):
        new = buildable(experiment, repair) if repair.cause == "initializer" else None
        if new and _stands(found := outlook(new)) and found.forgets:
            return repair, found
    return None


def _stands(found: Outlook) -> bool:
    """Whether the variance holds, or settles where it is of use."""
    then = found.trend
    return then is not None and (
        then.kind == "holds" or (then.kind == "settles" and _is_usable(then))
    )


def _is_usable(found: Trend) -> bool:
    return USABLE[0] < found.variance < USABLE[1]


def _together(
    experiment: Experiment, faults: Iterable[Repair], strictly: bool
) -> Iterator[Repair]:
    """Yields the fewest of the repairs that help together, where no single one does."""
    parts: list[Repair] = []
    for repair in faults:
        known = {key for part in parts for key, _ in part.settings}
        if not known & {key for key, _ in repair.settings}:
            parts.append(repair)
    if len(parts) < 2 or not _helps(experiment, _joined(parts), strictly):
        return
    for part in tuple(parts):
        fewer = [other for other in parts if other is not part]
        if len(fewer) > 1 and _helps(experiment, _joined(fewer), strictly):
            parts = fewer
    yield _joined(parts)


def _joined(parts: list[Repair]) -> Repair:
    first, *rest = (part.label for part in parts)
    words = [first, *(label[0].lower() + label[1:] for label in rest)]
    label = f"{', '.join(words[:-1])} and {words[-1]}"
    changes = tuple(pair for part in parts for pair in part.settings)
    return Repair(label, changes, "None of them is enough alone, in theory.", parts[0].cause)


def _faults(experiment: Experiment) -> Iterator[Repair]:
    """Yields what undoes a setting that may be at fault."""
    net = experiment.network
    weights = [("lecun_normal", "LeCun normal", 1), ("he_normal", "He normal", 2)]
    if not suits_lecun(activation_of(net)):
        weights.reverse()
    if net.initializer in (weights[0][0], weights[1][0]) and net.weight_factor != 1.0:
        yield _factor()
    for name, label, tau in weights:
        if name != net.initializer:
            yield Repair(f"Use {label} weights", (("initializer", name), ("weight_factor", 1.0)),
                         f"A unit's squared weights then add up to {tau}, on average.",
                         "initializer")  # fmt: skip
    if net.initializer not in (weights[0][0], weights[1][0]) and net.weight_factor != 1.0:
        yield _factor()
    if net.bias != 0.0:
        yield Repair("Set the bias to 0", (("bias", 0.0),),
                     "What is added in every layer shifts mean and variance.",
                     "bias")  # fmt: skip
    if net.dropout == "standard" and activation_of(net).saturation is not None:
        yield Repair("Use alpha dropout", (("dropout", "alpha"),),
                     "It drops units to the saturation value and restores mean and variance.",
                     "dropout")  # fmt: skip
    if net.dropout != "none":
        yield Repair("Leave dropout out", (("dropout", "none"),),
                     "Dropped units change the moments in every layer.", "dropout")  # fmt: skip
    if net.constraint != "none":
        yield Repair("Leave the constraint out", (("constraint", "none"),),
                     "The weights then keep the size that they are drawn with.",
                     "constraint")  # fmt: skip
    if net.kind == "cnn" and net.padding == "zeros":
        yield Repair("Pad in circles", (("padding", "circular"),),
                     "Every position then has as many inputs as any other.",
                     "padding")  # fmt: skip
    data = dataset_of(experiment)
    told = data.load is None and (data.mean, data.variance) == (0, 1)
    if not experiment.standardize and not told:
        yield Repair("Standardize the input", (("standardize", True),),
                     "Every feature gets mean 0 and variance 1.", "input")  # fmt: skip
    if net.residual and net.normalization == "none":
        yield Repair("Leave the residual connections out", (("residual", False),),
                     "Every one of them adds the variance of its branch.", "residual")  # fmt: skip
        scale = round(net.depth**-0.5, 4)
        yield Repair(f"Scale the branches by {scale:g}", (("residual_scale", scale),),
                     "All branches together then add about the variance of one.",
                     "residual")  # fmt: skip


def _factor() -> Repair:
    return Repair("Set the weight variance factor to 1", (("weight_factor", 1.0),),
                  "The weights are then as the initializer means them.",
                  "weight_factor")  # fmt: skip


def _others(experiment: Experiment) -> Iterator[Repair]:
    """Yields what makes another network of it: the last resort."""
    net = experiment.network
    if net.normalization == "none":
        yield Repair("Normalize every layer", (("normalization", "layer"),),
                     "Layer normalization sets mean and variance whatever the weights are.",
                     "normalization")  # fmt: skip
    if net.activation != "selu":
        yield Repair("Use SELU with LeCun normal weights", SELU,
                     "It is made so that mean and variance return by themselves.",
                     "activation")  # fmt: skip
