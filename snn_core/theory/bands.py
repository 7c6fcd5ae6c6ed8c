"""Finite width: how far the measured mean and variance stray from one draw to the next.

Notation of the bodies: P_ab = mean over units of h_a h_b for samples a, b; G = A P + sigma_b^2
is the covariance of the next layer's z, q = G_aa, c = G_ab / q. Given P, the units are
independent draws, so P' scatters by 1/n about a function of P; everything here is the linear
response to that scatter, kept to order 1/n (as in Hanin, Nica 2019, arXiv:1909.05989, and Roberts,
Yaida, Hanin 2021, arXiv:2106.10165, chapter 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snn_core.activations import Activation, gaussian_moments
from snn_core.theory.hermite import coefficients, powers_of

__all__ = ["LayerWidth", "PairScatter", "bands", "input_scatter"]


@dataclass(frozen=True)
class LayerWidth:
    """One dense layer, to the finite-width theory.

    Attributes:
        mean, variance: Of z.
        spread: A of its rows, the factor from P to the variance of z.
        bias_variance: The part of the variance that is the bias's.
        units: Its outputs.
        removed: The part of the variance that all units share with a minus sign, where the layer
            as a whole is centralized: it can't scatter the average over units.
    """

    mean: float
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
        return float(np.sqrt(max(m, 0.0))), float(np.sqrt(max(variance, 0.0)))


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
    act: Activation, start: PairScatter, layers: tuple[LayerWidth, ...]
) -> tuple[PairScatter, ...]:
    """Returns the scatter at the input and after every layer, ``depth + 1``."""
    means = np.array([layer.mean for layer in layers])
    variances = np.array([layer.variance for layer in layers])
    jacobian = gaussian_moments(act, means, variances).jacobian
    series = coefficients(act, means, variances, powers=4)
    found = [start]
    for index, layer in enumerate(layers):
        by_mean, by_variance = jacobian[index, :, 1]
        slope = by_variance + 2.0 * series[0, index, 0] * by_mean
        f, square, cube, fourth = series[:, index]
        local = _Local(f, square, cube, float(fourth[0]), slope, by_mean)
        found.append(_through(layer, local, found[-1]))
    return tuple(found)


@dataclass(frozen=True)
class _Local:
    """Hermite coefficients of f, f^2, f^3; E f^4; d E f^2/dq and d E f/dq, at one layer."""

    f: np.ndarray
    square: np.ndarray
    cube: np.ndarray
    fourth: float
    slope: np.float64  # whose square overflows to infinity, where a float's raises
    mean_slope: np.float64


def _through(layer: LayerWidth, local: _Local, before: PairScatter) -> PairScatter:
    """Returns the scatter after a layer, given the one before."""
    a, b, d = local.f, local.square, local.cube
    q, n, f1, f2 = layer.variance, layer.units, a[0], b[0]
    if q <= 0.0:
        return PairScatter(float(f1 * f1), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    c = float(np.clip((layer.spread * before.product + layer.bias_variance) / q, -1.0, 1.0))
    powers = powers_of(c)
    # How far c itself strays: to second order it moves the expectations of products.
    strays = before.cross - 2.0 * c * before.mixed + 0.5 * c * c * (before.same + before.other)
    stray = max(strays, 0.0) * (layer.spread / q) ** 2

    def expected(g: np.ndarray, h: np.ndarray) -> np.float64:
        return (g * h) @ (powers[0] + 0.5 * stray * powers[2])

    own = layer.spread * local.slope
    mean_own = layer.spread * local.mean_slope
    pair, pair_own = _pair_response(a, c, q, powers, layer.spread)
    product = expected(a, a)
    both = before.same + before.other
    # What a shift of all z by one amount does to E f, E f^2 and E f_a f_b, times its size.
    k = np.arange(1.0, a.size)
    shifts = np.array([a[1], b[1], 2.0 * float((np.sqrt(k) * a[:-1] * a[1:]) @ powers[0][:-1])])
    m, m2, p = shifts * np.sqrt(layer.removed / q)
    return PairScatter(
        product=product,
        same=own**2 * before.same + (local.fourth - f2 * f2 - m2 * m2) / n,
        other=own**2 * before.other + (expected(b, b) - f2 * f2 - m2 * m2) / n,
        mixed=own * (pair_own * both + pair * before.mixed)
        + (expected(d, a) - f2 * product - m2 * p) / n,
        cross=2.0 * pair_own**2 * both
        + 4.0 * pair_own * pair * before.mixed
        + pair**2 * before.cross
        + (expected(b, b) - product**2 - p * p) / n,
        mean_same=mean_own**2 * before.same + (f2 - f1 * f1 - m * m) / n,
        mean_other=mean_own**2 * before.other + (product - f1 * f1 - m * m) / n,
        joint_same=own * mean_own * before.same + (d[0] - f2 * f1 - m * m2) / n,
        joint_other=own * mean_own * before.other + (expected(a, b) - f2 * f1 - m * m2) / n,
    )


def _pair_response(
    a: np.ndarray, c: float, q: float, powers: np.ndarray, spread: float
) -> tuple[np.float64, np.float64]:
    """Returns the derivatives of E f(z_a) f(z_b) with respect to P_ab and to P_aa.

    At fixed c, 2 q da_k/dq = k a_k + sqrt((k + 1)(k + 2)) a_{k+2}; a change of G_aa at fixed G_ab
    also lowers c.
    """
    k = np.arange(a.size - 2)
    by_q = a[:-2] * (k * a[:-2] + np.sqrt((k + 1.0) * (k + 2.0)) * a[2:]) / q
    by_c = (a * a) @ powers[1]
    by_own = 0.5 * (by_q @ powers[0][:-2] - c / q * by_c)
    return spread * by_c / q, spread * by_own
