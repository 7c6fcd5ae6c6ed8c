"""A verdict in sentences: what is seen, in numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from snn_core.diagnosis.trend import EXPLODED, GRADIENT_RATE, SCATTER, VANISHED
from snn_core.diagnosis.view import APART, View
from snn_core.settings import initializer_of
from snn_core.wording import amount, brief, count

__all__ = ["gradient_sentence", "headline", "sentences"]

LATE = 0.97  # of the depth: what comes to rest only there has not, it strays


def headline(view: View, kind: str) -> str:
    """Returns what the variance does, one sentence."""
    depth, seen = view.depth, view.seen
    if kind == "overflows":
        dtype = view.experiment.dtype
        return f"{_seeds(view.lost, 'overflow')} {dtype}, {_first(view.diverged_at)}."
    if kind == "dies":
        said = "every activation is the same number"
        return f"{_seeds(view.dead, 'die')}: {said}, {_first(view.died_at)}."
    if seen is None:
        return "There is no variance to follow: one sample through one unit."
    end = brief(seen.variance)
    if kind == "scatters":
        low, high = brief(float(view.last.min())), brief(float(view.last.max()))
        return (
            f"After layer {depth} the variance is anything from {low} to {high}, from one network "
            "to the next."
        )
    if kind == "forgets":
        apart = 1.0 - view.correlation[1]
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
    if 1.0 / SCATTER < seen.rate < SCATTER or (seen.rate > 1.0) != (kind == "explodes"):
        before = brief(float(view.variance[min(1, depth - 1)]))
        return f"The variance {kind}: {before} in layer 1, {end} in layer {depth}."
    mark, side = (VANISHED, "below") if kind == "vanishes" else (EXPLODED, "above")
    beyond = seen.variance < mark if kind == "vanishes" else seen.variance > mark
    where = f"{side} {amount(mark)} from layer {seen.layer} on, " if beyond else ""
    return f"The variance {kind}: {where}{end} in layer {depth}, {rate} at the end."


def _seeds(hit: np.ndarray, verb: str) -> str:
    seeds = len(hit)
    if hit.all():
        return f"All {seeds} seeds {verb}" if seeds > 1 else f"The network {verb}s"
    return f"{int(hit.sum())} of {count(seeds, 'seed')} {verb}"


def _first(layers: Sequence[int | None]) -> str:
    known = [layer for layer in layers if layer is not None]
    if not known:
        return "in a layer that was not recorded"
    return f"first in layer {min(known)}" if min(known) else "as the input does"


def sentences(view: View, kind: str) -> tuple[str, ...]:
    """Returns what else is seen: gradients, single seeds, whether theory says the same."""
    found = [
        gradient_sentence(view),
        _few(view, kind),
        _against_theory(view, kind),
        _cut(view, kind),
    ]
    return tuple(sentence for sentence in found if sentence)


def gradient_sentence(view: View) -> str:
    """Returns what the gradient's variance does on its way back, or ""."""
    found, source = view.backward, "measured" if view.measured_gradient else "in theory"
    if found is None:
        return ""
    if not 0.0 < found.ratio < math.inf:
        what = "vanishes" if found.ratio == 0.0 else "overflows"
        return f"The gradient's variance {what} on its way back ({source})."
    if 1.0 / GRADIENT_RATE < found.rate < GRADIENT_RATE:
        return f"The gradient's variance hardly changes on its way back ({source})."
    up = found.rate > 1.0
    verb, factor = ("grows", found.rate) if up else ("shrinks", 1.0 / found.rate)
    whole = found.ratio if up else 1.0 / found.ratio
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
    if kind != "holds" or view.runs_away_backward or not law.name.endswith("_truncated"):
        return ""
    tau = brief(float(view.tau[-1]))
    return (
        "That the normal distribution is cut off at two standard deviations does no harm: it is "
        f"widened to make up for it, and tau, the sum of a unit's squared weights, is {tau}."
    )
