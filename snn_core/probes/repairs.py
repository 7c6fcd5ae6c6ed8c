"""What is known to repair a network whose moments run away, tried in theory before it is offered.

A repair changes as little as it can. Where theory follows the network, only what holds or settles
in theory is offered; where it does not (pooling, a number format, a narrow network), what is known
to help is, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from snn_core.activations import LECUN
from snn_core.probes.course import Course, course
from snn_core.spec import Experiment, activation_of, dataset_of, from_query, settings
from snn_core.theory.pooled import forward

__all__ = ["Repair", "buildable", "expected", "helpful", "repaired", "suited_initializer"]

Value = str | int | float | bool
DEEPEST = 64  # layers that are followed in theory; a trend shows by then
MOST = 3  # repairs offered
FORGOTTEN = 0.99  # correlation of two samples from which the input hardly shows any more
WIDER = 8  # times


@dataclass(frozen=True)
class Repair:
    """A change of a setting that helps.

    Attributes:
        label: What a button says.
        settings: Keys as in a link, and their new values.
        why: One sentence.
        cause: What it was that had to be changed: "initializer", "bias", ...
    """

    label: str
    settings: tuple[tuple[str, Value], ...]
    why: str
    cause: str


def repaired(experiment: Experiment, repair: Repair) -> Experiment:
    """Returns the experiment with the repair's settings, parts with their default parameters.

    Raises SettingError, a ValueError, where they don't go together with the rest.
    """
    changed = dict(repair.settings)
    kept = {k: v for k, v in settings(experiment).items() if k.partition(".")[0] not in changed}
    return from_query({k: _text(v) for k, v in (kept | changed).items()})


def _text(value: Value) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


@lru_cache(maxsize=512)
def expected(experiment: Experiment) -> tuple[Course | None, float]:
    """Returns the course of the moments in theory, and the last layer's correlation.

    Of the first 64 layers of a deeper network. NaN and None where there is no theory.
    """
    net = experiment.network
    if net.kind == "mlp" and net.depth > DEEPEST:
        experiment = replace(experiment, network=replace(net, depth=DEEPEST))
    run = forward(experiment)
    mean, variance = np.array([state.pooled for state in run.states]).T
    return course(mean, np.maximum(variance, 0.0)), run.states[-1].cosine


def suited_initializer(experiment: Experiment) -> str:
    """Returns the initializer that keeps the variance of the experiment's activation."""
    net = experiment.network
    return "lecun_normal" if net.activation in LECUN else "he_normal"


def helpful(experiment: Experiment, settled: bool = False) -> tuple[Repair, ...]:
    """Returns up to three repairs that help in theory, the least change first.

    Of a network that has ``settled`` elsewhere only what brings it to (0, 1) counts, and where an
    activation settles is its nature and needs no repair.
    """
    found: list[Repair] = []
    for repair in _candidates(experiment):
        if len(found) == MOST or (settled and repair.cause == "activation"):
            break
        new = buildable(experiment, repair)
        if new is not None and _holds(new, settled):
            found.append(repair)
    return tuple(found)


def buildable(experiment: Experiment, repair: Repair) -> Experiment | None:
    """Returns the repaired experiment, or None where it is refused or the same as before."""
    try:
        new = repaired(experiment, repair)
    except ValueError:
        return None
    return new if new != experiment else None


def _holds(experiment: Experiment, strictly: bool) -> bool:
    found, alike = expected(experiment)
    if strictly:
        return found is not None and found.kind == "holds"
    return found is not None and found.kind in ("holds", "settles") and not alike > FORGOTTEN and (
        1e-2 < found.variance < 1e2
    )  # fmt: skip


def _candidates(experiment: Experiment) -> Iterator[Repair]:
    """Changes that may help, single ones first, each with its reason."""
    net, act = experiment.network, activation_of(experiment.network)
    suited = suited_initializer(experiment)
    name = "LeCun normal" if suited == "lecun_normal" else "He normal"
    tau = "1" if suited == "lecun_normal" else "2"
    draw = (("initializer", suited), ("weight_factor", 1.0))
    if net.weight_factor != 1.0:
        yield Repair("Set the weight variance factor to 1", (("weight_factor", 1.0),),
                     "tau goes back to what the initializer is made for.",
                     "weight_factor")  # fmt: skip
    if net.bias != 0.0:
        yield Repair("Set the bias to 0", (("bias", 0.0),),
                     "The fixed point is for biases of 0.", "bias")  # fmt: skip
    if net.initializer != suited:
        yield Repair(f"Use {name} weights", draw,
                     f"They have tau = {tau}, which is what keeps the variance of {act.label}.",
                     "initializer")  # fmt: skip
    if net.dropout != "none":
        if net.dropout == "standard" and act.saturation is not None:
            yield Repair("Use alpha dropout", (("dropout", "alpha"),),
                         "It drops units to the saturation value and restores mean and variance.",
                         "dropout")  # fmt: skip
        yield Repair("Leave dropout out", (("dropout", "none"),),
                     "Dropped units change the variance in every layer.", "dropout")  # fmt: skip
    if net.constraint != "none":
        yield Repair("Leave the constraint out", (("constraint", "none"),),
                     "It changes tau or omega away from what suits the activation.",
                     "constraint")  # fmt: skip
    data = dataset_of(experiment)
    if not experiment.standardize and data.variance > 0 and (data.mean, data.variance) != (0, 1):
        yield Repair("Standardise the input", (("standardize", True),),
                     "Every feature gets mean 0 and variance 1, where the fixed point is.",
                     "input")  # fmt: skip
    if net.residual and net.normalization == "none":
        scale = round(net.depth**-0.5, 4)
        yield Repair(f"Scale the branches by {scale:g}", (("residual_scale", scale),),
                     "So all branches together add about the variance of one.",
                     "residual")  # fmt: skip
        yield Repair("Leave the residual connections out", (("residual", False),),
                     "Every one of them adds the variance of its branch.", "residual")  # fmt: skip
    if net.normalization == "none":
        yield Repair("Normalize every layer", (("normalization", "layer"),),
                     "Layer normalization sets mean and variance whatever the weights are.",
                     "activation")  # fmt: skip
    if net.activation != "selu":
        yield Repair("Use SELU with LeCun normal weights", (("activation", "selu"), *(
                     ("initializer", "lecun_normal"), ("weight_factor", 1.0))),
                     "It is made so that mean and variance return by themselves.",
                     "activation")  # fmt: skip
