"""Everything the theory says of an experiment, before any weight is drawn."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from snn_core.activations import Activation, gaussian_moments
from snn_core.datasets import InputLaw, input_law
from snn_core.settings import (
    Experiment,
    NetworkSpec,
    activation_of,
    dataset_of,
    initializer_of,
    input_shape,
)
from snn_core.theory.mean_field.backward import gradient_reasons, gradient_variance
from snn_core.theory.mean_field.forward import Forward, forward
from snn_core.theory.mean_field.interpolation import moments_at
from snn_core.theory.mean_field.prediction import Prediction
from snn_core.theory.mean_field.state import State, after_dropout
from snn_core.theory.mean_field.width import LayerWidth, bands, input_scatter

__all__ = ["predict", "unit_moments"]

WIDEST = 0.5  # relative standard deviation up to which the linear response of bands.py holds


def predict(experiment: Experiment) -> Prediction:
    """Returns the theory's mean, variance, correlation, gradient and bands at every layer.

    Uses the experiment's shapes and laws only: no weight and no synthetic input is drawn. Whatever
    no theory gives is NaN, and ``reasons`` says why.
    """
    net = experiment.network
    run = forward(experiment)
    mean, variance = np.array([state.pooled for state in run.states]).T
    second = variance + mean**2
    product = np.array([state.pair for state in run.states])
    if net.kind == "mlp":
        product[0] = _law(experiment).pair_product  # of all rows, not of the representatives
    share = 1.0 / experiment.batch
    with np.errstate(all="ignore"):
        between = share * second + (1.0 - share) * product - mean**2
        within = (1.0 - share) * (second - product)
        if net.normalization == "batch":
            between[1:], within[1:] = np.nan, np.nan
        correlation = np.array([state.cosine for state in run.states])
        gradient = gradient_variance(experiment, run)
    overflow = np.isinf(gradient)
    gradient[overflow] = np.nan
    mean_sd, variance_sd, band_reasons = _bands(experiment, run)
    unit_mean, unit_variance, unit_reasons = _unit(experiment, run)
    lost = ("Gradients: they leave the range of floating-point numbers.",)
    reasons = (
        run.reasons + _pair_reasons(net, second) + gradient_reasons(experiment, run)
        + unit_reasons + band_reasons + (lost if overflow.any() else ())
    )  # fmt: skip
    return Prediction(
        mean=mean,
        variance=np.maximum(variance, 0.0),
        between=np.maximum(between, 0.0),
        within=np.maximum(within, 0.0),
        correlation=correlation,
        gradient_variance=gradient,
        mean_sd=mean_sd,
        variance_sd=variance_sd,
        unit_mean=unit_mean,
        unit_variance=unit_variance,
        reasons=reasons,
    )


def _pair_reasons(net: NetworkSpec, second: np.ndarray) -> tuple[str, ...]:
    if net.kind == "cnn":
        return ("Correlation: there is no prediction for convolutions.",)
    if net.normalization == "batch":
        return (
            "Between and within units: batch normalization fixes every unit's own moments over "
            "the batch, which this theory knows on average only.",
        )
    if (second == 0.0).any():
        return ("Correlation: vectors that are all zero have none.",)
    return ()


def _unit(experiment: Experiment, run: Forward) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Returns the SNN map's orbit of a unit with omega = 0 (Klambauer et al. 2017, eqs. 3-5)."""
    net, law = experiment.network, _law(experiment)
    depth = len(run.layers)
    means, variances = np.full((2, depth + 1), np.nan)
    if net.kind == "cnn" or net.normalization != "none" or net.residual:
        sentence = (
            "Single units: the paper's map covers dense layers without normalization or residual "
            "connections, so there is no prediction for them."
        )
        return means, variances, (sentence,)
    if initializer_of(net).bias_variance is not None:
        sentence = (
            "Single units: this initializer draws random biases, and the paper's map has none, so "
            "there is no prediction for them."
        )
        return means, variances, (sentence,)
    means[0] = law.mean.mean()
    variances[0] = max(float(law.second_moment.mean()) - law.pair_product, 0.0)
    act, variance = activation_of(net), float(variances[0])
    for index, layer in enumerate(run.layers, start=1):
        if not math.isfinite(variance * layer.rows.tau):
            return means, variances, ()  # the pooled moments went the same way, with a reason
        m = moments_at(act, net.bias, variance * layer.rows.tau)
        means[index], variances[index] = _dropped(net, act, m.mean, m.variance)
        variance = float(variances[index])
    return means, variances, ()


def unit_moments(
    net: NetworkSpec, mean: float, variance: float, omega: np.ndarray, tau: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean and variance over the data of units of those omega and tau.

    The SNN map, z ~ N(mean omega + bias, variance tau), for inputs that all have that mean and
    variance, with the network's activation and dropout (Klambauer et al. 2017, eqs. 3-5).
    """
    act = activation_of(net)
    m = gaussian_moments(act, mean * np.asarray(omega) + net.bias, variance * np.asarray(tau))
    return _dropped(net, act, m.mean, m.variance)


def _dropped(
    net: NetworkSpec, act: Activation, mean: ArrayLike, variance: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a unit's mean and variance after dropout."""
    first, spread = np.asarray(mean), np.maximum(np.asarray(variance), 0.0)
    if net.dropout == "none":
        return first, spread
    state = State(first, spread + first * first, np.full((1, 1), np.nan))
    after = after_dropout(net, act, state)
    return after.mean, np.maximum(after.second_moment - after.mean**2, 0.0)


def _law(experiment: Experiment) -> InputLaw:
    features = int(np.prod(input_shape(experiment)))
    return input_law(dataset_of(experiment), features, experiment.standardize)


def _bands(experiment: Experiment, run: Forward) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Returns the finite-width standard deviations of the pooled mean and variance."""
    net, depth = experiment.network, len(run.layers)
    deviations = np.full((2, depth + 1), np.nan)
    stranger = _beyond_bands(experiment)
    if stranger:
        sentence = f"No finite-width theory for {stranger} yet: the band is the spread over seeds."
        return deviations[0], deviations[1], (sentence,)
    data, features = dataset_of(experiment), input_shape(experiment)[0]
    mean, variance = (0.0, 1.0) if experiment.standardize else (data.mean, data.variance)
    start = input_scatter(mean, variance, data.correlation, data.kurtosis, features)
    known = _widths(net, run)
    for index, scatter in enumerate(bands(activation_of(net), net.bias, start, tuple(known))):
        centre, spread = run.states[index].pooled
        sd = scatter.pooled(experiment.batch, centre)
        if not np.isfinite(sd).all():
            known = known[: max(index - 1, 0)]
            break
        if sd[1] > WIDEST * spread:
            sentence = (
                f"Finite-width theory ends at layer {index}: from there the variance strays by "
                f"more than {100 * WIDEST:g} % from one draw to the next, with a heavy tail."
            )
            return deviations[0], deviations[1], (sentence,)
        deviations[:, index] = sd
    if len(known) == depth:
        return deviations[0], deviations[1], ()
    sentence = (
        f"Finite-width theory ends at layer {len(known) + 1}: the variance there is "
        "too small or too large to tell anything of it."
    )
    return deviations[0], deviations[1], (sentence,)


def _beyond_bands(experiment: Experiment) -> str:
    """Returns what the finite-width theory does not cover, in words, or nothing."""
    net = experiment.network
    checks = (
        (net.kind == "cnn", "convolutions"),
        (dataset_of(experiment).load is not None, "the rows of a table"),
        (initializer_of(net).law != "independent", "orthogonal weights"),
        (net.constraint not in ("none", "centralize_layer"), "this constraint"),
        (net.normalization != "none", "normalization layers"),
        (net.dropout != "none", "dropout"),
        (net.residual, "residual connections"),
    )
    return next((words for holds, words in checks if holds), "")


def _widths(net: NetworkSpec, run: Forward) -> list[LayerWidth]:
    """Returns the layers up to the first whose numbers leave the range of the theory."""
    law, found = initializer_of(net), []
    for state, layer in zip(run.states[:-1], run.layers, strict=True):
        spread, variance = layer.rows.spread, float(layer.variance.mean())
        if variance and not 1e-60 < variance < 1e60:
            break
        # A centralized layer takes sum(x) times the grand mean out of all its units at once.
        removed = spread * state.pooled[0] ** 2 if net.constraint == "centralize_layer" else 0.0
        found.append(
            LayerWidth(
                variance=variance,
                spread=spread,
                bias_variance=law.bias_variance(layer.plan.fan_in) if law.bias_variance else 0.0,
                units=layer.plan.outputs,
                removed=removed,
            )
        )
    return found
