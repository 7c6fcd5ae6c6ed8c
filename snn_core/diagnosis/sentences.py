"""A verdict in sentences: what is seen, in numbers."""

from __future__ import annotations

import math

import numpy as np

from snn_core.diagnosis.trend import EXPLODED, VANISHED
from snn_core.diagnosis.view import APART, View
from snn_core.settings import initializer_of
from snn_core.wording import amount, brief, count

__all__ = ["headline", "sentences"]

GRADIENT = 1.005  # a factor a layer that is worth a word
LATE = 0.97  # of the depth: what comes to rest only there has not, it strays


def headline(view: View, kind: str) -> str:
    """Returns what the variance does, one sentence."""
    p, depth, seen = view.p, view.depth, view.seen
    if kind == "overflows":
        return f"{_seeds(view, view.lost, 'overflow')} {p.experiment.dtype}, {_first(view, kind)}."
    if kind == "dies":
        said = "every activation is the same number"
        return f"{_seeds(view, view.dead, 'die')}: {said}, {_first(view, kind)}."
    if seen is None:
        return "There is no variance to follow: one sample through one unit."
    end = brief(seen.variance)
    if kind == "scatters":
        low, high = brief(float(p.variance[:, -1].min())), brief(float(p.variance[:, -1].max()))
        return (
            f"After layer {depth} the variance is anything from {low} to {high}, from one network "
            "to the next."
        )
    if kind == "forgets":
        apart = 1.0 - float(p.predicted.correlation[-1])
        cosine = f"of 1 − {amount(apart, 2)}" if apart > 1e-12 else "of 1"
        return (
            f"The network forgets its input: in theory two samples leave layer {depth} with a "
            f"cosine {cosine}. The variance settles at {end}."
        )
    if kind in ("holds", "settles"):
        mean = brief(0.0 if abs(seen.mean) < 1e-12 else seen.mean)
        if depth > 4 and seen.layer > LATE * depth or seen.kind not in ("holds", "settles"):
            return f"The variance ends at {end} in layer {depth}, the mean at {mean}."
        by = f"from layer {seen.layer} on" if seen.layer > 1 else "from the first layer on"
        return f"The variance settles at {end} {by}, the mean at {mean}."
    rate = f"×{seen.rate:.3g} a layer"
    if kind == "drifts":
        layer = min(1, depth - 1)  # an input is no layer's output: the step from it is another
        before, place = float(view.variance[layer]), f"layer {layer}" if layer else "the input"
        # a curve that falls and turns has no one rate
        rate = f", {rate}" if (seen.rate > 1.0) == (seen.variance > before) else ""
        return (
            f"The variance drifts from {brief(before)} in {place} to {end} in layer {depth}{rate}."
        )
    mark, side = (VANISHED, "below") if kind == "vanishes" else (EXPLODED, "above")
    beyond = seen.variance < mark if kind == "vanishes" else seen.variance > mark
    where = f"{side} {amount(mark)} from layer {seen.layer} on, " if beyond else ""
    return f"The variance {kind}: {where}{end} in layer {depth}, {rate} at the end."


def _seeds(view: View, hit: np.ndarray, verb: str) -> str:
    seeds = len(hit)
    if hit.all():
        return f"All {seeds} seeds {verb}" if seeds > 1 else f"The network {verb}s"
    return f"{int(hit.sum())} of {count(seeds, 'seed')} {verb}"


def _first(view: View, kind: str) -> str:
    layers = view.p.diverged_at if kind == "overflows" else view.p.died_at
    first = min(layer for layer in layers if layer is not None)
    return f"first in layer {first}" if first else "as the input does"


def sentences(view: View, kind: str) -> tuple[str, ...]:
    """Returns what else is seen: gradients, single seeds, whether theory says the same."""
    found = [_gradients(view), _few(view, kind), _against_theory(view, kind), _cut(view, kind)]
    return tuple(sentence for sentence in found if sentence)


def _gradients(view: View) -> str:
    p = view.p
    if p.gradient_variance is not None:
        values, source = np.median(p.gradient_variance, axis=0), "measured"
    else:
        values, source = p.predicted.gradient_variance, "in theory"
    first, last = float(values[0]), float(values[-1])
    if not (math.isfinite(first) and math.isfinite(last) and first > 0.0 and last > 0.0):
        return ""
    rate = math.exp((math.log(first) - math.log(last)) / view.depth)
    if 1.0 / GRADIENT < rate < GRADIENT:
        return f"The gradient's variance hardly changes on its way back ({source})."
    verb, factor = ("grows", rate) if rate > 1.0 else ("shrinks", 1.0 / rate)
    with np.errstate(over="ignore"):
        whole = float(np.exp(abs(np.log(first) - np.log(last))))
    in_all = f", ×{brief(whole)} in all" if math.isfinite(whole) else ""
    return (
        f"The gradient's variance {verb} ×{factor:.3g} a layer on its way back{in_all} ({source})."
    )


def _few(view: View, kind: str) -> str:
    """The seeds that went another way than most."""
    lost = int(view.lost.sum()) if kind != "overflows" else 0
    dead = int(view.dead.sum()) if kind != "dies" else 0
    parts = [f"{count(lost, 'seed')} overflowed"] if lost else []
    parts += [f"{count(dead, 'seed')} died"] if dead else []
    return f"{' and '.join(parts)}." if parts else ""


def _against_theory(view: View, kind: str) -> str:
    theory = view.theory
    if theory is None:
        return ""
    said = amount(theory.variance, 3)
    if view.seen is None or kind in ("overflows", "dies", "scatters"):
        return f"Theory, for wide networks and exact numbers, says {said} at the last layer."
    if view.apart < APART:
        return f"Theory for wide networks says the same ({said})."
    return (
        f"Theory, for wide networks and exact numbers, says {said} at the last layer; here the "
        f"narrowest layer has {count(view.narrowest, 'unit')}."
    )


def _cut(view: View, kind: str) -> str:
    """That Keras's truncated normal is as good as the plain one, which many doubt."""
    law = initializer_of(view.experiment.network)
    if kind not in ("holds", "settles") or not law.name.endswith("_truncated"):
        return ""
    tau = brief(float(np.median(view.p.tau[:, -1])))
    return (
        "That the normal distribution is cut off at two standard deviations does no harm: it is "
        f"widened to make up for it, and tau, the sum of a unit's squared weights, is {tau}."
    )
