"""What a propagation found, as data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snn_core.settings import Experiment
from snn_core.theory.mean_field.prediction import Prediction

__all__ = ["QUANTILES", "THEOREM_1_OMEGA", "THEOREM_1_TAU", "Detail", "Propagation"]

QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
THEOREM_1_OMEGA = (-0.1, 0.1)  # SNN paper, Theorem 1
THEOREM_1_TAU = (0.95, 1.1)


@dataclass(frozen=True)
class Detail:
    """The statistics that cost more than a forward pass; NumPy float64, layer 0 is the input.

    A unit is a feature of a dense layer or a channel of a convolution, over batch (and positions).

    Attributes:
        between, within: ``(seeds, depth + 1)``: variance of the unit means, mean of the unit
            variances; they add up to the pooled variance.
        saturated: ``(seeds, depth + 1)``: share of activations whose slope is below 5 % of the
            activation's largest; NaN for the input.
        dead: ``(seeds, depth + 1)``: share of units saturated for every sample; NaN for the input.
        correlation: ``(seeds, depth + 1)``: mean cosine between the vectors of two samples.
        quantiles: ``(seeds, depth + 1, len(QUANTILES))``.
        histogram: ``(seeds, depth + 1, bins)`` shares that add up to 1, on ``edges``.
        edges: ``(bins + 1,)``, the outermost bins also hold what lies beyond.
        unit_mean, unit_variance: One ``(seeds, units)`` array per layer, input first.
        unit_omega, unit_tau: One ``(seeds, units)`` array per hidden layer.
            At most 1024 units of a layer are kept, evenly spaced; the same in all four.
    """

    between: np.ndarray
    within: np.ndarray
    saturated: np.ndarray
    dead: np.ndarray
    correlation: np.ndarray
    quantiles: np.ndarray
    histogram: np.ndarray
    edges: np.ndarray
    unit_mean: tuple[np.ndarray, ...]
    unit_variance: tuple[np.ndarray, ...]
    unit_omega: tuple[np.ndarray, ...]
    unit_tau: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Propagation:
    """What one experiment measured, and what theory predicted for it; NumPy float64.

    Layer axis: index 0 is the input, index l the output of hidden layer l.

    Attributes:
        layers: A name for every index: "input", "conv 1", "dense 2", ...
        mean, variance: ``(seeds, depth + 1)``, pooled over batch and units (and positions);
            population variance (ddof 0).
        omega, tau: ``(seeds, depth)``: mean over a layer's units of sum(w) and of sum(w^2).
        inside: ``(seeds, depth)``: share of units with omega and tau in Theorem 1's box.
        gradient_mean, gradient_variance: ``(seeds, depth + 1)`` of dL/d(layer output); the last
            index is the cotangent at the top. None without a backward pass.
        diverged_at: Per seed, the first layer that holds an infinity or NaN, or None.
        died_at: Per seed, the first layer of variance exactly 0, or None.
        detail: The costlier statistics, where asked for.
        predicted: The theory's numbers, computed without looking at the network.
        seconds: Wall time of drawing and measuring.
    """

    experiment: Experiment
    layers: tuple[str, ...]
    mean: np.ndarray
    variance: np.ndarray
    omega: np.ndarray
    tau: np.ndarray
    inside: np.ndarray
    gradient_mean: np.ndarray | None
    gradient_variance: np.ndarray | None
    diverged_at: tuple[int | None, ...]
    died_at: tuple[int | None, ...]
    detail: Detail | None
    predicted: Prediction
    seconds: float
