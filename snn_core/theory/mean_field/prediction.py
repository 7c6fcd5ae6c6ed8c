"""What the theory says of a network before any weight is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Prediction"]


@dataclass(frozen=True)
class Prediction:
    """Layer-by-layer prediction; every array is ``(depth + 1,)``, NaN where no theory reaches.

    Pooled statistics (mean field: random weights, wide layers):
        mean, variance: Over batch and units of a layer's output.
        between, within: The variance of the units' means over the batch, and the mean over units
            of their variance over the batch; they add up to ``variance``.
        correlation: Mean over sample pairs of the cosine between their activation vectors.
        gradient_variance: Of dL/d(layer output), from a cotangent of variance 1 at the top.
        mean_sd, variance_sd: Finite-width standard deviation of the measured pooled mean and
            variance from one draw of weights and inputs to the next.

    Per-unit statistics (SNN map: one fixed unit, over the data):
        unit_mean, unit_variance: The orbit of a unit with omega = 0 and the layers' own tau.

    reasons: One sentence for every part that is missing.
    """

    mean: np.ndarray
    variance: np.ndarray
    between: np.ndarray
    within: np.ndarray
    correlation: np.ndarray
    gradient_variance: np.ndarray
    mean_sd: np.ndarray
    variance_sd: np.ndarray
    unit_mean: np.ndarray
    unit_variance: np.ndarray
    reasons: tuple[str, ...] = ()
