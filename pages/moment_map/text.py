"""Sentences of the moment map's page."""

from __future__ import annotations

import numpy as np
import torch

from pages.moment_map.plane import Asked, Seen
from pages.ui.text import plain
from snn_core.theory.moments.fixed_points import NoFixedPoint, words_of
from snn_core.wording import amount, count, percent

__all__ = [
    "INTRODUCTION", "MEAN_FIELD", "MEASURED", "PLANE", "SHAPE", "SYMBOLS", "alt", "caption",
    "settles", "shape",
]  # fmt: skip

INTRODUCTION = (
    "Each layer maps a mean and a variance to new ones; a network in which every start leads to "
    "the same point is *self-normalizing*."
)
PLANE = (
    "Arrows show the direction of one layer's step, which is longer than drawn. The stronger the "
    "blue, the fewer layers until the map is within 1 % of the fixed point; unshaded means more "
    "than 200. The green box is the domain of a theorem of the paper. Click a point to start "
    "there, or drag to draw a box of your own and prove a claim about it below."
)
SHAPE = (
    "Below the curves is the distribution of the pre-activation z. Where the slope is above 1, "
    "the variance grows; where the curve is flat, it shrinks. A network is "
    "self-normalizing if a large variance reaches far into the flat part, and a small one stays "
    "where the slope is above 1."
)
MEASURED = (
    "The map is for **one** ω and τ and Gaussian inputs. The measured lines are from networks "
    "with this setting and Gaussian inputs of the start's mean and variance: each unit's mean and "
    "variance over the batch, averaged over the units of a layer. Every unit has its own ω and τ"
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
| attracting, repelling | nearby points approach it with every layer, or move away |
| eigenvalue | factor by which a layer multiplies a small deviation, in the long run |
| singular value | the most by which a layer stretches a deviation; always below 1: a contraction |
| σ_w, σ_b | standard deviations of weights (times √fan_in) and biases |
| q | length: mean square of the pre-activations of a layer |
| χ₁ | factor per layer of the squared gradient, and of a small squared distance |

Terms as in [Klambauer et al. (2017)](https://arxiv.org/abs/1706.02515); for the mean field, as in
[Schoenholz et al. (2017)](https://arxiv.org/abs/1611.01232).
"""


def settles(seen: Seen) -> str:
    """Returns how fast the map settles, and where the orbit goes."""
    found, limit = seen.found, seen.limit
    parts = [point.contraction for point in found.points if point.kind == "attracting"]
    if isinstance(limit, NoFixedPoint):
        parts.append(plain(limit.reason))
    elif limit is not None:
        parts.append(
            f"The orbit ends at {words_of((limit.mean, limit.variance))}; there the largest "
            f"singular value is {amount(limit.spectral_norm, 3)}, and the eigenvalues are "
            f"{' and '.join(_value(complex(v)) for v in limit.eigenvalues)}."
        )
    return " ".join(parts)


def _value(v: complex) -> str:
    """A number with three digits; rounding errors are 0."""
    real, imaginary = (part if abs(part) > 1e-12 else 0.0 for part in (v.real, v.imag))
    if not imaginary:
        return amount(real, 3)
    return f"{amount(real, 3)} {'+' if imaginary > 0 else '−'} {amount(abs(imaginary), 3)}i"


def shape(asked: Asked) -> str:
    """Returns which shares of the pre-activations are stretched, and cut."""
    mean, variance = asked.incoming
    t = np.linspace(-6.0, 6.0, 2001)
    weight = np.exp(-0.5 * t * t) / np.exp(-0.5 * t * t).sum()
    slope = asked.act.derivative(torch.from_numpy(mean + variance**0.5 * t)).abs().numpy()
    stretched, cut = (float(weight[part].sum()) for part in (slope > 1.0, slope < 0.5))
    return (
        f"Of the pre-activations, {percent(stretched)} meet a slope above 1 and are stretched; "
        f"{percent(cut)} meet a slope below 0.5 and are mostly cut off."
    )


def alt(asked: Asked, seen: Seen) -> str:
    """Returns the figure's main numbers as a text."""
    mean, variance = seen.predicted
    last = int(np.flatnonzero(np.isfinite(variance))[-1])
    begun, now = ((float(mean[at]), float(variance[at])) for at in (0, last))
    return (
        f"Moment map at omega {amount(asked.omega)}, tau {amount(asked.tau)}. "
        f"{seen.found.reason} From {words_of(begun)} the orbit reaches {words_of(now)} after "
        f"{count(last, 'layer')}. {asked.act.label} and its slope. {shape(asked)}"
    )


def caption(asked: Asked) -> str:
    """Returns a line that says what the figure shows."""
    mean, variance = asked.start
    return (
        f"{asked.act.label}, ω {amount(asked.omega)}, τ {amount(asked.tau)}; orbit from mean "
        f"{amount(mean)}, variance {amount(variance)}"
    )
