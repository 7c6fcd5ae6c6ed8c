"""What the page says: one-line readings of a result, text alternatives, captions and symbols."""

from __future__ import annotations

import numpy as np

from pages.ui.panels import median
from snn_core.propagate import THEOREM_1_OMEGA, THEOREM_1_TAU, Propagation
from snn_core.settings import activation_of, plan_of
from snn_core.wording import amount, count, percent

__all__ = [
    "DISTRIBUTION",
    "GRADIENTS",
    "INTRODUCTION",
    "SATURATION",
    "SYMBOLS",
    "UNITS",
    "accidents",
    "distribution_alt",
    "gradients",
    "gradients_alt",
    "moments",
    "moments_alt",
    "reasons",
    "saturation",
    "units",
]

INTRODUCTION = (
    "Does a deep network with random weights keep the mean and the variance of its activations? "
    "A *self-normalizing* one does."
)
DISTRIBUTION = (
    "Each column is the histogram of one layer's activations; layer 0 is the input.",
    "It counts batch, units and seeds. A strong line is a value at which many units pile up. The "
    "value axis is linear near 0, and logarithmic beyond if layers differ by decades.",
)
GRADIENTS = (
    "This is the gradient of a random loss with respect to every layer's output. It starts at the "
    "last layer with variance 1 and runs back to the input: read it from right to left."
)
UNITS = (
    "**omega** is the sum of a unit's incoming weights, **tau** the sum of their squares. "
    "Theorem 1 of Klambauer et al. (2017): mean and variance through one SELU unit have "
    "an attracting fixed point near (0, 1) if |omega| ≤ 0.1 and 0.95 ≤ tau ≤ 1.1, the box, for "
    "inputs of mean in [−0.1, 0.1] and variance in [0.8, 1.5].\n\nEach dot is one unit over the "
    "data, and its prediction is the paper's map for the unit's own omega and tau, "
    "z ~ N(mean·omega, variance·tau). The curves at the top pool all units instead. Dots off the "
    "diagonal show what the map leaves out: it gives all inputs of a unit the same mean, and a "
    "batch is a sample. At most 3000 dots are drawn; the shares count all units."
)
SATURATION = (
    "An activation is **saturated** where its slope is below 5 % of the largest, a unit is "
    "**dead** when it is saturated for every sample. The **correlation** is the mean cosine "
    "between the activations of two samples. The pooled variance is the variance **within** "
    "units (one unit over the data) plus that **between** units (of their means)."
)
# Where it scrolls, the link in it lets the keyboard scroll too.
SYMBOLS = """
| symbol | meaning |
|---|---|
| mean, variance | over batch and units of one layer's activations, after the activation function |
| omega | sum of a unit's incoming weights, Σ w |
| tau | sum of the squares of a unit's incoming weights, Σ w² |
| fan_in, fan_out | how many inputs a unit has; how many outputs one input feeds |
| seed | one draw of all weights and of one batch |
| predicted | what theory says of *wide random* networks before any weight is drawn; dashed |
| middle half | between the quartiles of the seeds |
| fixed point | a mean and variance that a layer maps to themselves |
| saturated | an activation whose slope is below 5 % of the largest |
| dead | a unit that is saturated for every sample |
| correlation | mean cosine between the activations of two samples; 1: the input is forgotten |
| within, between | variance of one unit over the data; variance of the units' means |
| ±2 sd | where theory expects some 95 % of networks of this width |

The words are those of [Klambauer et al. (2017)](https://arxiv.org/abs/1706.02515).
"""


def moments(p: Propagation) -> str:
    """Returns the hero figure in two sentences: the last layer, and the gradient's growth."""
    last = len(p.layers) - 1
    at_end, seeds = p.variance[:, -1], len(p.variance)
    finite = at_end[np.isfinite(at_end)]
    if not len(finite):
        text = f"No seed reaches layer {last} with finite numbers."
    else:
        mean = median(p.mean)[-1]
        text = f"After layer {last} the variance is **{amount(float(median(at_end)))}**"
        low, high = amount(finite.min()), amount(finite.max())
        if seeds > 1:
            over = f"median of {count(len(finite), 'seed')}"
            text += f" ({over}, {low} to {high})" if low != high else f" ({over})"
        text += f" and the mean **{amount(mean)}**."
    expected = p.predicted.variance[-1]
    if np.isfinite(expected):
        also = p.predicted.mean[-1]
        also = 0.0 if also**2 < 1e-24 * expected else also  # rounding, not a mean
        text += f" Predicted for wide random networks: {amount(expected)} and {amount(also)}."
        text += _outside(p)
    growth = _growth(p, p.predicted.gradient_variance, "In theory the")
    return " ".join(part for part in (text, growth, _forgotten(p)) if part)


def reasons(p: Propagation, about: str = "") -> list[str]:
    """Returns what theory does not reach of a topic; "" is the figure of mean and variance."""
    topics = ("Gradients", "Correlation", "Single units", "Between and within units")
    if about:
        return [r for r in p.predicted.reasons if r.startswith(about)]
    return [r for r in p.predicted.reasons if not r.startswith(topics)]


def _outside(p: Propagation) -> str:
    """Says so where all seeds lie on one side of a prediction that has no band of its own."""
    at_end, expected = p.variance[:, -1], p.predicted.variance[-1]
    if len(at_end) < 4 or np.isfinite(p.predicted.variance_sd[-1]):
        return ""
    side = "above" if (at_end > expected).all() else "below" if (at_end < expected).all() else ""
    return f" All seeds lie {side} it; a wider network comes closer." if side else ""


def _forgotten(p: Propagation) -> str:
    """Says so where theory has two different samples leave the last layer alike."""
    alike = p.predicted.correlation[-1]
    if not alike > 0.99:  # NaN where there is no prediction
        return ""
    return (
        "**In theory the network hardly sees its input any more:** the activations of two samples "
        f"have a cosine of 1 − {amount(max(1.0 - alike, 0.0))} at the last layer."
    )


def _growth(p: Propagation, variance: np.ndarray, subject: str) -> str:
    """Returns how the gradient's variance changes from the last layer back to the input."""
    first, last, depth = variance[0], variance[-1], len(variance) - 1
    if not (np.isfinite(first) and np.isfinite(last) and first > 0 and last > 0):
        return ""
    whole, each = first / last, (first / last) ** (1 / depth)
    verb = "grows" if whole >= 1.05 else "shrinks" if whole <= 0.95 else "hardly changes"
    shapes = {(layer.fan_in, layer.fan_out) for layer in plan_of(p.experiment)}
    rate = f", ×{amount(each)} a layer" if len(shapes) == 1 else ""
    return (
        f"{subject} variance of the gradient {verb} on its way back to the input, "
        f"×{amount(whole)} in all{rate}."
    )


def accidents(p: Propagation) -> list[str]:
    """Returns a sentence each for the seeds that overflowed and for those that died."""
    found = []
    for layers, what in (
        (p.diverged_at, "overflowed: numbers too large for {dtype}, first at {layer}"),
        (p.died_at, "died: every activation has the same value, first at {layer}"),
    ):
        hit = [layer for layer in layers if layer is not None]
        if hit:
            sentence = what.format(dtype=p.experiment.dtype, layer=_layer(p, min(hit)))
            some = f"{count(len(hit), 'seed')} of {len(layers)}"
            found.append(f"{'All seeds' if len(hit) == len(layers) else some} {sentence}.")
    return found


def _layer(p: Propagation, index: int) -> str:
    name = p.layers[index]
    return "the input" if index == 0 else f"layer {index} ({name})"


def moments_alt(p: Propagation) -> str:
    """Returns the text alternative of the hero figure, with its main numbers."""
    parts = [
        f"Mean and variance per layer, depth {len(p.layers) - 1}, {count(len(p.mean), 'seed')}"
    ]
    for name, measured, expected in (
        ("variance", p.variance, p.predicted.variance),
        ("mean", p.mean, p.predicted.mean),
    ):
        end = expected[-1]
        end = 0.0 if name == "mean" and end**2 < 1e-24 * p.predicted.variance[-1] else end
        theory = f"{end:.5g}" if np.isfinite(end) else "not available"
        parts.append(
            f"{name} at the last layer: measured median {median(measured)[-1]:.5g}, "
            f"predicted {theory}"
        )
    return ". ".join(parts + [s.rstrip(".") for s in accidents(p)]) + "."


def gradients(p: Propagation) -> tuple[str, str]:
    """Returns the gradients' growth, measured and predicted; empty where it is not known."""
    assert p.gradient_variance is not None
    measured = _growth(p, median(p.gradient_variance), "The measured")
    return measured, _growth(p, p.predicted.gradient_variance, "In theory the")


def gradients_alt(p: Propagation) -> str:
    """Returns the text alternative of the gradients' figure."""
    assert p.gradient_variance is not None
    expected = p.predicted.gradient_variance[0]
    theory = f"{expected:.5g}" if np.isfinite(expected) else "not available"
    return (
        "Variance and mean of the gradient per layer. Variance at the input: measured median "
        f"{median(p.gradient_variance)[0]:.5g}, predicted {theory}."
    )


def distribution_alt(p: Propagation) -> str:
    """Returns the text alternative of the heat map: quantiles of the last layer."""
    assert p.detail is not None
    low, middle, high = (median(p.detail.quantiles[:, :, at])[-1] for at in (2, 4, 6))
    return (
        "Histogram of the activations of every layer as a heat map. Last layer: 5 % quantile "
        f"{low:.4g}, median {middle:.4g}, 95 % quantile {high:.4g}."
    )


def units(p: Propagation, layer: int) -> tuple[str, str]:
    """Returns which share of a layer's units lies in the box, and what that means."""
    assert p.detail is not None
    omega, tau = p.detail.unit_omega[layer - 1], p.detail.unit_tau[layer - 1]
    (left, right), (low, high) = THEOREM_1_OMEGA, THEOREM_1_TAU
    in_omega, in_tau = (omega >= left) & (omega <= right), (tau >= low) & (tau <= high)
    shares = (
        f"{percent((in_omega & in_tau).mean())} of the units of {_layer(p, layer)} lie inside the "
        f"box ({percent(in_omega.mean())} by omega, {percent(in_tau.mean())} by tau); over all "
        f"layers it is {percent(float(np.mean(p.inside)))}."
    )
    act = activation_of(p.experiment.network)
    if act.name != "selu" or p.experiment.network.activation_parameters:
        about = "Theorem 1 is about SELU with its own α and λ; here the box is only a reference."
    elif np.all(p.inside == 1.0):
        about = "The theorem's condition on the weights holds for every unit."
    else:
        about = (
            "The theorem asks it of every unit, so it does not cover this network, which may be "
            "self-normalizing on average all the same: see the curves above."
        )
    return shares, about


def saturation(p: Propagation) -> str:
    """Returns the last layer's saturation and correlation in one sentence."""
    assert p.detail is not None
    d = p.detail
    saturated, dead, alike = (median(v)[-1] for v in (d.saturated, d.dead, d.correlation))
    expected = round(p.predicted.correlation[-1], 12)
    theory = f" (predicted {_cosine(expected)})" if np.isfinite(expected) else ""
    return (
        f"At the last layer {percent(saturated)} of the activations are saturated and "
        f"{percent(dead)} of the units are dead; two samples have a correlation of "
        f"{_cosine(alike)}{theory}."
    )


def _cosine(value: float) -> str:
    """A correlation so near 1 that four digits would hide the rest is written as 1 − rest."""
    return f"1 − {amount(1.0 - value)}" if 0.999 < value < 1.0 else amount(value)
