"""Why a network's moments run away, as far as theory and measurement show it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from snn_core.activations import called, suits_lecun
from snn_core.diagnosis.forecast import forecast, is_scaled
from snn_core.diagnosis.repairs import (
    REMEDIES,
    SELU,
    WEIGHTS,
    Repair,
    faults,
    helpful,
    helps,
    keeps_any,
    repaired,
    weights_alone,
)
from snn_core.diagnosis.trend import GRADIENT_CHANGED, RUNAWAY, Trend
from snn_core.diagnosis.trial import calms, passes, scatters
from snn_core.diagnosis.view import APART, LUCK, View
from snn_core.settings import Experiment, activation_of, initializer_of, plan_of
from snn_core.wording import amount, brief, count

__all__ = ["NOTHING", "SMALL_SLOPE", "Why", "why"]

HALF = {"float16": ("6×10⁻⁸", "65,504"), "bfloat16": ("10⁻³⁸", "3×10³⁸")}
STRAYING = 0.15  # of the variance, from draw to draw: as much as a narrow network's
CALM = LUCK / 2.0  # spread over seeds that wider networks are meant for
NARROW = 64  # units: with fewer no repair is offered that does not widen the layers
WIDEST = {"width": 4096, "channels": 1024}
SMALL_SLOPE = 0.5  # the largest of an activation; a power of it is left after some layers


@dataclass(frozen=True)
class Why:
    """Cause, reason and repairs, as a Diagnosis has them."""

    cause: str
    reason: str
    repairs: tuple[Repair, ...]


NOTHING = Why("", "", ())


def why(view: View, kind: str, search: bool) -> Why:
    """Returns why networks get their kind of verdict. ``search``: for repairs.

    Of networks that hold or settle as they should, why their gradient vanishes or explodes.
    """
    if kind == "holds":
        return _gradient(view, search) if view.runs_away_backward else NOTHING
    if kind in ("dies", "overflows") and view.variance[0] in (0.0, np.inf):
        return _input(view, kind)
    foreseen = kind in ("drifts", *RUNAWAY) and view.apart < APART  # by more layers than these
    stands = view.steady and view.theory is not None and view.theory.kind != kind
    if stands and kind != "forgets" and not foreseen:
        return _beyond_theory(view, kind, search)
    if view.theory is None and any(layer.pooled for layer in plan_of(view.experiment)):
        return _pooling(view, search)
    if not search:
        return Why("", _alike(kind), ())
    found = _in_theory(view, kind)
    if found.repairs or kind != "settles" or not view.runs_away_backward:
        return found
    return _gradient(view, search)


def _gradient(view: View, search: bool) -> Why:
    """The activations stand still and the gradient does not: what mends that, in theory."""
    assert view.backward is not None
    rate, act = view.backward.rate, activation_of(view.experiment.network)
    verb, factor = ("grows", rate) if rate > 1.0 else ("shrinks", 1.0 / rate if rate else math.inf)
    said = f"The activations stand still, but the gradient's variance {verb} in every layer"
    if act.largest_slope <= SMALL_SLOPE:
        said += f": the slope of {called(act)} is at most {brief(act.largest_slope)}"
    found = _calm(view.experiment, helpful(view.experiment, "gradient")) if search else ()
    cause = next((r.cause for r in found if r.cause not in REMEDIES), "")
    if search and not found and math.isfinite(factor):
        layers = int(math.log(GRADIENT_CHANGED) / math.log(factor)) + 1
        fewer = Repair(f"Use {count(layers, 'layer')}", (("depth", layers),),
                       "The gradient then stays within a factor of "
                       f"{GRADIENT_CHANGED:g}.", "depth")  # fmt: skip
        if helps(view.experiment, fewer, "gradient"):
            found, cause = (fewer,), "depth"
            said += ", as it does in theory whatever single setting is changed"
    return Why(cause, f"{said}.", found)


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
    found = tuple(r for r in (*repairs, data) if passes(view.experiment, r))
    return Why("input", f"The input holds numbers that {dtype} does not.", found)


def _single(experiment: Experiment) -> Repair:
    smallest, largest = HALF[experiment.dtype]
    return Repair("Use float32", (("dtype", "float32"),),
                  f"{experiment.dtype} holds nothing below {smallest} or above {largest}, float32 "
                  "nearly all from 10⁻⁴⁵ to 3×10³⁸.", "dtype")  # fmt: skip


def _in_theory(view: View, kind: str) -> Why:
    """Theory has it so: what theory says of every repair shows what is at fault."""
    experiment = view.experiment
    if kind == "drifts" and is_scaled(experiment.network):
        said = "Branches of this scale add about the variance of one over all layers, and no more."
        return Why("", said, ())
    need = "holds" if kind == "settles" else "stands"
    found = helpful(experiment, need)
    if kind in ("settles", "drifts"):  # what vanishes or explodes may come to depend on the draw
        found = _calm(experiment, found)
    if not found:
        return Why("", " ".join(part for part in (_alike(kind), _nature(view, kind)) if part), ())
    cause = next((r.cause for r in found if r.cause not in REMEDIES), "")
    after = forecast(repaired(experiment, found[0])).trend
    label = found[0].label[0].lower() + found[0].label[1:]
    trend = view.theory
    if trend and kind in ("drifts", *RUNAWAY) and trend.kind == "settles":
        trend = replace(trend, kind="drifts")  # it slows down, and more layers move it on
    now = f"In theory the variance {_words(trend)}." if trend else ""
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
    return brief(float(view.tau[-1]))


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
    if kind == "settles":
        return ""
    return (
        "No setting that is known to break a network is at fault, and no repair holds in theory."
    )


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
        "weight_factor": f"With {net.weight_factor:g} times the weight variance {tau}."
        if net.weight_factor != 1.0
        else f"Of these weights ({law.label}) {tau}.",
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
    found = weights_alone(view.experiment)
    if found is None or found[1].trend is None:
        return ""
    repair, then = found
    step = repair.label[0].lower() + repair.label[1:]
    return (
        f" The variance can be repaired, the correlation cannot: {step}, and the variance "
        f"{_words(then.trend)}; but every layer makes two samples more alike."
    )


def _pooling(view: View, search: bool) -> Why:
    """Theory does not follow pooling: is all well, in theory, without it?"""
    experiment = view.experiment
    net = experiment.network
    without = replace(experiment, network=replace(net, pool="none"))
    drop = Repair("Remove the pooling", (("pool", "none"),),
                  "Strides or a last average over all positions shrink images too.",
                  "pooling")  # fmt: skip
    found = forecast(without)
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
            r, label=f"{r.label} and remove the pooling", settings=(*r.settings, *drop.settings)
        )
        for r in (helpful(without) if search else ())
    )
    cause = both[0].cause if both else ""
    reason = f"{_fact(view, cause)} Without pooling, too, the variance {_words(found.trend)}."
    return Why(cause if cause not in REMEDIES else "", reason.strip(), both)


def _beyond_theory(view: View, kind: str, search: bool) -> Why:
    """Theory, of wide networks in exact numbers, has it stand still: width or number format."""
    experiment, theory = view.experiment, view.theory
    assert theory is not None
    says = (
        "Theory, of wide networks in exact numbers, has the variance stay at "
        f"{amount(theory.variance, 3)}"
    )
    if kind in ("dies", "overflows") and experiment.dtype in HALF:
        reason = f"{says}: it is the number format that can't hold the activations."
        single = _single(experiment)
        return Why("dtype", reason, (single,) if search and passes(experiment, single) else ())
    if kind == "dies" and view.narrowest < NARROW:
        units = count(view.narrowest, "unit")
        reason = (
            f"{says}. With {units}, sooner or later none answers to any sample, and none after it."
        )
        return Why("width", reason, _steadier(view) if search else ())
    if kind == "scatters" or _strays(view):
        reason = (
            f"{says}. With {count(view.narrowest, 'unit')} in a layer the sums over them scatter "
            f"from draw to draw, over {count(view.depth, 'layer')}"
        )
        act = activation_of(experiment.network)
        if keeps_any(act):
            reason += f"; {act.label} keeps whatever variance it gets and brings none back"
        found = _steadier(view) if search else ()
        single = next((r.cause for r in found if r.cause not in ("activation", "width")), "")
        fact = f" {_fact(view, single)}" if single else ""
        return Why(single or "width", f"{reason}.{fact}", found)
    reason = f"{says}. Why it does otherwise here is not known."
    return Why("", reason, ())


def _strays(view: View) -> bool:
    """Whether the variance strays from draw to draw: by finite-width theory, or as measured."""
    return view.scatter > STRAYING or view.spread > STRAYING


def _calm(experiment: Experiment, repairs: Sequence[Repair]) -> tuple[Repair, ...]:
    """The repairs after which networks are alike from draw to draw."""
    return tuple(repair for repair in repairs if not scatters(experiment, repair))


def _steadier(view: View) -> tuple[Repair, ...]:
    """Returns what makes networks alike from draw to draw: a setting at fault, or more units."""
    found: dict[str, Repair] = {}  # the first of every kind
    single = (r for r in faults(view.experiment) if r.cause not in WEIGHTS)
    for repair in (*single, *_wider(view)):
        if repair.cause not in found and calms(view.experiment, repair):
            found[repair.cause] = repair
    return tuple(found.values())[:2]


def _wider(view: View) -> Iterator[Repair]:
    """Yields what makes narrow networks follow theory: an activation that helps, and units."""
    net, units = view.experiment.network, view.narrowest
    act = activation_of(net)
    key, noun = ("width", "units") if net.kind == "mlp" else ("channels", "channels")
    spread = view.spread if math.isfinite(view.spread) else 1.0
    needed = max(units * max((spread / CALM) ** 2, 2.0), NARROW)
    if not suits_lecun(act) or (net.activation != "selu" and keeps_any(act)):
        at_least: tuple[tuple[str, int], ...] = ((key, NARROW),) if units < NARROW else ()
        more = f", {NARROW} {noun}" if at_least else ""
        yield Repair(f"Use SELU with LeCun normal weights{more}", (*SELU, *at_least),
                     "SELU brings a variance that has strayed back by itself.",
                     "activation")  # fmt: skip
    new = 2 ** math.ceil(math.log2(needed))
    while new <= WIDEST[key]:
        yield Repair(f"Use {new} {noun} a layer", ((key, new),),
                     "The scatter falls with the square root of the width.",
                     "width")  # fmt: skip
        new *= 2
