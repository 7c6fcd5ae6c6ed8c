"""Sentences of the moment map's page."""

from __future__ import annotations

import numpy as np

from pages.ui.text import plain
from snn_core.activations import Activation
from snn_core.theory.field import Orbit
from snn_core.theory.fixed_points import FixedPoint, NoFixedPoint, words_of
from snn_core.theory.search import FixedPoints
from snn_core.wording import amount, count, percent

__all__ = [
    "INTRODUCTION", "MEAN_FIELD", "MEASURED", "PLANE", "SHAPE", "SYMBOLS", "caption", "plane_alt",
    "settles", "shape", "shape_alt",
]  # fmt: skip

INTRODUCTION = (
    "Each layer takes a mean and a variance to the next; a network in which all ways lead to one "
    "point is *self-normalizing*."
)
PLANE = (
    "Arrows point to where one layer takes a mean and variance; the step itself is longer. The "
    "stronger the blue, the fewer layers until the map is within 1 % of the fixed point; unshaded "
    "means more than 200. The green box is the domain of a theorem of the paper. Click a point to "
    "start there; drag a box of your own to ask for its proof below."
)
SHAPE = (
    "Below the curves is the distribution of the pre-activation z. Where the slope is above 1, "
    "the variance grows; where the curve is flat, it shrinks. A network is "
    "self-normalizing if a large variance reaches far into the flat part, and a small one stays "
    "where the slope is above 1."
)
MEASURED = (
    "The map is that of **one** ω and τ, for Gaussian inputs. The measured lines are networks of "
    "this setting, fed with Gaussian inputs of the start's mean and variance: each unit's mean "
    "and variance over the batch, averaged over the units of a layer. Every unit has an ω and a τ "
    "of its own"
)
MEAN_FIELD = (
    "Mean-field theory looks at all units of a wide random layer at once: do not compare its "
    "numbers with those of a single unit above. The **length** q is the mean square of the "
    "pre-activations; χ₁ is the factor by which a layer multiplies a small squared distance "
    "between two inputs, and the squared gradient on its way back. Blue is order: inputs become "
    "alike and gradients vanish. Orange is chaos: small differences grow and gradients explode. "
    "On the dashed edge, χ₁ = 1, both travel furthest. A **depth scale** is the number of layers "
    "in which a difference falls by a factor of e. Where signals vanish or explode, the diagram "
    "is blank."
)
SYMBOLS = """
| symbol | meaning |
|---|---|
| mean μ, variance ν | of the inputs of a layer, and of its outputs |
| omega ω, tau τ | sum of a unit's weights, sum of their squares |
| z | pre-activation; normal with mean ωμ and variance τν |
| fixed point | a mean and variance that a layer maps to themselves |
| attracting, repelling | points near it come nearer with every layer, or leave |
| eigenvalue | by what a layer multiplies a small deviation, in the long run |
| singular value | the most by which a layer stretches a deviation; always below 1: a contraction |
| σ_w, σ_b | standard deviations of weights (times √fan_in) and biases |
| q | length: mean square of the pre-activations of a layer |
| χ₁ | factor per layer of the squared gradient, and of a small squared distance |

The words are those of [Klambauer et al. (2017)](https://arxiv.org/abs/1706.02515); for the mean
field, of [Schoenholz et al. (2017)](https://arxiv.org/abs/1611.01232).
"""


def settles(found: FixedPoints, limit: FixedPoint | NoFixedPoint | None) -> str:
    """Returns how fast the map settles, and where the orbit goes."""
    parts = [point.contraction for point in found.points if point.kind == "attracting"]
    if isinstance(limit, NoFixedPoint):
        parts.append(plain(limit.reason))
    elif limit is not None:
        parts.append(
            f"The orbit ends at {words_of((limit.mean, limit.variance))}; there the largest "
            f"singular value is {amount(limit.spectral_norm, 3)}, and the eigenvalues are "
            f"{_listed(limit.eigenvalues)}."
        )
    return " ".join(parts)


def _listed(values: np.ndarray) -> str:
    return " and ".join(_value(complex(v)) for v in values)


def _value(v: complex) -> str:
    """A number with three digits; what is but rounding is 0."""
    real, imaginary = (part if abs(part) > 1e-12 else 0.0 for part in (v.real, v.imag))
    if not imaginary:
        return amount(real, 3)
    return f"{amount(real, 3)} {'+' if imaginary > 0 else '−'} {amount(abs(imaginary), 3)}i"


def shape(act: Activation, mean: float, variance: float) -> str:
    """Returns which shares of the pre-activations are stretched, and cut."""
    stretched, cut = _shares(act, mean, variance)
    return (
        f"Of the pre-activations, {percent(stretched)} meet a slope above 1 and are stretched; "
        f"{percent(cut)} meet a slope below 0.5 and are mostly cut off."
    )


def _shares(act: Activation, mean: float, variance: float) -> tuple[float, float]:
    import torch

    t = np.linspace(-6.0, 6.0, 2001)
    weight = np.exp(-0.5 * t * t)
    slope = act.derivative(torch.from_numpy(mean + variance**0.5 * t)).abs().numpy()
    total = weight.sum()
    return float(weight[slope > 1.0].sum() / total), float(weight[slope < 0.5].sum() / total)


def plane_alt(found: FixedPoints, predicted: Orbit, omega: float, tau: float) -> str:
    """Returns the plane's main numbers as a text."""
    seen = np.flatnonzero(np.isfinite(predicted.variance))
    last = int(seen[-1])
    return (
        f"Moment map at omega {amount(omega)}, tau {amount(tau)}. {found.reason} From "
        f"{words_of(_at(predicted, 0))} the orbit reaches {words_of(_at(predicted, last))} after "
        f"{count(last, 'layer')}."
    )


def caption(act: Activation, omega: float, tau: float, start: tuple[float, float]) -> str:
    """Returns what the figure is of, in a line."""
    return (
        f"{act.label}, ω {amount(omega)}, τ {amount(tau)}; orbit from mean {amount(start[0])}, "
        f"variance {amount(start[1])}"
    )


def _at(path: Orbit, layer: int) -> tuple[float, float]:
    return float(path.mean[layer]), float(path.variance[layer])


def shape_alt(act: Activation, mean: float, variance: float) -> str:
    """Returns the activation's graph as a text."""
    return f"{act.label} and its slope. {shape(act, mean, variance)}"
