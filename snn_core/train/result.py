"""What a training shows of itself, as data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["ArmSnapshot", "Snapshot"]


@dataclass(frozen=True)
class ArmSnapshot:
    """One arm after ``step`` updates; NumPy float64.

    Losses and accuracies are of the weights after the update, without dropout, mixup and label
    smoothing, over the same rows every time: up to 512 of the training part and 512 of the
    validation part, and all of the validation part when the arm ends. For a regression the loss
    is the mean squared error and the accuracy is R^2 = 1 - error / variance of the targets.

    The layers' statistics are None but at statistics steps, the first and the last. Index 0 of
    their layer axis is the input, index l the output of hidden layer l. They are of the very pass
    that made update ``step`` (at step 0 of the pass that will make the first one); omega and tau
    are of the weights after the update.

    Attributes:
        epoch: How often the training part was gone through.
        learning_rate: Of the next update.
        train_loss, train_accuracy, validation_loss, validation_accuracy: ``(seeds,)``.
        test_accuracy: ``(seeds,)``, over the whole test part; None until the arm ends.
        mean, variance: ``(seeds, depth + 1)``, pooled over batch and units (and positions).
        gradient_mean, gradient_variance: The same of d(mean loss of the batch)/d(layer output).
        omega, tau: ``(seeds, depth)``: mean over a layer's units of sum(w) and of sum(w^2).
        omega_spread, tau_spread: ``(seeds, depth)``: standard deviation over the units.
        inside: ``(seeds, depth)``: share of units with omega and tau in Theorem 1's box.
        update_ratio: ``(seeds, depth)``: norm of the update over norm of the weight before it;
            NaN at step 0.
        saturated, dead: ``(seeds, depth)``: share of activations whose slope is below 5 % of the
            activation's largest, and of units where that is so for every one of up to 32 rows.
        diverged_at: None, or (the update that failed, the layer where it began); layer
            ``depth + 1`` is the output head.
        ended: Why the arm has ended, a sentence; empty while it goes on.
        seconds: Time that this arm has spent training and measuring so far; not the scores over
            whole parts at its end.
    """

    step: int
    epoch: float
    learning_rate: float
    train_loss: np.ndarray
    train_accuracy: np.ndarray
    validation_loss: np.ndarray
    validation_accuracy: np.ndarray
    test_accuracy: np.ndarray | None = None
    mean: np.ndarray | None = None
    variance: np.ndarray | None = None
    gradient_mean: np.ndarray | None = None
    gradient_variance: np.ndarray | None = None
    omega: np.ndarray | None = None
    tau: np.ndarray | None = None
    omega_spread: np.ndarray | None = None
    tau_spread: np.ndarray | None = None
    inside: np.ndarray | None = None
    update_ratio: np.ndarray | None = None
    saturated: np.ndarray | None = None
    dead: np.ndarray | None = None
    diverged_at: tuple[int, int] | None = None
    ended: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Snapshot:
    """All arms at one recorded step; an arm that has ended stays as it was when it did.

    ``seconds`` is the time spent training and measuring so far; pauses do not count. An ``early``
    one is taken between two recorded steps, of one arm that is on its way while the others stand
    where they do; it is to be seen and then forgotten.
    """

    step: int
    seconds: float
    arms: tuple[ArmSnapshot, ...]
    early: bool = False
