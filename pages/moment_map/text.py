"""Sentences of the moment map's page."""

from __future__ import annotations

import numpy as np

from pages.ui.text import plain
from snn_core.activations import Activation
from snn_core.theory.field import Orbit
from snn_core.theory.fixed_points import FixedPoint, NoFixedPoint
from snn_core.theory.search import FixedPoints
from snn_core.wording import amount, percent

__all__ = [
    "INTRODUCTION", "MEAN_FIELD", "MEASURED", "PLANE", "SHAPE", "SYMBOLS", "plane_alt",
    "settles", "shape", "shape_alt",
]  # fmt: skip

INTRODUCTION = (
    "One layer turns the mean and the variance of its inputs into those of its outputs. That is a "
    "map of a plane; a deep network is that map, again and again. Where it leads to one point "
    "from all around, the network is *self-normalizing*."
)
PLANE = (
    "Each line leaves its dot the way one layer takes it, shortened. The blue shade says in how "
    "many layers the map comes within 1 % of the fixed point: the stronger, the sooner; unshaded, "
    "not within 200. The green box is the mean and variance for which theorem 1 of the paper is "
    "stated. Click a point to start there; drag over the plane to draw a box "
    "of your own, and ask for a proof below."
)
SHAPE = (
    "Under the curves stands the distribution of what comes in. Where the slope is above 1, "
    "differences are stretched and the variance grows; where the curve is flat, they are cut and "
    "it falls. A network normalizes itself where too much variance reaches further into the flat "
    "part, and too little stays where the slope is above 1."
)
MEASURED = (
    "The map is drawn for **one** ω and τ and for Gaussian inputs. Measured are the setting's own "
    "networks, fed with Gaussian inputs of the start's mean and variance: for every unit its mean "
    "and its variance over the batch, then averaged over the layer's units. Each unit has an ω "
    "and a τ of its own"
)
MEAN_FIELD = (
    "The other view, mean field: not one unit with its own ω and τ, but all units of a wide layer "
    "at once, with weights drawn at random. **Length** q is then the mean square of the "
    "pre-activations, and χ₁ says how a small difference grows, and the squared gradient on its "
    "way back. Blue is order: inputs become alike and gradients vanish. Orange is chaos: small "
    "differences grow and gradients explode. On the dashed edge χ₁ = 1 both travel furthest; "
    "a **depth scale** is the number of layers in which what is left of a difference falls by e. "
    "Nothing is drawn where signals vanish or explode. These numbers are of the pooled kind and "
    "must not be compared with those of a single unit above."
)
SYMBOLS = """
| symbol | meaning |
|---|---|
| mean μ, variance ν | of the inputs of a layer, and of its outputs |
| omega ω, tau τ | sum of a unit's weights, sum of their squares |
| z | pre-activation; normal with mean ωμ and variance τν |
| fixed point | a mean and variance that a layer maps to themselves |
| attracting, repelling | points near it come nearer with every layer; leave it |
| eigenvalue | by what a small deviation is multiplied in one layer, in the long run |
| singular value | the most one layer stretches a deviation; below 1 everywhere: a contraction |
| σ_w, σ_b | standard deviations of weights (times √fan_in) and biases |
| q | length: mean square of the pre-activations of a layer |
| χ₁ | factor per layer of the squared gradient, and of a small squared distance |

The words are those of [Klambauer et al. (2017)](https://arxiv.org/abs/1706.02515); for the mean
field, of [Schoenholz et al. (2017)](https://arxiv.org/abs/1611.01232).
"""


def settles(found: FixedPoints, limit: FixedPoint | NoFixedPoint | None) -> str:
    """Returns what the map does, in bold its fixed points; then where the orbit goes."""
    parts = [f"**{plain(found.reason)}**"]
    parts += [point.contraction for point in found.points if point.kind == "attracting"]
    if isinstance(limit, NoFixedPoint):
        parts.append(f"The orbit: {plain(limit.reason)}")
    elif limit is not None:
        parts.append(
            f"The orbit ends at mean {amount(_clean(limit))} and variance "
            f"{amount(limit.variance)}; there the largest singular value is "
            f"{limit.spectral_norm:.3f}, the eigenvalues {_listed(limit.eigenvalues)}."
        )
    return " ".join(parts)


def _clean(point: FixedPoint) -> float:
    return 0.0 if point.mean**2 < 1e-20 * point.variance else point.mean


def _listed(values: np.ndarray) -> str:
    whole = [f"{v.real:.3f}" if abs(v.imag) < 1e-12 else f"{v:.3f}" for v in values]
    return " and ".join(text.replace("-0.000", "0.000") for text in whole)


def shape(act: Activation, mean: float, variance: float) -> str:
    """Returns what part of what comes in is stretched, and what is cut."""
    stretched, cut = _shares(act, mean, variance)
    return (
        f"Of what comes in, {percent(stretched)} meets a slope above 1 and is stretched, "
        f"{percent(cut)} one below one half and is mostly cut off."
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
        f"Moment map at omega {omega:g}, tau {tau:g}. {found.reason} From mean "
        f"{predicted.mean[0]:g} and variance {predicted.variance[0]:g} the orbit is after {last} "
        f"layers at mean {amount(float(predicted.mean[last]))}, variance "
        f"{amount(float(predicted.variance[last]))}."
    )


def shape_alt(act: Activation, mean: float, variance: float) -> str:
    """Returns the activation's graph as a text."""
    return f"{act.label} and its slope. {shape(act, mean, variance)}"
