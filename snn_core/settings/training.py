"""How a network is trained, as frozen data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from snn_core.settings.knobs import SettingError, check, knob

__all__ = ["USUAL_RATES", "TrainingSpec", "rate_at"]

# What a person would try first; Adadelta's is torch's own default.
USUAL_RATES = {"sgd": 0.01, "adam": 0.001, "adamw": 0.001, "rmsprop": 0.001, "adadelta": 1.0}


@dataclass(frozen=True)
class TrainingSpec:
    """An optimizer, its rate over time, what is done to data and gradients, and when to stop.

    Frozen and hashable. Raises SettingError (a ValueError) for a value out of its bounds and for
    a combination that makes no sense.
    """

    optimizer: str = knob(
        "sgd",
        "Optimizer",
        options=("sgd", "adam", "adamw", "rmsprop", "adadelta"),
        help="The rule that turns gradients into updates, as torch.optim has it.",
    )
    learning_rate: float = knob(
        0.01,
        "Learning rate",
        0.0,
        100.0,
        help="The size of an update. Usual: 0.01 for SGD, 0.001 for Adam, 1 for Adadelta.",
    )
    momentum: float = knob(
        0.9, "Momentum", 0.0, 0.999, help="The share of the last update that SGD keeps."
    )
    nesterov: bool = knob(
        False,
        "Nesterov momentum",
        help="Nesterov's variant of SGD's momentum, as torch.optim has it.",
    )
    weight_decay: float = knob(
        0.0,
        "Weight decay",
        0.0,
        10.0,
        help="Pulls weights and biases towards 0: as an L2 penalty, in AdamW directly.",
    )
    schedule: str = knob(
        "constant",
        "Rate schedule",
        options=("constant", "cosine", "step", "warmup"),
        help="How the learning rate changes: not at all, down to 0, in stairs, or up at first.",
    )
    rate_every: int = knob(
        200, "Stair length", 1, 1_000_000, help="Steps between two drops of the rate."
    )
    rate_factor: float = knob(
        0.5, "Stair factor", 0.0, 1.0, help="The rate is multiplied by this at every drop."
    )
    warmup_steps: int = knob(
        100, "Warm-up", 1, 1_000_000, help="Steps over which the rate rises to its full size."
    )
    clip: float = knob(
        0.0,
        "Gradient clipping",
        0.0,
        1e6,
        help="Largest norm of a network's whole gradient; 0 is off.",
    )
    batch_size: int = knob(
        64, "Training batch", 1, 8192, help="Rows of the training part in every step."
    )
    label_smoothing: float = knob(
        0.0,
        "Label smoothing",
        0.0,
        0.99,
        help="The share of every target that is spread over all classes.",
    )
    mixup: float = knob(
        0.0,
        "Mixup",
        0.0,
        10.0,
        help="Rows are mixed in pairs with a share from Beta(a, a); 0 is off.",
    )
    trainable_scale: bool = knob(
        False,
        "Trainable scale",
        help="Every layer's activation is multiplied by a learned number that starts at 1.",
    )
    constraint_manner: str = knob(
        "projection",
        "Constraint in training",
        options=("projection", "parametrization"),
        help=(
            "Imposed on the weights after every step, or built into the network and "
            "differentiated. The results differ."
        ),
    )
    steps: int = knob(1000, "Steps", 1, 1_000_000, help="Updates after which training ends.")
    record_every: int = knob(
        10, "Record every", 1, 100_000, help="Steps between two points of a curve."
    )
    statistics_every: int = knob(
        10, "Statistics every", 1, 100_000, help="Steps between two measurements of the layers."
    )
    stop_seconds: float = knob(
        0.0, "Stop after seconds", 0.0, 86_400.0, help="Training time allowed; 0 is no limit."
    )
    stop_accuracy: float = knob(
        0.0,
        "Stop at accuracy",
        0.0,
        1.0,
        help="Ends when the seeds' mean validation accuracy reaches this; 0 is off.",
    )
    patience: int = knob(
        0,
        "Patience",
        0,
        1_000_000,
        help="Ends when the validation loss has not fallen for so many steps; 0 is off.",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.nesterov and self.optimizer == "sgd" and self.momentum == 0.0:
            raise SettingError(
                ("nesterov", "momentum"),
                "Nesterov momentum needs a momentum above 0, got 0. Use 0.9, or turn it off.",
            )


def rate_at(training: TrainingSpec, step: int, base: float | None = None) -> float:
    """Returns the learning rate of update ``step``, counted from 0.

    Cosine: ``base (1 + cos(pi step / steps)) / 2`` (Loshchilov, Hutter 2017, arXiv:1608.03983,
    eq. 5 without restarts). Step: ``base factor^floor(step / every)``. Warm-up: linear to the full
    rate, which update ``warmup_steps - 1`` is the first to have. ``base`` is the learning rate.

    >>> rate_at(TrainingSpec(schedule="step", learning_rate=1.0, rate_every=10), 25)
    0.25
    """
    rate = training.learning_rate if base is None else base
    if training.schedule == "cosine":
        return rate * (1.0 + math.cos(math.pi * min(step / training.steps, 1.0))) / 2.0
    if training.schedule == "step":
        return rate * training.rate_factor ** (step // training.rate_every)
    if training.schedule == "warmup":
        return rate * min(1.0, (step + 1) / training.warmup_steps)
    return rate
