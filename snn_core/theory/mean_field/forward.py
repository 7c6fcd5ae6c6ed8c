"""Mean field, forward: moments of every layer's output over random weights, in the wide limit."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from snn_core.activations import Activation
from snn_core.datasets import input_law
from snn_core.settings import (
    Experiment,
    LayerPlan,
    NetworkSpec,
    activation_of,
    dataset_of,
    initializer_of,
    input_shape,
    plan_of,
)
from snn_core.theory.mean_field.pairs import pair_products
from snn_core.theory.mean_field.state import (
    State,
    after_activation,
    after_dropout,
    after_normalization,
    after_residual,
    has_settled,
    input_state,
    over_positions,
    unknown_state,
)
from snn_core.theory.mean_field.weights import RowLaw, drawn_rows, projected_rows, scaled_rows

__all__ = ["Forward", "LayerMoments", "forward", "tap_matrix"]


@dataclass(frozen=True)
class LayerMoments:
    """What one layer does to the moments, for samples and positions ``(K, height, width)``.

    Attributes:
        plan: The layer's shapes.
        rows: The law of its weights.
        mean, variance: Of the Gaussian that the activation sees.
        slope: E f'^2 there.
        norm_gain: Factor of E[g^2] through the normalization layer, ``(K or 1, 1, 1)``.
    """

    plan: LayerPlan
    rows: RowLaw
    mean: np.ndarray
    variance: np.ndarray
    slope: np.ndarray
    norm_gain: np.ndarray


@dataclass(frozen=True)
class Forward:
    """The states from the input up (depth + 1), the layers between them, and what is missing."""

    states: tuple[State, ...]
    layers: tuple[LayerMoments, ...]
    reasons: tuple[str, ...]


@np.errstate(all="ignore")  # what overflows is found and told
def forward(experiment: Experiment) -> Forward:
    """Returns the moments of every layer's output.

    Layer by layer, z ~ N(bias, q) with q from the previous layer's moments (Poole et al. 2016,
    arXiv:1606.05340, eq. 3, for exchangeable rows), then the activation's Gaussian moments.
    """
    net, shape = experiment.network, input_shape(experiment)
    act = activation_of(net)
    law = input_law(dataset_of(experiment), int(np.prod(shape)), experiment.standardize)
    states, layers, reasons = [input_state(law, shape)], [], []
    settled: LayerPlan | None = None
    plans = plan_of(experiment)
    drawn = {plan: drawn_rows(net, plan) for plan in dict.fromkeys(plans)}
    for index, plan in enumerate(plans, start=1):
        if plan == settled:  # the layers that follow are copies
            states.append(states[-1])
            layers.append(layers[-1])
            continue
        state, layer = _layer(experiment, act, plan, drawn[plan], states[-1])
        settled = plan if has_settled(states[-1], state) else None
        if states[-1].known and np.isnan(layer.rows.tau):
            reasons.append(_FILLED)
        elif states[-1].known and not state.known:
            reasons.append(
                f"The moments leave the range of floating-point numbers at layer {index}; "
                "from there on there is nothing to predict."
            )
            state = unknown_state(len(state.mean), plan.size)
        if plan.pooled and state.known:
            reasons.append(
                "Pooling: the moments of single positions say nothing of their "
                f"{'maximum' if net.pool == 'max' else 'average'}; from layer {index} on, until "
                "a layer resets the variance, the figure shows the spread over seeds."
            )
        if plan.pooled:
            state = unknown_state(len(state.mean), plan.output_size)
        states.append(state)
        layers.append(layer)
    return Forward(tuple(states), tuple(layers), tuple(dict.fromkeys(reasons)))


_FILLED = (
    "Projecting delta-orthogonal weights with fewer inputs than outputs to an orthogonal matrix "
    "fills them in arbitrary directions: there is no prediction."
)


def _layer(
    experiment: Experiment, act: Activation, plan: LayerPlan, rows: RowLaw, previous: State
) -> tuple[State, LayerMoments]:
    net = experiment.network
    z, rows = _preactivation(net, plan, rows, previous)
    gain = np.ones((1, 1, 1))
    if net.normalization != "none" and net.normalization_position == "before":
        z, gain = _normalized(experiment, z)
    spread = np.maximum(z.second_moment - z.mean**2, 0.0)
    mean, second, slope = after_activation(act, z.mean, spread)
    state = State(mean, second, pair_products(act, z.mean, spread, z.product))
    if net.normalization != "none" and net.normalization_position == "after":
        state, gain = after_normalization(net.normalization, state, experiment.batch)
    state = after_dropout(net, act, state)
    if plan.skip:
        state = after_residual(net.residual_scale, state, previous)
    return state, LayerMoments(plan, rows, z.mean, spread, slope, gain)


def _normalized(experiment: Experiment, z: State) -> tuple[State, np.ndarray]:
    """Normalization before the activation; it makes known what was not, on average."""
    net = experiment.network
    state, gain = after_normalization(net.normalization, z, experiment.batch)
    if z.known or (net.normalization == "rms" and net.bias):
        return state, gain
    ones = np.ones_like(z.mean)  # positions can't be told apart any more
    return State(0.0 * ones, ones, z.product), gain


def _preactivation(
    net: NetworkSpec, plan: LayerPlan, rows: RowLaw, h: State
) -> tuple[State, RowLaw]:
    """Returns the moments of z = W h + b, and the rows of W, from those that are drawn."""
    law = initializer_of(net)
    if law.calibrated:
        rows = _calibrated(net, plan, rows, h)
    variance, covariance = _weighted(net, plan, rows, h)
    if law.calibrated and not h.known and np.isnan(rows.tau) and _keeps_scale(net, plan):
        variance = np.full_like(variance, net.weight_factor)
    shift = law.bias_variance(plan.fan_in) if law.bias_variance else 0.0
    mean = np.full_like(variance, net.bias)
    second, product = variance + shift + net.bias**2, covariance + shift + net.bias**2
    return State(mean, second, product), rows


def _calibrated(net: NetworkSpec, plan: LayerPlan, rows: RowLaw, h: State) -> RowLaw:
    """Returns the rows rescaled by LSUV and projected again (Mishkin, Matas 2016, algorithm 1)."""
    variance = float(_weighted(net, plan, rows, h)[0].mean())
    if variance <= 0.0:
        return rows
    return projected_rows(net, plan, scaled_rows(rows, net.weight_factor / variance))


def _keeps_scale(net: NetworkSpec, plan: LayerPlan) -> bool:
    """Whether the constraint leaves projected rows alone when they are rescaled."""
    rows = scaled_rows(drawn_rows(net, plan), 4.0)
    again = projected_rows(net, plan, rows)
    before, after = (rows.tau, rows.omega_squared), (again.tau, again.omega_squared)
    return bool(np.allclose(before, after, rtol=2.0 / plan.outputs))


def _weighted(
    net: NetworkSpec, plan: LayerPlan, rows: RowLaw, h: State
) -> tuple[np.ndarray, np.ndarray]:
    """Returns E (w.x)^2 ``(K, h, w)`` and E (w.x_a)(w.x_b) over rows w, without the bias."""
    second, mean = _patch(net, plan, h.second_moment), _patch(net, plan, h.mean)
    average = over_positions(h.mean).ravel()
    squared, both = mean**2, average[:, None] * average
    if not h.sharp:  # E of the squared mean of n units, taken as independent
        squared = squared + (second - squared) / plan.fan_in
        both = both + (h.product - both) / plan.fan_in
    covariance = rows.spread * h.product + rows.shared * both
    if plan.kind == "dense" or initializer_of(net).law != "delta":
        return rows.spread * second + rows.shared * squared, covariance
    # Only the centre tap is drawn; centralizing subtracts the row's mean from every tap:
    # z = sum_j c_j (x_j - share * patch mean), with E (sum_j c_j)^2 = A before and B after.
    ratio = rows.omega_squared / rows.spread if rows.spread else 1.0
    share = 1.0 - np.sqrt(np.clip(ratio, 0.0, 1.0))
    centred = h.second_moment - 2.0 * share * mean * h.mean + (share * mean) ** 2
    return rows.spread * centred, covariance


def _patch(net: NetworkSpec, plan: LayerPlan, values: np.ndarray) -> np.ndarray:
    """Returns the average over the inputs of a unit: all positions, or the kernel's taps."""
    if plan.kind == "dense":
        return over_positions(values)
    taps = tap_matrix(plan.size, plan.kernel, net.padding)
    return taps @ values @ taps.T / plan.kernel**2


@functools.lru_cache(maxsize=64)  # most layers of a network are alike
def tap_matrix(size: int, kernel: int, padding: str) -> np.ndarray:
    """Returns ``(size, size)``: how many taps at output row i see input row j."""
    reach = kernel // 2
    seen = np.arange(size)[:, None] + np.arange(-reach, reach + 1)
    if padding == "circular":
        seen = seen % size
    elif padding == "reflect":
        seen = np.abs(seen)
        seen = np.where(seen >= size, 2 * (size - 1) - seen, seen)
    taps = (seen[:, :, None] == np.arange(size)).sum(1).astype(np.float64)
    taps.setflags(write=False)
    return taps
