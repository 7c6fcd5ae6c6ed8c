"""Activations made to order: those that keep a wanted mean and variance.

Notation of the bodies: f = scale (R + alpha Q) with R = max(z, 0) and Q = e^z - 1 for z < 0, else
0, so that R Q = 0; r1, r2, q1, q2 are E R, E R^2, E Q, E Q^2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch

from snn_core.activations import Activation, activation, gaussian_moments
from snn_core.activations.closed_forms import piecewise_exponential_moments
from snn_core.activations.exponential import selu
from snn_core.activations.rectifier import relu
from snn_core.tables import number
from snn_core.theory.moments.fixed_points import (
    HUGE,
    TINY,
    FixedPoint,
    NoFixedPoint,
    describe,
    fixed_point,
)
from snn_core.wording import amount

__all__ = [
    "AlphaDropout",
    "Design",
    "alpha_dropout_constants",
    "design",
    "solve_selu",
]


class AlphaDropout(NamedTuple):
    """Dropout h -> a (mask h + (1 - mask) alpha_prime) + b that keeps mean and variance of h.

    ``alpha_prime`` is where dropped units go; ``keep`` the probability that a unit is kept.
    """

    a: float
    b: float
    alpha_prime: float
    keep: float


@dataclass(frozen=True)
class Design:
    """A SELU whose moment map keeps a wanted mean and variance.

    Attributes:
        mean, variance: What is kept.
        omega, tau: Sum and sum of squares of a unit's weights for which it is kept.
        alpha, scale: The SELU's parameters.
        activation: The SELU itself.
        point: The fixed point there: it may be repelling, and is then never reached.
        verdict: Whether it attracts, in one sentence.
        dropout: The constants of alpha dropout that go with it.
    """

    mean: float
    variance: float
    omega: float
    tau: float
    alpha: float
    scale: float
    activation: Activation
    point: FixedPoint
    verdict: str
    dropout: AlphaDropout


_LEFT = Activation(
    name="left",
    label="left half",
    formula="e^z - 1 for z < 0, else 0",
    fn=lambda z: torch.expm1(z.clamp(max=0.0)),
    derivative=lambda z: torch.where(z < 0.0, z.clamp(max=0.0).exp(), torch.zeros_like(z)),
    citation="Klambauer et al. 2017",
    kinks=(0.0,),
    moments=partial(piecewise_exponential_moments, 0.0, 1.0, 1.0, 0.0),
)


def solve_selu(
    mean: float = 0.0, variance: float = 1.0, omega: float = 0.0, tau: float = 1.0
) -> tuple[float, float]:
    """Returns (alpha, scale) of the SELU that maps mean and variance to themselves.

    E f = mean and E f^2 = variance + mean^2 for z ~ N(mean omega, variance tau). Their ratio
    rho = E f / sqrt(E f^2) leaves a quadratic in alpha,
    (q1^2 - rho^2 q2) alpha^2 + 2 r1 q1 alpha + r1^2 - rho^2 r2 = 0, and falls in alpha from ReLU's
    (alpha = 0) to that of Q alone; so for alpha >= 0 there is one solution or none. (A negative
    alpha, a function that rises to the left, is no SELU.) At omega = 0, tau = 1 this is the
    equation of Klambauer et al. 2017 (arXiv:1706.02515, eq. 14); whether the fixed point attracts
    is another question, which `design` answers.

    >>> solve_selu()
    (1.6732632423543..., 1.0507009873554...)

    Raises:
        ValueError: There is no such SELU, or a number is out of its range.
    """
    mean = number("mean", mean, -1e3, 1e3)
    variance = number("variance", variance, TINY, HUGE)
    omega = number("omega", omega, -1e3, 1e3)
    tau = number("tau", tau, 1e-6, 1e6)
    right = gaussian_moments(relu(), mean * omega, variance * tau)
    left = gaussian_moments(_LEFT, mean * omega, variance * tau)
    r1, r2, q1, q2 = (float(x) for m in (right, left) for x in (m.mean, m.second_moment))
    power = variance + mean * mean
    rho = mean / math.sqrt(power)
    if min(r2, q2) < 1e-250:
        side = "right" if q2 < r2 else "left"
        raise ValueError(
            f"A pre-activation of mean {amount(mean * omega)} and variance "
            f"{amount(variance * tau)} is all but always {side} of 0, so alpha and scale can't be "
            "told from its moments. Take a smaller mean or omega."
        )
    low, high = q1 / math.sqrt(q2), r1 / math.sqrt(r2)
    if not low < rho <= high:
        where, how = ("high", "largest") if rho > high else ("low", "smallest")
        edge = (high if rho > high else low) * math.sqrt(variance)
        edge /= math.sqrt(1.0 - min((high if rho > high else low) ** 2, 1.0 - 1e-15))
        raise ValueError(
            f"No SELU keeps mean {amount(mean)} and variance {amount(variance)} at omega "
            f"{amount(omega)}, tau {amount(tau)}: the mean is too {where}. For this "
            f"pre-activation and variance the {how} is {amount(edge)} "
            f"({'alpha = 0, ReLU' if rho > high else 'alpha to infinity'})."
        )
    # b^2 - 4 a c of the quadratic, without its cancellation for a small rho.
    root = math.sqrt(q1 * q1 * r2 + r1 * r1 * q2 - rho * rho * r2 * q2)
    sum_ = -r1 * q1 + abs(rho) * root
    alpha = (r1 * r1 - rho * rho * r2) / sum_ if rho > 0 else sum_ / (q1 * q1 - rho * rho * q2)
    alpha = max(alpha, 0.0)
    return alpha, math.sqrt(power / (r2 + alpha * alpha * q2))


def design(
    mean: float = 0.0,
    variance: float = 1.0,
    omega: float = 0.0,
    tau: float = 1.0,
    keep: float = 0.95,
) -> Design:
    """Returns the SELU that keeps mean and variance, and whether it draws the moments there.

    >>> design(-0.1, 2.0, omega=1.0, tau=1.0).verdict
    'Repels: each layer multiplies a small deviation by 1.108, so a deep network ...'

    Args:
        mean, variance: The wanted fixed point.
        omega, tau: Sum and sum of squares of a unit's incoming weights.
        keep: Probability that alpha dropout keeps a unit.

    Raises:
        ValueError: There is no such SELU, or a number is out of its range.
    """
    alpha, scale = solve_selu(mean, variance, omega, tau)
    target = (float(mean), float(variance))
    act = selu(alpha, scale)
    point = describe(act, float(omega), float(tau), target)
    size = amount(float(abs(point.eigenvalues[0])))
    verdict = {
        "attracting": f"Attracts: each layer multiplies a small deviation by {size}.",
        "repelling": f"Repels: each layer multiplies a small deviation by {size}, so a deep "
        "network does not stay there.",
        "neutral": "Neither attracts nor repels: a small deviation keeps its size.",
    }[point.kind]
    dropout = alpha_dropout_constants((alpha, scale, *target), keep)
    return Design(*target, float(omega), float(tau), alpha, scale, act, point, verdict, dropout)


def alpha_dropout_constants(
    target: str | Activation | tuple[float, float, float, float], keep: float = 0.95
) -> AlphaDropout:
    """Returns the constants of alpha dropout that leave mean and variance as they are.

    With nu and mu the variance and mean of h, d = 1 - keep and alpha' its limit on the left:
    a = sqrt(nu / (keep (d (alpha' - mu)^2 + nu))), b = mu - a (keep mu + d alpha')
    (Klambauer et al. 2017, arXiv:1706.02515, section 3 for mean 0 and variance 1).

    >>> round(alpha_dropout_constants("selu", keep=0.9).alpha_prime, 6)
    -1.758099

    Args:
        target: (alpha, scale, mean, variance) of a SELU and its fixed point; or an activation,
            whose fixed point at omega = 0, tau = 1 is taken.
        keep: Probability that a unit is kept, in (0, 1].

    Raises:
        ValueError: The activation has no limit on the left or no fixed point, or a number is out
            of its range.
    """
    keep = number("keep", keep, 1e-6, 1.0)
    if isinstance(target, tuple):
        alpha, scale, mean, variance = target
        low = -number("alpha", alpha, 0.0, 1e12) * number("scale", scale, 0.0, 1e12)
    else:
        act = activation(target)
        if act.saturation is None:
            raise ValueError(
                f"{act.label} has no finite limit on the left, where alpha dropout sends units."
            )
        found = fixed_point(act)
        if isinstance(found, NoFixedPoint):
            raise ValueError(
                f"{act.label}: alpha dropout keeps the mean and variance of a fixed point. "
                f"{found.reason}"
            )
        low, mean, variance = act.saturation, found.mean, found.variance
    mean = number("mean", mean, -1e6, 1e6)
    variance = number("variance", variance, TINY, HUGE)
    drop = 1.0 - keep
    a = math.sqrt(variance / (keep * (drop * (low - mean) ** 2 + variance)))
    return AlphaDropout(a, mean - a * (keep * mean + drop * low), low, keep)
