"""Why a network's moments run away, as far as theory and measurement show it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from snn_core.activations import gaussian_moments, suits_lecun
from snn_core.diagnosis.repairs import (
    SELU,
    Outlook,
    Repair,
    buildable,
    half_repair,
    helpful,
    outlook,
    repaired,
)
from snn_core.diagnosis.trend import Trend
from snn_core.diagnosis.view import LUCK, View
from snn_core.settings import Experiment, activation_of, initializer_of, plan_of
from snn_core.wording import amount, brief, count

__all__ = ["NOTHING", "Why", "why"]

HALF = {"float16": ("6×10⁻⁸", "65,504"), "bfloat16": ("10⁻³⁸", "3×10³⁸")}
STRAYING = 0.15  # of the variance, from draw to draw: as much as a narrow network's
NARROW = 64  # units: with fewer no repair is offered that does not widen the layers
WIDEST = {"width": 4096, "channels": 1024}
CALM = LUCK / 2.0  # spread over seeds that a wider network should not exceed


@dataclass(frozen=True)
class Why:
    """Cause, reason and repairs, as a Diagnosis has them."""

    cause: str
    reason: str
    repairs: tuple[Repair, ...]


NOTHING = Why("", "", ())


def why(view: View, kind: str, search: bool) -> Why:
    """Returns why a network gets its kind of verdict. ``search``: for repairs, in theory."""
    if kind == "holds":
        return NOTHING
    if kind in ("dies", "overflows") and view.variance[0] in (0.0, np.inf):
        return _input(view, kind)
    if view.steady and kind != "forgets" and view.theory and view.theory.kind != kind:
        return _beyond_theory(view, kind)
    if view.theory is None and any(layer.pooled for layer in plan_of(view.experiment)):
        return _pooling(view, search)
    return _in_theory(view, kind, search) if search else Why("", _alike(kind), ())


def _input(view: View, kind: str) -> Why:
    """The input is constant, or beyond the number format."""
    if kind == "dies":
        return Why(
            "input", "The input itself has no variance: every number of it is the same.", ()
        )
    dtype = view.experiment.dtype
    repairs = [_single(view.experiment)] if dtype in HALF else []
    data = Repair("Standardize the input", (("standardize", True),),
                  "Every feature gets mean 0 and variance 1.", "input")  # fmt: skip
    found = tuple(r for r in (*repairs, data) if buildable(view.experiment, r))
    return Why("input", f"The input holds numbers that {dtype} does not.", found)


def _single(experiment: Experiment) -> Repair:
    smallest, largest = HALF[experiment.dtype]
    return Repair("Use float32", (("dtype", "float32"),),
                  f"{experiment.dtype} holds nothing below {smallest} or above {largest}, float32 "
                  "nearly all from 10⁻⁴⁵ to 3×10³⁸.", "dtype")  # fmt: skip


def _in_theory(view: View, kind: str, search: bool) -> Why:
    """Theory has it so: what theory says of every repair shows what is at fault."""
    experiment = view.experiment
    found = helpful(experiment, kind == "settles")
    if not found:
        return Why("", " ".join(part for part in (_alike(kind), _nature(view, kind)) if part), ())
    cause = next((r.cause for r in found if r.cause != "normalization"), "")
    after = outlook(repaired(experiment, found[0])).trend
    label = found[0].label[0].lower() + found[0].label[1:]
    now = f"In theory the variance {_words(view.theory)}." if view.theory else ""
    then = f"Repaired ({label}), it {_words(after)}." if after else ""
    parts = (_alike(kind), _fact(view, cause), now, then, _format(view, kind))
    return Why(cause, " ".join(part for part in parts if part), found)


def _words(trend: Trend | None) -> str:
    """What a predicted variance does, after "the variance"."""
    if trend is None:
        return "can't be followed"
    value, rate = amount(trend.variance, 3), f"×{trend.rate:.3g} a layer"
    return {
        "holds": f"stays at {value}",
        "settles": f"settles at {value}",
        "drifts": f"is on its way at the last layer, {value} and {rate}",
        "vanishes": f"falls, {rate}, and no value stops it",
        "explodes": f"grows, {rate}, and no value stops it",
    }[trend.kind]


def _tau(view: View) -> str:
    return brief(float(np.median(view.p.tau[:, -1])))


def _alike(kind: str) -> str:
    if kind != "forgets":
        return ""
    return "Every layer makes two samples more alike, whatever the variance does."


def _nature(view: View, kind: str) -> str:
    """That a network settles where its activation has it; or that nothing is known to help."""
    net = view.experiment.network
    if kind == "settles" and view.theory is not None and view.theory.kind == "settles":
        return (
            f"That is where {activation_of(net).label} settles in such a network, with tau = "
            f"{_tau(view)}: theory says {amount(view.theory.variance, 3)}."
        )
    return "The cause is not known: no single setting undoes it in theory."


def _format(view: View, kind: str) -> str:
    """What the number format has to do with it."""
    dtype = view.experiment.dtype
    if dtype not in HALF or kind not in ("dies", "overflows") or view.theory is None:
        return ""
    smallest, largest = HALF[dtype]
    return (
        f"The number format makes it come sooner: {dtype} holds nothing below {smallest} or above "
        f"{largest}, and theory, in exact numbers, has a variance of "
        f"{amount(view.theory.variance, 2)} at the last layer."
    )


def _fact(view: View, cause: str) -> str:
    """What a setting at fault does, as it is measured or set."""
    net = view.experiment.network
    act, law = activation_of(net), initializer_of(net)
    tau = f"tau, the sum of a unit's squared weights, is {_tau(view)}"
    mean, variance = (brief(float(x[0])) for x in (view.mean, view.variance))
    said = {
        "initializer": f"Of these weights ({law.label}) {tau}.",
        "weight_factor": f"With {net.weight_factor:g} times the weight variance {tau}.",
        "bias": f"A bias of {net.bias:g} is added in every layer.",
        "dropout": f"{net.dropout.capitalize()} dropout at {net.dropout_rate:g} sends units to "
        f"{'0' if net.dropout == 'standard' else 'the saturation value'} and scales the rest.",
        "constraint": f"Under the constraint {tau} in the last layer.",
        "padding": "At the edge a convolution sees zeros among its inputs, so tau is smaller "
        "there, and the edge reaches further in with every layer.",
        "input": f"The input has variance {variance} and mean {mean}, not 1 and 0.",
        "residual": "Every residual connection adds the variance of its branch to what comes in.",
        "activation": "Neither the usual weights nor another input mends it in theory: it lies "
        f"with {act.label}, here with tau = {_tau(view)}.",
    }.get(cause, "")
    return said + _half(view) if cause == "activation" else said


def _half(view: View) -> str:
    """What the usual weights would do, where that is only half of what is needed."""
    found = half_repair(view.experiment)
    if found is None or found[1].trend is None:
        return ""
    repair, then = found
    step = repair.label[0].lower() + repair.label[1:]
    return (
        f" Half of it can be mended: {step}, and the variance {_words(then.trend)}; "
        "but every layer makes two samples more alike."
    )


def _pooling(view: View, search: bool) -> Why:
    """Theory does not follow pooling: is all well, in theory, without it?"""
    experiment = view.experiment
    net = experiment.network
    without = replace(experiment, network=replace(net, pool="none"))
    drop = Repair("Leave the pooling out", (("pool", "none"),),
                  "Strides or a last average over all positions shrink images too.",
                  "pooling")  # fmt: skip
    found: Outlook = outlook(without)
    if found.trend is not None and found.trend.kind in ("holds", "settles"):
        name, effect = ("average", "lowers the variance")
        if net.pool == "max":
            name, effect = ("maximum", "lifts the mean and lowers the variance")
        reason = (
            f"The {name} of four neighbours {effect} at every pooling. Theory does not follow "
            f"that; without pooling it says that the variance {_words(found.trend)}."
        )
        return Why("pooling", reason, (drop,))
    both = tuple(
        replace(
            r, label=f"{r.label}, leave the pooling out", settings=(*r.settings, *drop.settings)
        )
        for r in (helpful(without) if search else ())
    )
    cause = both[0].cause if both else ""
    reason = f"{_fact(view, cause)} Without pooling, too, the variance {_words(found.trend)}."
    return Why(cause if cause != "normalization" else "", reason.strip(), both)


def _beyond_theory(view: View, kind: str) -> Why:
    """Theory, of wide networks in exact numbers, has it stand still: width or number format."""
    experiment, theory = view.experiment, view.theory
    assert theory is not None
    says = (
        "Theory, of wide networks in exact numbers, has the variance stay at "
        f"{amount(theory.variance, 3)}"
    )
    if kind in ("dies", "overflows") and experiment.dtype in HALF:
        reason = f"{says}: it is the number format that can't hold the activations."
        return Why("dtype", reason, (_single(experiment),))
    if kind == "dies" and view.narrowest < NARROW:
        units = count(view.narrowest, "unit")
        reason = (
            f"{says}. With {units}, sooner or later none answers to any sample, and none after it."
        )
        return Why("width", reason, _wider(view))
    if kind == "scatters" or _strays(view):
        reason = (
            f"{says}. With {count(view.narrowest, 'unit')} in a layer the sums over them scatter "
            f"from draw to draw, over {count(view.depth, 'layer')}"
        )
        act = activation_of(experiment.network)
        if _keeps_any(view):
            reason += f"; {act.label} keeps whatever variance it gets and brings none back"
        return Why("width", f"{reason}.", _wider(view))
    reason = f"{says}. Why it does otherwise here is not known."
    return Why("", reason, ())


def _strays(view: View) -> bool:
    """Whether the variance strays from draw to draw: by finite-width theory, or as measured."""
    predicted = view.p.predicted
    with np.errstate(all="ignore"):
        share = predicted.variance_sd / predicted.variance
    known = share[np.isfinite(share)]
    if len(known) and known.max() > STRAYING:
        return True
    return view.spread > STRAYING


def _keeps_any(view: View) -> bool:
    """Whether the activation multiplies every variance by one number and so prefers none."""
    act = activation_of(view.experiment.network)
    before = np.array([1.0, 16.0])
    ratio = gaussian_moments(act, 0.0, before).second_moment / before
    return bool(np.isclose(ratio[0], ratio[1], rtol=1e-3))


def _wider(view: View) -> tuple[Repair, ...]:
    """Returns what makes a narrow network follow theory: units, and an activation that helps."""
    experiment = view.experiment
    net, units = experiment.network, view.narrowest
    key = "width" if net.kind == "mlp" else "channels"
    spread = view.spread if math.isfinite(view.spread) else 1.0
    needed = max(units * max((spread / CALM) ** 2, 2.0), NARROW)
    new = 2 ** math.ceil(math.log2(needed))
    found = []
    if not suits_lecun(activation_of(net)) or (net.activation != "selu" and _keeps_any(view)):
        at_least: tuple[tuple[str, int], ...] = ((key, NARROW),) if units < NARROW else ()
        more = f", {NARROW} {'units' if key == 'width' else 'channels'}" if at_least else ""
        found.append(Repair(f"Use SELU with LeCun normal weights{more}", (*SELU, *at_least),
                            "SELU brings a variance that has strayed back by itself.",
                            "activation"))  # fmt: skip
    if new <= WIDEST[key]:
        noun = "units" if key == "width" else "channels"
        found.append(Repair(f"Take {new} {noun} a layer", ((key, new),),
                            "The scatter falls with the square root of the width.",
                            "width"))  # fmt: skip
    return tuple(r for r in found if buildable(experiment, r) is not None)
