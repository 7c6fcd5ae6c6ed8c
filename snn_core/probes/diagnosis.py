"""The verdict on a propagation: what the moments do, why, and what would repair it.

All statistics here are pooled over batch and units, and so is the theory that they are compared
with (mean field); nothing is said of single units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from snn_core.activations import LECUN
from snn_core.probes.course import EXPLODED, STEADY, VANISHED, Course, course
from snn_core.probes.repairs import (
    DEEPEST,
    FORGOTTEN,
    MOST,
    WIDER,
    Repair,
    buildable,
    expected,
    helpful,
    suited_initializer,
)
from snn_core.propagate import Propagation
from snn_core.spec import Experiment, activation_of, dataset_of, initializer_of, plan_of
from snn_core.wording import amount, brief, count

__all__ = ["KINDS", "Diagnosis", "diagnose"]

KINDS = {
    "holds": "Holds",
    "settles": "Settles elsewhere",
    "drifts": "Drifts",
    "vanishes": "Vanishes",
    "explodes": "Explodes",
    "dies": "Dies",
    "overflows": "Overflows",
    "scatters": "A matter of luck",
    "forgets": "Forgets its input",
}
SCATTER = 0.6  # standard deviation over seeds of the variance's logarithm: a factor of 1.8
GRADIENT = 1.005  # a factor a layer that is worth a word
NEARLY = 1.2  # a factor from where it will settle, from which on it counts as settled
APART = 1.5  # a factor between measured and predicted that is worth a word
HALF = ("float16", "bfloat16")


@dataclass(frozen=True)
class Diagnosis:
    """A propagation in words and numbers.

    Attributes:
        kind: A key of KINDS.
        headline: One sentence with numbers: what the variance does.
        sentences: More of what is seen: gradients, single seeds, what theory says.
        reason: Why, as far as it is known; "" where nothing has to be explained.
        cause: The setting at fault: "initializer", "weight_factor", "bias", "dropout", "input",
            "dtype", "width", "pooling", "padding", "residual", "constraint", "activation"; ""
            where none is, or it is not known.
        repairs: What helps, the least change first.
    """

    kind: str
    headline: str
    sentences: tuple[str, ...]
    reason: str
    cause: str
    repairs: tuple[Repair, ...]


@dataclass(frozen=True)
class _View:
    """What a verdict is made from: medians over seeds, and theory's course of the same."""

    p: Propagation
    mean: np.ndarray
    variance: np.ndarray
    seen: Course | None
    theory: Course | None
    spread: float  # standard deviation over seeds of log variance at the last layer

    @property
    def experiment(self) -> Experiment:
        return self.p.experiment

    @property
    def depth(self) -> int:
        return len(self.p.layers) - 1


def diagnose(p: Propagation, repairs: bool = True) -> Diagnosis:
    """Returns the verdict. Without ``repairs`` it costs next to nothing, and has none.

    >>> from snn_core.propagate import propagate
    >>> from snn_core.spec import NetworkSpec
    >>> wrong = NetworkSpec(depth=24, width=128, initializer="he_normal")
    >>> found = diagnose(propagate(wrong, batch=64))
    >>> found.kind, found.cause, found.repairs[0].settings[0]
    ('explodes', 'initializer', ('initializer', 'lecun_normal'))
    """
    view = _view(p)
    kind = _kind(view)
    cause, reason, known = _why(view, kind)
    found: tuple[Repair, ...] = ()
    if repairs and kind != "holds":
        # where theory has it right as it is, it knows of nothing that helps
        tried = () if kind == "scatters" or _is_sound(view) else helpful(
            p.experiment, kind == "settles"
        )  # fmt: skip
        own = tuple(r for r in known if buildable(p.experiment, r) is not None)
        found = (own + tried if _is_sound(view) or not tried else tried + own)[:MOST]
    if not cause and found:
        cause = found[0].cause
        reason = " ".join(part for part in (reason, _blame(view, cause)) if part)
    return Diagnosis(kind, _headline(view, kind), _sentences(view, kind), reason, cause, found)


def _is_sound(view: _View) -> bool:
    """Whether the network holds or settles in theory, and does not forget its input."""
    alike = float(view.p.predicted.correlation[-1])
    theory = view.theory
    return theory is not None and theory.kind == "holds" and not alike > FORGOTTEN


def _view(p: Propagation) -> _View:
    with np.errstate(all="ignore"):
        variance = np.nanmedian(np.where(np.isnan(p.variance), np.inf, p.variance), axis=0)
        mean = np.nanmedian(np.where(np.isnan(p.mean), np.inf, p.mean), axis=0)
        logs = np.log(p.variance[:, -1])
    theory = course(p.predicted.mean, p.predicted.variance)
    whole = np.isfinite(logs).all() and len(logs) > 1
    spread = float(logs.std()) if whole else math.nan
    return _View(p, mean, variance, course(mean, variance), theory, spread)


def _kind(view: _View) -> str:
    p, seeds = view.p, len(view.p.variance)
    if 2 * sum(layer is not None for layer in p.diverged_at) >= seeds:
        return "overflows"
    if 2 * sum(layer is not None for layer in p.died_at) >= seeds:
        return "dies"
    seen = view.seen
    if seen is None:
        return "dies"
    steady = view.theory is not None and view.theory.kind in ("holds", "settles")
    if view.spread > SCATTER and steady:
        return "scatters"
    if seen.kind in ("holds", "settles") and p.predicted.correlation[-1] > FORGOTTEN:
        return "forgets"
    if seen.kind == "drifts" and steady and view.theory is not None:
        return view.theory.kind  # a walk about a value that theory has standing still
    if seen.kind in ("holds", "settles") and steady and _agree(view):
        return view.theory.kind if view.theory else seen.kind  # without the noise of few seeds
    kind = _in_the_long_run(view, seen)
    if kind != seen.kind:
        return kind
    if seen.kind == "settles" and not VANISHED < seen.variance < EXPLODED:
        return "vanishes" if seen.variance < 1.0 else "explodes"
    return seen.kind


def _agree(view: _View) -> bool:
    """Whether measured and predicted variance are about the same at the last layer."""
    seen, theory = view.seen, view.theory
    return bool(seen and theory and 1.0 / APART < seen.variance / theory.variance < APART)


def _in_the_long_run(view: _View, seen: Course) -> str:
    """The kind, with theory's word on what a curve that still moves will do in deeper layers."""
    net, theory = view.experiment.network, view.theory
    rates = [seen.rate, theory.rate if theory else seen.rate]
    still = any(1.0 / STEADY < rate < STEADY for rate in rates)
    if still or theory is None or net.kind != "mlp" or net.depth >= DEEPEST:
        return seen.kind
    if not _agree(view):
        return seen.kind
    far, _ = expected(replace(view.experiment, network=replace(net, depth=DEEPEST)))
    if far is None:
        return seen.kind
    if far.kind in ("vanishes", "explodes"):
        return far.kind
    ends = far.variance / seen.variance
    if far.kind in ("holds", "settles") and 1.0 / NEARLY < ends < NEARLY:
        return "settles" if seen.kind != "holds" else "holds"
    return "drifts"


def _headline(view: _View, kind: str) -> str:
    p, depth, seen = view.p, view.depth, view.seen
    if kind in ("overflows", "dies"):
        layers = [at for at in (p.diverged_at if kind == "overflows" else p.died_at) if at]
        first = min(layers, default=depth)
        some = "All seeds" if len(layers) == len(p.variance) else (
            f"{len(layers)} of {count(len(p.variance), 'seed')}"
        )  # fmt: skip
        if kind == "overflows":
            return f"{some} overflow {p.experiment.dtype}, first in layer {first}."
        return f"{some} die: every activation is the same number, first in layer {first}."
    assert seen is not None
    start, end = brief(float(view.variance[min(1, depth)])), brief(seen.variance)
    if kind == "scatters":
        low, high = brief(float(p.variance[:, -1].min())), brief(float(p.variance[:, -1].max()))
        return (
            f"After layer {depth} the variance is anything from {low} to {high}, from one network "
            "to the next."
        )
    if kind == "forgets":
        alike = 1.0 - float(p.predicted.correlation[-1])
        return (
            f"The network forgets its input: in theory two samples leave layer {depth} with a "
            f"cosine of 1 − {amount(max(alike, 0.0), 2)}. The variance settles at {end}."
        )
    if kind in ("holds", "settles"):
        by = f"from layer {seen.layer} on" if seen.layer > 1 else "from the first layer on"
        mean = brief(0.0 if abs(seen.mean) < 1e-12 else seen.mean)
        return f"The variance settles at {brief(seen.variance)} {by}, the mean at {mean}."
    rate = f"×{seen.rate:.3g} a layer"
    if kind == "drifts":
        return f"The variance drifts from {start} in layer 1 to {end} in layer {depth}, {rate}."
    mark = VANISHED if kind == "vanishes" else EXPLODED
    beyond = view.variance[seen.layer] < mark if kind == "vanishes" else (
        view.variance[seen.layer] > mark
    )  # fmt: skip
    side = "below" if kind == "vanishes" else "above"
    where = f"{side} {amount(mark)} from layer {seen.layer} on, " if beyond else ""
    return f"The variance {kind}: {where}{end} in layer {depth}, {rate} at the end."


def _sentences(view: _View, kind: str) -> tuple[str, ...]:
    found = [_gradients(view), _lost(view, kind), _against_theory(view, kind)]
    return tuple(sentence for sentence in found if sentence)


def _gradients(view: _View) -> str:
    p = view.p
    if p.gradient_variance is not None:
        values, source = np.median(p.gradient_variance, axis=0), "measured"
    else:
        values, source = p.predicted.gradient_variance, "in theory"
    first, last = float(values[0]), float(values[-1])
    if not (math.isfinite(first) and first > 0.0 and last > 0.0):
        return ""
    rate = (first / last) ** (1.0 / view.depth)
    if 1.0 / GRADIENT < rate < GRADIENT:
        return f"The gradient's variance hardly changes on its way back ({source})."
    verb, factor = ("grows", rate) if rate > 1.0 else ("shrinks", 1.0 / rate)
    whole = first / last if rate > 1.0 else last / first
    return (
        f"The gradient's variance {verb} ×{factor:.3g} a layer on its way back, "
        f"×{brief(whole)} in all ({source})."
    )


def _lost(view: _View, kind: str) -> str:
    """The seeds that went another way than most."""
    p = view.p
    odd = sum(layer is not None for layer in p.diverged_at) if kind != "overflows" else 0
    dead = sum(layer is not None for layer in p.died_at) if kind != "dies" else 0
    parts = []
    if odd:
        parts.append(f"{count(odd, 'seed')} overflowed")
    if dead:
        parts.append(f"{count(dead, 'seed')} died")
    return f"{' and '.join(parts)}.".capitalize() if parts else ""


def _against_theory(view: _View, kind: str) -> str:
    seen, theory = view.seen, view.theory
    if theory is None:
        return ""
    said = amount(theory.variance, 3)
    if seen is None or kind in ("overflows", "dies", "scatters"):
        return f"Theory, for wide networks and exact numbers, says {said} at the last layer."
    apart = max(seen.variance / theory.variance, theory.variance / seen.variance)
    if apart < APART:
        return f"Theory for wide networks says the same ({said})."
    return (
        f"Theory for wide networks says {said}; the rest is the finite width of "
        f"{_narrowest(view.experiment)} units."
    )


def _narrowest(experiment: Experiment) -> int:
    return min(layer.outputs for layer in plan_of(experiment))


def _why(view: _View, kind: str) -> tuple[str, str, list[Repair]]:
    """Returns cause, reason and repairs where theory alone does not show them."""
    experiment, theory = view.experiment, view.theory
    net = experiment.network
    if kind == "holds":
        return "", "", []
    lost = kind in ("overflows", "dies") and experiment.dtype in HALF
    if lost and theory is not None and 1e-30 < theory.variance < 1e30:
        repair = Repair("Use float32", (("dtype", "float32"),),
                        "It holds numbers down to 1e-38 and up to 3e38.", "dtype")  # fmt: skip
        smallest = "6×10⁻⁸" if experiment.dtype == "float16" else "10⁻³⁸"
        largest = "65,504" if experiment.dtype == "float16" else "3×10³⁸"
        reason = (
            "The number format is at fault: theory, in exact numbers, has a variance of "
            f"{amount(theory.variance, 2)} at the last layer, and "
            f"{experiment.dtype} holds nothing below {smallest} or above {largest}."
        )
        return "dtype", reason, [repair]
    if kind == "scatters":
        return _luck(view)
    pooled = any(layer.pooled for layer in plan_of(experiment))
    if pooled and theory is None:
        name = "maximum" if net.pool == "max" else "average"
        effect = (
            "lifts the mean and lowers the variance"
            if net.pool == "max"
            else "lowers the variance"
        )
        return "pooling", (
            f"Pooling: the {name} of four neighbours {effect} at every pooling, and no weight "
            "makes up for it. This theory does not follow it."
        ), [Repair("Leave the pooling out", (("pool", "none"),),
                   "Strides or a last average over all positions shrink images too.",
                   "pooling")]  # fmt: skip
    if net.kind == "cnn" and net.padding == "zeros" and kind in ("drifts", "settles", "vanishes"):
        circular = Repair("Pad in circles", (("padding", "circular"),),
                          "Every position then has as many inputs as any other.",
                          "padding")  # fmt: skip
        if _is_mended(experiment, "padding", "circular"):
            return "padding", (
                "Zero padding: at the edge a convolution sees fewer inputs, so tau is smaller "
                "there, and the edge reaches further in with every layer."
            ), [circular]  # fmt: skip
    if kind == "forgets":
        return "", (
            "Every layer makes two samples more alike: in theory their cosine tends to 1, "
            "whatever the variance does."
        ), []  # fmt: skip
    return "", "", []


def _is_mended(experiment: Experiment, key: str, value: str) -> bool:
    found, _ = expected(replace(experiment, network=replace(experiment.network, **{key: value})))
    return found is not None and found.kind == "holds"


def _luck(view: _View) -> tuple[str, str, list[Repair]]:
    net, width = view.experiment.network, _narrowest(view.experiment)
    act = activation_of(net)
    wide = min(width * WIDER, 4096)
    key = "width" if net.kind == "mlp" else "channels"
    wider = Repair(
        f"{WIDER} times as wide",
        ((key, min(wide, 1024 if key == "channels" else 4096)),),
        "The scatter over seeds falls with the square root of the width.",
        "width",
    )
    reason = (
        f"Finite width: theory holds for wide networks, where the variance would be "
        f"{amount(view.theory.variance, 3) if view.theory else 'steady'}. With {width} units a "
        f"layer's tau and its sums scatter, and over {view.depth} layers that adds up"
    )
    if view.theory is not None and net.activation not in LECUN:
        reason += f"; {act.label} only keeps the variance, it does not bring it back"
        selu = Repair("Use SELU with LeCun normal weights",
                      (("activation", "selu"), ("initializer", "lecun_normal"),
                       ("weight_factor", 1.0)),
                      "SELU brings a variance that has strayed back by itself.",
                      "activation")  # fmt: skip
        return "width", f"{reason}.", [selu, wider]
    return "width", f"{reason}.", [wider]


def _blame(view: _View, cause: str) -> str:
    """Why, where a repair in theory has shown what is at fault."""
    experiment, net = view.experiment, view.experiment.network
    act, law = activation_of(net), initializer_of(net)
    tau = float(np.median(view.p.tau[:, -1]))
    return {
        "initializer": (
            f"Theory has it so: of these weights ({law.label}) tau, the sum of a unit's squared "
            f"weights, is {brief(tau)}; {act.label} needs "
            f"{'1' if suited_initializer(experiment) == 'lecun_normal' else '2'}."
        ),
        "weight_factor": (
            f"The weights' variance is multiplied by {net.weight_factor:g}, so tau is "
            f"{brief(tau)} in every layer."
        ),
        "bias": f"A bias of {net.bias:g} is added in every layer and moves mean and variance.",
        "dropout": (
            f"{net.dropout.capitalize()} dropout at {net.dropout_rate:g} changes the variance of "
            "every layer: dropped units become 0, the rest is scaled up."
        ),
        "constraint": f"The constraint leaves tau at {brief(tau)} in the last layer.",
        "input": (
            f"The input is at fault: its variance is {brief(dataset_of(experiment).variance)}, "
            f"its mean {brief(dataset_of(experiment).mean)}."
        ),
        "residual": "Every residual connection adds the variance of its branch to what comes in.",
        "activation": (
            f"{act.label} has no fixed point near (0, 1) for such weights: every layer changes "
            "the variance by its own factor."
        ),
    }.get(cause, "")
