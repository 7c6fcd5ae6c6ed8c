"""What a verdict is made from, and which kind of verdict it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from snn_core.diagnosis.forecast import DEEPEST, Forecast, forecast, is_scaled
from snn_core.diagnosis.trend import (
    EXPLODED,
    FAR,
    HOLDS_MEAN,
    RUNAWAY,
    SCATTER,
    VANISHED,
    GradientTrend,
    Trend,
    gradient_trend,
    trend,
)
from snn_core.propagate import Propagation
from snn_core.settings import Experiment, plan_of
from snn_core.theory.mean_field.prediction import Prediction

__all__ = ["APART", "KINDS", "LUCK", "View", "kind_of", "moment_kind", "scatter_of", "view_of"]

KINDS = {
    "holds": "Holds",
    "settles": "Settles elsewhere",
    "drifts": "Drifts",
    "vanishes": "Vanishes",
    "explodes": "Explodes",
    "dies": "Dies",
    "overflows": "Overflows",
    "scatters": "Depends on the draw",
    "forgets": "Forgets its input",
}
LUCK = 0.6  # standard deviation over seeds of the variance's logarithm: a factor of 1.8
CLOSE = 1.2  # a factor between two resting places that may be the same one
APART = 1.5  # a factor between measured and predicted that is worth a word
STEADY = ("holds", "settles")


@dataclass(frozen=True)
class View:
    """Networks as a verdict sees them: medians over seeds, and theory's word on the same.

    Attributes:
        mean, variance: ``(depth + 1,)``; infinite where most seeds are.
        gradient: ``(depth + 1,)``, its variance, from the input up; NaN where nothing is known.
        measured_gradient: Whether that was measured; else it is theory's.
        tau: ``(depth,)``.
        last: ``(seeds,)``, every seed's variance of the last layer.
        died_at, diverged_at: Per seed the first layer where it did, or None.
        theory: The trend of the prediction; None where there is none.
        correlation: Theory's cosine of two samples, at the input and at the last layer.
        scatter: What ``scatter_of`` says of the prediction.
    """

    experiment: Experiment
    mean: np.ndarray
    variance: np.ndarray
    gradient: np.ndarray
    measured_gradient: bool
    tau: np.ndarray
    last: np.ndarray
    died_at: tuple[int | None, ...]
    diverged_at: tuple[int | None, ...]
    theory: Trend | None
    correlation: tuple[float, float]
    scatter: float

    @property
    def depth(self) -> int:
        return len(self.variance) - 1

    @cached_property
    def seen(self) -> Trend | None:
        """The trend of the medians."""
        return trend(self.mean, self.variance, SCATTER)

    @cached_property
    def backward(self) -> GradientTrend | None:
        """The trend of the gradient on its way back."""
        return gradient_trend(self.gradient)

    @property
    def runs_away_backward(self) -> bool:
        """Whether the gradient vanishes or explodes on its way back."""
        return self.backward is not None and self.backward.kind in RUNAWAY

    @property
    def steady(self) -> bool:
        """Whether the variance stands still in theory."""
        return self.theory is not None and self.theory.kind in STEADY

    @property
    def alike(self) -> bool:
        """Whether the network makes samples alike, in theory, that were not so before."""
        return Forecast(self.theory, None, None, self.correlation).forgets

    @property
    def spread(self) -> float:
        """Standard deviation over seeds of the logarithm of the last layer's variance.

        NaN with one seed, or where a seed was lost.
        """
        with np.errstate(all="ignore"):
            logs = np.log(self.last)
        return float(logs.std()) if len(logs) > 1 and np.isfinite(logs).all() else math.nan

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
        return ~np.isfinite(self.last)

    @property
    def dead(self) -> np.ndarray:
        """Per seed, whether its last layer is one number; what dies and revives is not dead."""
        died = np.array([layer is not None for layer in self.died_at])
        return died & (self.last == 0.0)


def view_of(p: Propagation) -> View:
    """Returns the view of a propagation."""
    theory, gradient = p.predicted, p.gradient_variance
    return View(
        experiment=p.experiment,
        mean=_median(p.mean),
        variance=_median(p.variance),
        gradient=theory.gradient_variance if gradient is None else _median(gradient),
        measured_gradient=gradient is not None,
        tau=np.median(p.tau.reshape(len(p.tau), -1), axis=0),
        last=p.variance[:, -1],
        died_at=p.died_at,
        diverged_at=p.diverged_at,
        theory=trend(theory.mean, theory.variance),
        correlation=(float(theory.correlation[0]), float(theory.correlation[-1])),
        scatter=scatter_of(theory),
    )


def scatter_of(prediction: Prediction) -> float:
    """Returns by how much a layer's variance strays from draw to draw at most, a share of it.

    Infinite where the theory of finite width ends on the way, as it does where it strays too
    much; NaN where there is none.
    """
    with np.errstate(all="ignore"):
        share = prediction.variance_sd / prediction.variance
    known = share[np.isfinite(share)]
    if not len(known):
        return math.nan
    return float(known.max()) if np.isfinite(share[-1]) else math.inf


def _median(values: np.ndarray) -> np.ndarray:
    """The median over seeds; what is not a number was too large for its format."""
    with np.errstate(all="ignore"):
        return np.median(np.where(np.isnan(values), np.inf, values), axis=0)


def kind_of(view: View) -> str:
    """Returns the kind of verdict, a key of KINDS.

    Where theory and measurement agree on the last layer, theory says what the way there is: its
    curve has no scatter, so another seed gets the same verdict.
    """
    kind = moment_kind(view)
    return "forgets" if kind in STEADY and view.alike else kind


def moment_kind(view: View) -> str:
    """Returns the kind, whatever becomes of the correlation of samples."""
    seen, theory, seeds = view.seen, view.theory, len(view.last)
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
    if kind == "settles" and not VANISHED < seen.variance < EXPLODED and not view.alike:
        return "vanishes" if seen.variance < 1.0 else "explodes"
    return kind


def _in_the_long_run(view: View, theory: Trend) -> str:
    """Theory's kind; of a curve that still moves, what more layers would make of it.

    So the same weights get the same verdict at every depth from which it shows.
    """
    net = view.experiment.network
    still = 1.0 / SCATTER < theory.rate < SCATTER
    if still or net.kind != "mlp" or net.depth >= DEEPEST or is_scaled(net):
        return theory.kind
    deeper = replace(view.experiment, network=replace(net, depth=DEEPEST))
    far = forecast(deeper).trend
    if far is None:
        return theory.kind
    if far.kind in RUNAWAY:
        return far.kind
    ends = far.variance / theory.variance
    there = far.kind in STEADY and 1.0 / CLOSE < ends < CLOSE
    return far.kind if there else "drifts"
