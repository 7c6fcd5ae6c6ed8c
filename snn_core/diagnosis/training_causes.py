"""Why an arm does not learn, or diverged, as far as its layers show it, and what to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from snn_core.activations import called
from snn_core.diagnosis.causes import NOTHING, SMALL_SLOPE, Why, why
from snn_core.diagnosis.change import Change, moments_of
from snn_core.diagnosis.repairs import Repair
from snn_core.diagnosis.sentences import gradient_sentence, headline
from snn_core.diagnosis.view import kind_of
from snn_core.settings import USUAL_RATES, Experiment, activation_of
from snn_core.train.history import series
from snn_core.train.result import Snapshot
from snn_core.wording import brief, percent

__all__ = ["why_diverged", "why_stuck"]

DEAD = 0.5  # share of a layer's units: half the layer passes nothing on
SMALL_UPDATE = 1e-5  # of the weights' norm; networks that learn in some 1000 steps have about 1e-3
DECAYED = 0.1  # of a unit's tau at the start
GROWN = 10.0  # the gradient's variance; less is the noise of batches
BEFORE = 20  # steps over which that is looked at
HARMLESS = ("holds", "settles", "drifts")


def why_stuck(
    change: Change | None, experiment: Experiment, rate: float, frozen: bool, wild: bool
) -> Why:
    """Returns the likely cause, a sentence or two with what to try, and repairs of the network.

    ``frozen``: the loss does not move; ``wild``: it is far above guessing, or was once well below.
    """
    if rate == 0.0 and frozen:
        return Why("learning_rate", "The learning rate is 0, so nothing moves.", ())
    clipping = "" if experiment.training.clip else " or gradient clipping"
    smaller = f"Try a learning rate below {brief(rate)}{clipping}."
    if change is None:
        return Why("learning_rate", smaller, ()) if wild else _unknown()
    if np.median(change.now.tau) <= DECAYED * np.median(change.start.tau):
        return _decayed(change, experiment)
    kind, sentence = moments_of(change)
    dead = _dead(change)
    if wild:
        far = sentence if kind not in HARMLESS else ""
        said = " ".join(part for part in (dead, far, smaller) if part)
        return Why("learning_rate", said, ())
    from_start = _from_the_start(change)
    if from_start.reason:
        return from_start
    if kind not in HARMLESS:  # training has done it
        return Why("learning_rate", f"{sentence} {smaller}", ())
    if dead:
        return Why("learning_rate", f"{dead} {smaller}", ())
    if activation_of(experiment.network).name == "identity":
        return Why(
            "activation",
            "With the identity as activation the network is linear in its input, and can learn "
            "only what a linear function separates.",
            (),
        )
    if change.update_ratio.max() <= SMALL_UPDATE:
        return Why(
            "learning_rate",
            f"An update changes no layer's weights by more than "
            f"{brief(change.update_ratio.max())} of their size: try a learning rate above "
            f"{brief(rate)}.",
            (),
        )
    return _unknown()


def _unknown() -> Why:
    said = "The layers do not show why. Try another learning rate or more steps."
    return replace(NOTHING, reason=said)


def _decayed(change: Change, experiment: Experiment) -> Why:
    before, after = (brief(float(np.median(view.tau))) for view in (change.start, change.now))
    said = f"The weights have shrunk: tau went from {before} to {after}."
    if not experiment.training.weight_decay:
        return replace(NOTHING, reason=said)
    return Why("weight_decay", f"{said} Use less weight decay.", ())


def _from_the_start(change: Change) -> Why:
    """What was wrong with the layers before any update, as a propagation would show it."""
    view = change.start
    kind = kind_of(view)
    backward = view.runs_away_backward
    if kind in HARMLESS and not backward:
        return NOTHING
    found = why(view, kind, search=True)
    act = activation_of(view.experiment.network)
    seen = headline(view, kind) if kind not in HARMLESS else ""
    slope = (
        f"Every layer multiplies it by the slope of {called(act)}, at most "
        f"{brief(act.largest_slope)}."
        if backward and act.largest_slope <= SMALL_SLOPE
        else ""
    )
    parts = (seen, gradient_sentence(view) if backward else "", slope, offer(found.repairs))
    return replace(found, reason=" ".join(part for part in parts if part))


def offer(repairs: Sequence[Repair]) -> str:
    """Returns the repairs as one sentence, or that none is known.

    >>> offer([Repair("Use wide layers", (), "", ""), Repair("Turn dropout off", (), "", "")])
    'Use wide layers, or turn dropout off.'
    """
    if not repairs:
        return "No single setting undoes it in theory."
    first, *rest = (repair.label for repair in repairs)
    return f"{', or '.join([first, *(label[0].lower() + label[1:] for label in rest)])}."


def _dead(change: Change) -> str:
    share = change.dead[1]
    if not share.max() >= DEAD:
        return ""
    index = int(np.nanargmax(share))
    return f"{percent(float(share[index]))} of the units of layer {index + 1} are dead."


def why_diverged(
    history: Sequence[Snapshot], arm: int, experiment: Experiment, start: Change | None
) -> Why:
    """Returns what came before, and what to try. ``start``: the layers before any update."""
    training = experiment.training
    smaller = history[-1].arms[arm].learning_rate / 10.0
    rate = brief(min(smaller, USUAL_RATES[training.optimizer]))
    clipping = "" if training.clip else ", or gradient clipping"
    if start is not None and moments_of(start)[0] == "explodes":
        found = _from_the_start(start)
        return replace(found, reason=f"{found.reason} Or try a learning rate of {rate}.")
    said = f"{_growth(history, arm)}Try a smaller learning rate, such as {rate}{clipping}."
    return Why("learning_rate", said, ())


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
