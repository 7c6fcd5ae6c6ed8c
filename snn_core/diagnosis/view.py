"""What a verdict is made from, and which kind of verdict it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from snn_core.diagnosis.repairs import DEEPEST, FORGOTTEN, outlook
from snn_core.diagnosis.trend import EXPLODED, FAR, HOLDS_MEAN, SCATTER, VANISHED, Trend, trend
from snn_core.propagate import Propagation
from snn_core.settings import Experiment, plan_of

__all__ = ["APART", "KINDS", "View", "kind_of", "view_of"]

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
LUCK = 0.6  # standard deviation over seeds of the variance's logarithm: a factor of 1.8
CLOSE = 1.2  # a factor between two resting places that may be the same one
APART = 1.5  # a factor between measured and predicted that is worth a word
STEADY = ("holds", "settles")


@dataclass(frozen=True)
class View:
    """A propagation as a verdict sees it: medians over seeds, and theory's trend of the same.

    Attributes:
        mean, variance: ``(depth + 1,)``, medians over seeds; infinite where most seeds are.
        seen, theory: The trend of the medians, and of the prediction; None where there is none.
        spread: Standard deviation over seeds of the logarithm of the last layer's variance; NaN
            with one seed, or where a seed was lost.
    """

    p: Propagation
    mean: np.ndarray
    variance: np.ndarray
    seen: Trend | None
    theory: Trend | None
    spread: float

    @property
    def experiment(self) -> Experiment:
        return self.p.experiment

    @property
    def depth(self) -> int:
        return len(self.p.layers) - 1

    @property
    def steady(self) -> bool:
        """Whether the variance stands still in theory."""
        return self.theory is not None and self.theory.kind in STEADY

    @property
    def alike(self) -> bool:
        """Whether the network makes samples alike, in theory, that were not so before."""
        correlation = self.p.predicted.correlation
        return bool(correlation[-1] > FORGOTTEN >= correlation[0])

    @property
    def apart(self) -> float:
        """The factor, 1 or more, between measured and predicted variance; NaN without one."""
        if self.seen is None or self.theory is None:
            return math.nan
        ratio = self.seen.variance / self.theory.variance
        return max(ratio, 1.0 / ratio)

    @property
    def narrowest(self) -> int:
        """Units of the narrowest layer."""
        return min(layer.outputs for layer in plan_of(self.experiment))

    @property
    def lost(self) -> np.ndarray:
        """Per seed, whether its last layer is not finite."""
        return ~np.isfinite(self.p.variance[:, -1])

    @property
    def dead(self) -> np.ndarray:
        """Per seed, whether its last layer is one number; what dies and revives is not dead."""
        died = np.array([layer is not None for layer in self.p.died_at])
        return died & (self.p.variance[:, -1] == 0.0)


def view_of(p: Propagation) -> View:
    """Returns the view of a propagation."""
    with np.errstate(all="ignore"):
        variance = np.median(np.where(np.isnan(p.variance), np.inf, p.variance), axis=0)
        mean = np.median(np.where(np.isnan(p.mean), np.inf, p.mean), axis=0)
        logs = np.log(p.variance[:, -1])
    whole = np.isfinite(logs).all() and len(logs) > 1
    return View(
        p=p,
        mean=mean,
        variance=variance,
        seen=trend(mean, variance, SCATTER),
        theory=trend(p.predicted.mean, p.predicted.variance),
        spread=float(logs.std()) if whole else math.nan,
    )


def kind_of(view: View) -> str:
    """Returns the kind of verdict, a key of KINDS.

    Where theory and measurement agree on the last layer, theory says what the way there is: its
    curve has no scatter, so another seed gets the same verdict.
    """
    seen, theory, seeds = view.seen, view.theory, len(view.p.variance)
    if 2 * int(view.lost.sum()) >= seeds:
        return "overflows"
    if 2 * int(view.dead.sum()) >= seeds:
        return "dies"
    if seen is None:  # one sample through one unit has no variance
        return theory.kind if theory else "drifts"
    if view.spread > LUCK and view.steady:
        return "scatters"
    kind = seen.kind
    close = CLOSE if kind in STEADY and view.steady else APART
    if theory is not None and view.apart < close and abs(seen.mean - theory.mean) < HOLDS_MEAN:
        kind = _in_the_long_run(view, theory)
    elif theory is not None and kind in STEADY and not view.steady and view.apart < FAR:
        # a slow change passes for scatter: theory, which has none, tells one from the other
        kind = theory.kind if (seen.rate < 1.0) == (theory.rate < 1.0) else kind
    if kind in STEADY and view.alike:
        return "forgets"
    if kind == "settles" and not VANISHED < seen.variance < EXPLODED:
        return "vanishes" if seen.variance < 1.0 else "explodes"
    return kind


def _in_the_long_run(view: View, theory: Trend) -> str:
    """Theory's kind; of a curve that still moves, what more layers would make of it.

    So the same weights get the same verdict at every depth from which it shows.
    """
    net = view.experiment.network
    still = 1.0 / SCATTER < theory.rate < SCATTER
    if still or net.kind != "mlp" or net.depth >= DEEPEST:
        return theory.kind
    deeper = replace(view.experiment, network=replace(net, depth=DEEPEST))
    far = outlook(deeper).trend
    if far is None:
        return theory.kind
    if far.kind in ("vanishes", "explodes"):
        return far.kind
    ends = far.variance / theory.variance
    there = far.kind in STEADY and 1.0 / CLOSE < ends < CLOSE
    return far.kind if there else "drifts"
