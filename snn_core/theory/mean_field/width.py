"""Finite width: how far the measured mean and variance stray from one draw to the next.

Notation of the bodies: P_ab = mean over units of h_a h_b for samples a, b; G = A P + sigma_b^2
is the covariance of the next layer's z, q = G_aa, c = G_ab / q. Given P, the units are
independent draws, so P' scatters by 1/n about a function of P; everything here is the linear
response to that scatter, kept to order 1/n (as in Hanin, Nica 2019, arXiv:1909.05989, and Roberts,
Yaida, Hanin 2021, arXiv:2106.10165, chapter 4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from snn_core.activations import Activation
from snn_core.theory.mean_field.hermite import ORDERS, coefficients, powers_of
from snn_core.theory.mean_field.interpolation import moments_along

__all__ = ["LayerWidth", "PairScatter", "bands", "input_scatter"]


@dataclass(frozen=True)
class LayerWidth:
    """One dense layer, to the finite-width theory.

    Attributes:
        variance: Of z.
        spread: A of its rows, the factor from P to the variance of z.
        bias_variance: The part of the variance that is the bias's.
        units: Its outputs.
        removed: The part of the variance that all units share with a minus sign, where the layer
            as a whole is centralized: it can't scatter the average over units.
    """

    variance: float
    spread: float
    bias_variance: float
    units: int
    removed: float = 0.0


@dataclass(frozen=True)
class PairScatter:
    """Covariances, over draws, of the statistics of an average pair of samples a, b.

    Attributes:
        product: Expected P_ab.
        same: Var P_aa.
        other: Cov(P_aa, P_bb).
        mixed: Cov(P_aa, P_ab).
        cross: Var P_ab.
        mean_same, mean_other: Cov(M_a, M_a) and Cov(M_a, M_b), M_a the mean over units.
        joint_same, joint_other: Cov(P_aa, M_a) and Cov(P_aa, M_b).
    """

    product: float
    same: float
    other: float
    mixed: float
    cross: float
    mean_same: float
    mean_other: float
    joint_same: float
    joint_other: float

    def pooled(self, batch: int, mean: float) -> tuple[float, float]:
        """Returns the standard deviations of the pooled mean and of the pooled variance.

        The variance is m2 - M^2 with m2, M the averages over the batch: Var(m2 - 2 mean M).
        """
        share = 1.0 / batch
        m = share * self.mean_same + (1.0 - share) * self.mean_other
        m2 = share * self.same + (1.0 - share) * self.other
        joint = share * self.joint_same + (1.0 - share) * self.joint_other
        variance = m2 - 4.0 * mean * joint + 4.0 * mean * mean * m + 2.0 * m * m
        return math.sqrt(max(m, 0.0)), math.sqrt(max(variance, 0.0))


def input_scatter(
    mean: float, variance: float, correlation: float, kurtosis: float, features: int
) -> PairScatter:
    """Returns the scatter of inputs x_aj of that law, independent and symmetric over features.

    Two samples are x = mean + sqrt(variance) g with Gaussian g of that correlation; for another
    kurtosis they are independent.
    """
    m, v, r, n = mean, variance, correlation, features
    squared = 4.0 * m * m * v
    return PairScatter(
        product=m * m + r * v,
        same=((kurtosis - 1.0) * v * v + squared) / n,
        other=(2.0 * r * r * v * v + r * squared) / n,
        mixed=(2.0 * r * v * v + 0.5 * (1.0 + r) * squared) / n,
        cross=(v * v * (1.0 + r * r) + 0.5 * (1.0 + r) * squared) / n,
        mean_same=v / n,
        mean_other=r * v / n,
        joint_same=2.0 * m * v / n,
        joint_other=2.0 * m * r * v / n,
    )


@np.errstate(all="ignore")  # what overflows, of an activation that grows fast, is NaN here
def bands(
    act: Activation, bias: float, start: PairScatter, layers: tuple[LayerWidth, ...]
) -> tuple[PairScatter, ...]:
    """Returns the scatter at the input and after every layer, ``depth + 1``."""
    variances = np.array([layer.variance for layer in layers])
    variances, where = np.unique(variances, return_inverse=True)  # in a settled network few
    local = _locals(act, bias, variances)
    found = [start]
    for layer, at in zip(layers, where, strict=True):
        found.append(_through(layer, local[at], found[-1]))
    return tuple(found)


@dataclass(frozen=True)
class _Local:
    """What the activation does at one layer, in Hermite coefficients.

    Attributes:
        f, square, cube: Those of orders 0 and 1 of f, f^2 and f^3.
        fourth: E f^4.
        slope, mean_slope: d E f^2/dq and d E f/dq.
        series: ``(6, ORDERS)``, the coefficients by c of E f_a f_b, E f_a^2 f_b^2, E f_a^3 f_b,
            E f_a f_b^2, of half the slope of E f_a f_b by a shift of all z, times the deviation of
            z, and of its slope by q at fixed c, times q.
    """

    f: tuple[float, float]
    square: tuple[float, float]
    cube: tuple[float, float]
    fourth: float
    slope: float
    mean_slope: float
    series: np.ndarray


def _locals(act: Activation, mean: float, variance: np.ndarray) -> list[_Local]:
    """Returns the activation's part at every variance of z ``(points,)``."""
    coefficient = coefficients(act, np.full_like(variance, mean), variance, powers=4)
    a, b, d = coefficient[:3]
    k = np.arange(ORDERS)
    series = np.zeros((6, variance.size, ORDERS))
    series[:4] = a * a, b * b, d * a, a * b
    series[4, :, :-1] = np.sqrt(k[1:]) * a[:, :-1] * a[:, 1:]
    # At fixed c, 2 q da_k/dq = k a_k + sqrt((k + 1)(k + 2)) a_{k+2}.
    series[5] = k * a * a
    series[5, :, :-2] += np.sqrt(k[1:-1] * k[2:]) * a[:, 2:] * a[:, :-2]
    series[5, :, -2:] = 0.0
    first = np.moveaxis(coefficient[..., :2], 0, 1).tolist()
    found, slopes = [], moments_along(act, mean, variance).jacobian[:, :, 1].tolist()
    for index, (by_mean, by_variance) in enumerate(slopes):
        f, square, cube, fourth = first[index]
        slope = by_variance + 2.0 * f[0] * by_mean
        found.append(_Local(f, square, cube, fourth[0], slope, by_mean, series[:, index]))
    return found


def _through(layer: LayerWidth, local: _Local, before: PairScatter) -> PairScatter:
    """Returns the scatter after a layer, given the one before; products overflow to infinity."""
    q, n = layer.variance, layer.units
    (f1, a1), (f2, b1), (f3, _) = local.f, local.square, local.cube
    if q <= 0.0:
        return PairScatter(f1 * f1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    gain = layer.spread / q
    c = (layer.spread * before.product + layer.bias_variance) / q
    c = min(max(c, -1.0), 1.0)
    # How far c itself strays: to second order it moves the expectations of products.
    strays = before.cross - 2.0 * c * before.mixed + 0.5 * c * c * (before.same + before.other)
    stray = max(strays, 0.0) * gain * gain
    values, slopes, bends = (powers_of(c) @ local.series.T).tolist()
    product, squares, third, joint = (
        value + 0.5 * stray * bend for value, bend in zip(values[:4], bends[:4], strict=True)
    )
    own, mean_own = layer.spread * local.slope, layer.spread * local.mean_slope
    # Of E f_a f_b by P_ab and by P_aa: a change of G_aa at fixed G_ab also lowers c.
    pair, pair_own = gain * slopes[0], 0.5 * gain * (values[5] - c * slopes[0])
    both = before.same + before.other
    # What a shift of all z by one amount does to E f, E f^2 and E f_a f_b, times its size.
    shift = math.sqrt(max(layer.removed / q, 0.0))
    m, m2, p = a1 * shift, b1 * shift, 2.0 * values[4] * shift
    return PairScatter(
        product=product,
        same=own * own * before.same + (local.fourth - f2 * f2 - m2 * m2) / n,
        other=own * own * before.other + (squares - f2 * f2 - m2 * m2) / n,
        mixed=own * (pair_own * both + pair * before.mixed) + (third - f2 * product - m2 * p) / n,
        cross=2.0 * pair_own * pair_own * both
        + 4.0 * pair_own * pair * before.mixed
        + pair * pair * before.cross
        + (squares - product * product - p * p) / n,
        mean_same=mean_own * mean_own * before.same + (f2 - f1 * f1 - m * m) / n,
        mean_other=mean_own * mean_own * before.other + (product - f1 * f1 - m * m) / n,
        joint_same=own * mean_own * before.same + (f3 - f2 * f1 - m * m2) / n,
        joint_other=own * mean_own * before.other + (joint - f2 * f1 - m * m2) / n,
    )
