"""What is known to repair a network, tried before it is offered: in theory, or by a measurement.

A repair changes as little as it can: first the setting at fault, then several together where one
is not enough, then another kind of network.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from snn_core.activations import Activation, gaussian_moments, suits_lecun
from snn_core.diagnosis.forecast import DEEPEST, Forecast, forecast, is_scaled
from snn_core.diagnosis.trend import CHANGED, GRADIENT_FAR, RUNAWAY, Trend
from snn_core.settings import (
    Experiment,
    NetworkSpec,
    activation_of,
    dataset_of,
    from_query,
    settings,
)

__all__ = [
    "REMEDIES",
    "SELU",
    "WEIGHTS",
    "Repair",
    "Settings",
    "buildable",
    "experiment_of",
    "faults",
    "helpful",
    "helps",
    "is_usable",
    "keeps_any",
    "lasts",
    "repaired",
    "weights_alone",
]

Value = str | int | float | bool
Settings = tuple[tuple[str, Value], ...]
WEIGHTS = ("initializer", "weight_factor")
REMEDIES = ("normalization", "standardization")  # what was not there is not at fault
MOST = 3  # repairs offered
USUAL_RATE = 0.05  # of alpha dropout, as the SNN paper has it besides 0.1
STILL_RATE = 0.002  # a factor a layer that needs no other weights
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


def helpful(experiment: Experiment, need: str = "stands") -> tuple[Repair, ...]:
    """Returns up to three repairs that help in theory, the least change first.

    Args:
        need: What helping is. "stands": the variance holds or settles where it is of use, and
            samples do not become alike. "holds": it holds, by a setting at fault; an activation
            that settles elsewhere needs no repair. "gradient": it stands, and the gradient
            neither vanishes nor explodes over all layers. No repair makes a gradient do so.
    """
    single = list(faults(experiment))
    found: list[Repair] = []
    for repair in single:
        # other weights are a second choice where the usual ones help
        again = repair.cause in WEIGHTS and any(r.cause == "initializer" for r in found)
        if not again and helps(experiment, repair, need):
            found.append(repair)
    if not found:
        found = [*_together(experiment, single, need)]
    if need != "holds":
        rest = (r for r in _others(experiment) if helps(experiment, r, need))
        found += [repair for repair, _ in zip(rest, range(MOST - len(found)), strict=False)]
    return tuple(found[:MOST])


def helps(experiment: Experiment, repair: Repair, need: str = "stands") -> bool:
    """Returns whether theory has the repair give what is needed, as ``helpful`` explains."""
    new = buildable(experiment, repair)
    if new is None:
        return False
    deepest = DEEPEST
    if need != "gradient" and _gives(forecast(experiment), experiment.network, need):
        deepest = experiment.network.depth  # the fault shows only there, if at all
        if _gives(forecast(experiment, deepest), experiment.network, need) and lasts(experiment):
            return False
    now, then = forecast(experiment, deepest), forecast(new, deepest)
    if need == "gradient":
        held = now.trend is not None and now.trend.kind == "holds"
        return _gives(then, new.network, "holds" if held else "stands") and _bears(new, then)
    worse = _runs_away(then) and not _runs_away(now)
    return not worse and _gives(then, new.network, need) and lasts(new)


def _gives(found: Forecast, net: NetworkSpec, need: str) -> bool:
    """Whether a forecast is what is needed, gradients aside."""
    if found.trend is None or found.forgets:
        return False
    if need == "holds":
        return found.trend.kind == "holds"
    # scaled branches are chosen for the depth at hand: they slow the growth, and do not end it
    return _stands(found) or (found.trend.kind == "drifts" and is_scaled(net))


def lasts(experiment: Experiment) -> bool:
    """Returns whether theory has it so to the last layer, and would with more of them.

    At the last layer samples are not alike, and scaled branches have added little; a deeper
    network of the same kind neither vanishes nor explodes.
    """
    net = experiment.network
    whole = forecast(experiment, net.depth)
    if whole.forgets or whole.trend is None:
        return False
    if is_scaled(net):
        return whole.trend.variance < CHANGED
    if net.kind != "mlp" or net.depth >= DEEPEST:
        return True
    far = forecast(replace(experiment, network=replace(net, depth=DEEPEST))).trend
    return far is not None and far.kind not in RUNAWAY


def _bears(experiment: Experiment, found: Forecast) -> bool:
    """Whether the gradient stays well within bounds over all layers, also those not followed."""
    if found.gradient is None or found.late is None:
        return False
    if not 0.0 < found.gradient.ratio < math.inf or not 0.0 < found.late.rate < math.inf:
        return False
    net = experiment.network
    beyond = max(net.depth - DEEPEST, 0) if net.kind == "mlp" else 0
    whole = math.log(found.gradient.ratio) + beyond * math.log(found.late.rate)
    return abs(whole) < math.log(GRADIENT_FAR / 10.0)


def _runs_away(found: Forecast) -> bool:
    """Whether the gradient vanishes or explodes."""
    return found.gradient is not None and found.gradient.kind in RUNAWAY


def weights_alone(experiment: Experiment) -> tuple[Repair, Forecast] | None:
    """Returns the usual weights, and what theory says, where they mend the variance alone.

    It then holds or settles, which it did not before, and samples become alike all the same.
    """
    if _stands(forecast(experiment)):
        return None
    for repair in faults(experiment):
        new = buildable(experiment, repair) if repair.cause == "initializer" else None
        if new and _stands(found := forecast(new)) and found.forgets:
            return repair, found
    return None


def _stands(found: Forecast) -> bool:
    """Whether the variance holds, or settles where it is of use."""
    then = found.trend
    return then is not None and (
        then.kind == "holds" or (then.kind == "settles" and is_usable(then))
    )


def is_usable(found: Trend) -> bool:
    """Returns whether standing still at such a variance is of use."""
    return USABLE[0] < found.variance < USABLE[1]


def _together(experiment: Experiment, single: Iterable[Repair], need: str) -> Iterator[Repair]:
    """Yields the fewest of the repairs that help together, where no single one does."""
    parts: list[Repair] = []
    for repair in single:
        known = {key for part in parts for key, _ in part.settings}
        if not known & {key for key, _ in repair.settings}:
            parts.append(repair)
    if len(parts) < 2 or not helps(experiment, _joined(parts), need):
        return
    for part in tuple(parts):
        fewer = [other for other in parts if other is not part]
        if len(fewer) > 1 and helps(experiment, _joined(fewer), need):
            parts = fewer
    yield _joined(parts)


def _joined(parts: list[Repair]) -> Repair:
    first, *rest = (part.label for part in parts)
    words = [first, *(label[0].lower() + label[1:] for label in rest)]
    label = f"{', '.join(words[:-1])} and {words[-1]}"
    changes = tuple(pair for part in parts for pair in part.settings)
    return Repair(label, changes, "None of them is enough alone, in theory.", parts[0].cause)


def faults(experiment: Experiment) -> Iterator[Repair]:
    """Yields what undoes a setting that may be at fault, untried."""
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
    yield from _gain(experiment)
    if net.bias != 0.0:
        yield Repair("Set the bias to 0", (("bias", 0.0),),
                     "What is added in every layer shifts mean and variance.",
                     "bias")  # fmt: skip
    if net.dropout != "none" and activation_of(net).saturation is not None:
        if net.dropout == "standard":
            yield Repair("Use alpha dropout", (("dropout", "alpha"),),
                         "It drops units to the saturation value and restores mean and variance.",
                         "dropout")  # fmt: skip
        if net.dropout_rate > USUAL_RATE:
            yield Repair(f"Use alpha dropout at {USUAL_RATE:g}",
                         (("dropout", "alpha"), ("dropout_rate", USUAL_RATE)),
                         "At higher rates alpha dropout keeps the activations and lets the "
                         "gradient vanish.", "dropout")  # fmt: skip
    if net.dropout != "none":
        yield Repair("Turn dropout off", (("dropout", "none"),),
                     "Dropped units change the moments in every layer.", "dropout")  # fmt: skip
    if net.constraint != "none":
        yield Repair("Turn the constraint off", (("constraint", "none"),),
                     "The weights then keep the size that they are drawn with.",
                     "constraint")  # fmt: skip
    if net.kind == "cnn" and net.padding == "zeros":
        yield Repair("Use circular padding", (("padding", "circular"),),
                     "Every position then has as many inputs as any other.",
                     "padding")  # fmt: skip
    data = dataset_of(experiment)
    told = data.load is None and (data.mean, data.variance) == (0, 1)
    if not experiment.standardize and not told:
        yield Repair("Standardize the input", (("standardize", True),),
                     "Every feature gets mean 0 and variance 1.", "input")  # fmt: skip
    if net.residual:
        scale = round(net.depth**-0.5, 4)
        yield Repair(f"Scale the branches by {scale:g}", (("residual_scale", scale),),
                     "All branches together then add about the variance of one.",
                     "residual")  # fmt: skip
        yield Repair("Remove the residual connections", (("residual", False),),
                     "Every one of them adds the variance of its branch.", "residual")  # fmt: skip


def _gain(experiment: Experiment) -> Iterator[Repair]:
    """Yields the weight variance that an activation keeps which multiplies every variance alike.

    For a leaky ReLU of slope a that is tau = 2 / (1 + a^2) (He, Zhang, Ren, Sun 2015, eq. 15).
    """
    net, found = experiment.network, forecast(experiment).trend
    if found is None or not keeps_any(activation_of(net)) or abs(found.rate - 1.0) < STILL_RATE:
        return
    factor = float(f"{net.weight_factor / found.rate:.4g}")
    yield Repair(f"Set the weight variance factor to {factor:g}", (("weight_factor", factor),),
                 "A layer then returns as much variance as it gets.", "weight_factor")  # fmt: skip


def keeps_any(act: Activation) -> bool:
    """Returns whether the activation multiplies every variance by one number, so prefers none."""
    before = np.array([1.0, 16.0])
    ratio = gaussian_moments(act, 0.0, before).second_moment / before
    return bool(np.isclose(ratio[0], ratio[1], rtol=1e-3))


def _factor() -> Repair:
    return Repair("Set the weight variance factor to 1", (("weight_factor", 1.0),),
                  "The weights are then as the initializer means them.",
                  "weight_factor")  # fmt: skip


def _others(experiment: Experiment) -> Iterator[Repair]:
    """Yields what makes another network of it: the last resort."""
    net = experiment.network
    if net.constraint == "none":
        yield Repair("Standardize every unit's weights", (("constraint", "standardize_unit"),),
                     "Every unit's weights then add up to 0, and their squares to 1.",
                     "standardization")  # fmt: skip
    if net.normalization == "none":
        yield Repair("Normalize every layer", (("normalization", "layer"),),
                     "Layer normalization sets mean and variance whatever the weights are.",
                     "normalization")  # fmt: skip
    if net.activation != "selu":
        yield Repair("Use SELU with LeCun normal weights", SELU,
                     "It is made so that mean and variance return by themselves.",
                     "activation")  # fmt: skip
