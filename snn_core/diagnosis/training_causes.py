"""Why an arm does not learn, or diverged, as far as its layers show it, and what to try."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from snn_core.activations import Activation, called, suits_lecun
from snn_core.diagnosis.training_layers import LayerView, at_start, moments_of
from snn_core.settings import USUAL_RATES, Experiment, NetworkSpec, activation_of
from snn_core.train.history import series
from snn_core.train.result import Snapshot
from snn_core.wording import brief, percent

__all__ = ["cures", "why_diverged", "why_stuck"]

DEAD = 0.5  # share of a layer's units: half the layer passes nothing on
SMALL_SLOPE = 0.5  # the largest of an activation; a power of it is left after some layers
SMALL_UPDATE = 1e-5  # of the weights' norm; networks that learn in some 1000 steps have about 1e-3
DECAYED = 0.1  # of a unit's tau at the start
GROWN = 10.0  # the gradient's variance; less is the noise of batches
BEFORE = 20  # steps over which that is looked at


def cures(net: NetworkSpec) -> str:
    """Returns what keeps mean and variance in place and the network has not got, for a sentence.

    The draw of the weights that suits the activation, normalization layers, or else fewer layers.
    """
    act = activation_of(net)
    if act.largest_slope <= SMALL_SLOPE:
        suited, name = ("another activation", "")
    elif suits_lecun(act):
        suited, name = ("LeCun normal weights", "lecun_normal")
    else:
        suited, name = ("He normal weights", "he_normal")
    found = [] if net.initializer == name and net.weight_factor == 1.0 else [suited]
    found += ["a normalization layer"] if net.normalization == "none" else []
    return " or ".join(found or ["fewer layers"])


def why_stuck(
    view: LayerView | None,
    moments: tuple[str, str],
    experiment: Experiment,
    rate: float,
    frozen: bool,
    wild: bool,
) -> str:
    """Returns the likely reason and what to try, one or two sentences.

    ``frozen``: the loss does not move; ``wild``: it is far above guessing, or was once well below.
    """
    if rate == 0.0 and frozen:
        return "The learning rate is 0, so nothing moves."
    act, (kind, sentence) = activation_of(experiment.network), moments
    clipping = "" if experiment.training.clip else " or gradient clipping"
    smaller = f"Try a learning rate below {brief(rate)}{clipping}."
    if view is not None and np.median(view.tau[1]) <= DECAYED * np.median(view.tau[0]):
        before, after = (brief(float(np.median(tau))) for tau in view.tau)
        shrunk = f"The weights have shrunk: tau went from {before} to {after}."
        return shrunk + (" Use less weight decay." if experiment.training.weight_decay else "")
    dead = _dead(view)
    if wild:
        return " ".join(part for part in (dead, _if_far(moments), smaller) if part)
    if view is not None and kind in ("vanishes", "explodes"):
        if moments_of(at_start(view), experiment)[0] != kind:  # training has done it
            return f"{sentence} {smaller}"
        slope = _slope(act) if kind == "vanishes" else ""
        return f"{sentence} {slope}Try {cures(experiment.network)}."
    if dead:
        return f"{dead} {smaller}"
    if act.name == "identity":
        return (
            "With the identity as activation the network is linear in its input, and can learn "
            "only what a linear function separates."
        )
    if view is not None and view.update_ratio.max() <= SMALL_UPDATE:
        return (
            f"An update changes no layer's weights by more than {brief(view.update_ratio.max())} "
            f"of their size: try a learning rate above {brief(rate)}."
        )
    return "The layers do not show why. Try another learning rate or more steps."


def _if_far(moments: tuple[str, str]) -> str:
    return moments[1] if moments[0] in ("explodes", "vanishes") else ""


def _slope(act: Activation) -> str:
    if act.largest_slope > SMALL_SLOPE:
        return ""
    slope = brief(act.largest_slope)
    return f"Every layer multiplies it by the slope of {called(act)}, at most {slope}. "


def _dead(view: LayerView | None) -> str:
    if view is None or not view.dead[1].max() >= DEAD:
        return ""
    index = int(np.nanargmax(view.dead[1]))
    return f"{percent(float(view.dead[1][index]))} of the units of layer {index + 1} are dead."


def why_diverged(
    history: Sequence[Snapshot], arm: int, experiment: Experiment, start: tuple[str, str]
) -> str:
    """Returns what came before, and what to try. ``start``: the moments before any update."""
    training, net = experiment.training, experiment.network
    smaller = history[-1].arms[arm].learning_rate / 10.0
    rate = brief(min(smaller, USUAL_RATES[training.optimizer]))
    clipping = "" if training.clip else ", or gradient clipping"
    trend = _growth(history, arm)
    if start[0] == "explodes":
        if net.residual and net.normalization == "none":
            scale = brief(1.0 / math.sqrt(net.depth))
            cure = f"a residual branch scale of {scale} or a normalization layer"
        else:
            cure = cures(net)
        return f"{start[1]} Try {cure}, or a learning rate of {rate}."
    return f"{trend}Try a smaller learning rate, such as {rate}{clipping}."


def _growth(history: Sequence[Snapshot], arm: int) -> str:
    """How the gradient grew over the last steps with statistics, in its largest layer and seed."""
    steps, gradient = series(history, arm, "gradient_variance")
    if len(steps) < 2:
        return "Its layers were last recorded at step 0, so no trend shows. "
    largest = np.where(np.isfinite(gradient), gradient, 0.0).max(axis=(1, 2))
    earlier = max(int(np.searchsorted(steps, steps[-1] - BEFORE, side="right")) - 1, 0)
    earlier = min(earlier, len(steps) - 2)
    if not largest[-1] >= GROWN * largest[earlier] > 0:
        return ""
    factor = brief(float(largest[-1] / largest[earlier]))
    span = int(steps[-1] - steps[earlier])
    return (
        f"The gradient's variance, in its largest layer and seed, had grown {factor}-fold in the "
        f"{span} steps up to step {steps[-1]}. "
    )
