"""Mean field, backward: the second moment of the gradient at every layer's output."""

from __future__ import annotations

import numpy as np

from snn_core.settings import (
    Experiment,
    LayerPlan,
    NetworkSpec,
    activation_of,
    dataset_of,
    initializer_of,
    normalization_of,
)
from snn_core.theory.mean_field.forward import Forward, LayerMoments, tap_matrix
from snn_core.theory.mean_field.state import dropout_gain, mean_of

__all__ = ["gradient_reasons", "gradient_variance"]

NARROWEST = 128  # a group of 32 raises E[1/variance], hence the gradient, by 5 to 12 % a layer
SMALLEST_BATCH = 128  # 64 samples raise E[1/variance], hence the gradient, by 0.5 to 2 % a layer


def gradient_variance(experiment: Experiment, forward: Forward) -> np.ndarray:
    """Returns E[(dL/dh)^2] at every layer's output ``(depth + 1,)``, 1 at the top.

    Per sample and position, E g_l^2 = out * tau/fan_in * E f'^2 * E g_{l+1}^2, with the weights
    taken as independent of those of the forward pass (Schoenholz et al. 2017, arXiv:1611.01232,
    section 5); then averaged, so that every sample keeps its own product of slopes.
    """
    net = experiment.network
    g, means = np.ones_like(forward.states[-1].mean), [1.0]
    strange = _unlike_batches(experiment)
    gain = dropout_gain(net, activation_of(net))
    for state, layer in zip(forward.states[-2::-1], forward.layers[::-1], strict=True):
        shape = state.mean.shape
        if strange or layer.plan.pooled or _narrow_groups(net, layer.plan):
            g = np.full(shape, np.nan)
        else:
            g = _before(net, layer, gain, g, shape)
        means.append(mean_of(g))
    return np.array(means[::-1])


def _before(
    net: NetworkSpec, layer: LayerMoments, gain: float, g: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Returns E g^2 at the layer's input from the one at its output; ``gain`` is dropout's."""
    plan = layer.plan
    weight = gain * (net.residual_scale**2 if plan.skip else 1.0) * plan.outputs
    branch = g * layer.slope * layer.norm_gain
    if plan.kind == "dense":
        branch = np.broadcast_to(branch * (weight * layer.rows.tau / plan.fan_in), shape)
    elif initializer_of(net).law == "delta":
        branch = branch * (weight * layer.rows.spread / plan.inputs)  # the centre tap alone
    else:
        taps = tap_matrix(plan.size, plan.kernel, net.padding)
        branch = weight * layer.rows.tau / plan.fan_in * (taps.T @ branch @ taps)
    return branch + g if plan.skip else branch


def _narrow_groups(net: NetworkSpec, plan: LayerPlan) -> bool:
    if net.normalization != "group":
        return False
    return plan.units // int(dict(normalization_of(net).values).get("groups", 1)) < NARROWEST


def _unlike_batches(experiment: Experiment) -> bool:
    """Whether the units' variances over the batch differ too much to stand for each other."""
    net = experiment.network
    random = net.kind == "mlp" and dataset_of(experiment).kind == "synthetic"
    return net.normalization == "batch" and not (random and experiment.batch >= SMALLEST_BATCH)


def gradient_reasons(experiment: Experiment, forward: Forward) -> tuple[str, ...]:
    """Returns a sentence for each thing that the backward theory does not reach past."""
    net, found = experiment.network, []
    if _unlike_batches(experiment):
        found.append(
            "Gradients: batch normalization is followed through dense layers only, and for at "
            f"least {SMALLEST_BATCH} random samples: others' unit variances stray too much."
        )
    if any(_narrow_groups(net, layer.plan) for layer in forward.layers):
        found.append(
            f"Gradients: groups of fewer than {NARROWEST} values are too narrow for the "
            "mean-field theory of group normalization."
        )
    if any(layer.plan.pooled for layer in forward.layers):
        found.append("Gradients: this theory does not reach past a pooling.")
    return tuple(found)
