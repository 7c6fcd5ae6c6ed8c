"""Closed-form Gaussian moments, written so that they neither overflow nor cancel.

Notation: z = m + s t ~ N(m, v), s = sqrt(v), t ~ N(0, 1); Phi and phi are the standard normal
distribution and density. Every function returns a NaN variance where it would lose digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import erf, erfc, erfcx, ndtr, owens_t

from snn_core.gaussian import SMALL_VARIANCE, GaussianMoments, moments_from_expectations

__all__ = [
    "erf_moments",
    "gelu_moments",
    "identity_moments",
    "piecewise_exponential_moments",
    "piecewise_polynomial_moments",
    "sine_moments",
]

Array = np.ndarray


def _phi(x: Array) -> Array:
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _exponential_tail(k: float, m: Array, v: Array, s: Array) -> Array:
    """E[e^(k z); z < 0] by erfcx or erfc, whichever does not overflow."""
    x = (m + k * v) / (math.sqrt(2) * s)
    right = x >= 0
    exponent = np.where(right, -0.5 * (m / s) ** 2, k * m + 0.5 * k * k * v)
    return 0.5 * np.exp(exponent) * np.where(right, erfcx(np.abs(x)), erfc(np.minimum(x, 0.0)))


@np.errstate(all="ignore")
def piecewise_exponential_moments(
    a: float, b: float, c: float, d: float, mean: Array, variance: Array
) -> GaussianMoments:
    """Returns the moments of f = a z for z >= 0, b (e^(c z) - 1) + d z for z < 0, with c > 0.

    SELU is a = scale, b = scale alpha, c = 1, d = 0 (Klambauer et al. 2017, where
    e^(2 m + 2 v) erfc(...) overflows from variance 355 on; here it is an erfcx).
    """
    m, v = mean, variance
    s = np.sqrt(v)
    x = m / s
    p0, n0, p = ndtr(x), ndtr(-x), _phi(x)
    p1, n1 = m * p0 + s * p, m * n0 - s * p
    p2, n2 = (m * m + v) * p0 + m * s * p, (m * m + v) * n0 - m * s * p
    e1, e2 = _exponential_tail(c, m, v, s), _exponential_tail(2 * c, m, v, s)
    z1 = (m + c * v) * e1 - s * p  # E[z e^(c z); z < 0]
    bc = b * c
    first = a * p1 + b * (e1 - n0) + d * n1
    second = a * a * p2 + b * b * (e2 - 2 * e1 + n0) + 2 * b * d * (z1 - n1) + d * d * n2
    slope = a * p0 + bc * e1 + d * n0
    slope2 = a * a * p0 + bc * bc * e2 + 2 * bc * d * e1 + d * d * n0
    curvature = (a - bc - d) * p / s + bc * c * e1
    f_slope = a * a * p1 + b * bc * (e2 - e1) + b * d * (e1 - n0) + bc * d * z1 + d * d * n1
    f_curvature = bc * bc * (e2 - e1) + bc * c * d * z1
    return moments_from_expectations(
        first, second, slope, slope2, curvature, (2 * f_slope, slope2 + f_curvature),
        precise=v * min(1.0, c * c) >= SMALL_VARIANCE,
    )  # fmt: skip


def _product(left: Sequence[Array], right: Sequence[Array]) -> list[Array]:
    """Coefficients of the product of two polynomials, constant first."""
    result = [left[0] * b for b in right]
    for i, a in enumerate(left[1:], 1):
        for j, b in enumerate(right[:-1]):
            result[i + j] = result[i + j] + a * b
        result.append(a * right[-1])
    return result


def _truncated_powers(low: Array, high: Array, count: int) -> list[Array]:
    """E[t^j; low < t < high] for j < count, by I_j = (j-1) I_(j-2) + [x^(j-1) phi(x)]."""
    flip = np.where(low + high > 0, -1.0, 1.0)  # in the left tail Phi keeps its digits
    mass = flip * (ndtr(flip * high) - ndtr(flip * low))
    powers, left, right = [mass], _phi(low), _phi(high)
    for j in range(1, count):
        edge = left - right
        powers.append(edge if j == 1 else (j - 1) * powers[j - 2] + edge)
        left, right = left * low, right * high
    return powers


@np.errstate(all="ignore")
def piecewise_polynomial_moments(
    cuts: Sequence[float], pieces: Sequence[Sequence[float]], mean: Array, variance: Array
) -> GaussianMoments:
    """Returns the moments of a continuous f of polynomial pieces, by truncated moments of t.

    Args:
        cuts: Where one piece ends and the next begins, increasing.
        pieces: Coefficients of each piece, constant first, quadratic at most, from left to
            right; one more than there are cuts.
        mean, variance: Of z, arrays of one shape.
    """
    m, v = mean, variance
    s = np.sqrt(v)
    ends = np.clip([(k - m) / s for k in (-np.inf, *cuts, np.inf)], -40.0, 40.0)  # phi(40) is 0
    # E f, E f^2, E f', E f'^2, E f f', E f' t, E f f' t; by Stein's identity E f'' = E[f' t]/s.
    totals = [np.zeros(m.shape) for _ in range(7)]
    for piece, low, high in zip(pieces, ends, ends[1:], strict=False):
        if not any(piece):
            continue
        c0, c1, c2 = (*piece, 0.0, 0.0)[:3]
        powers = _truncated_powers(low, high, 2 * len(piece) - 1)
        f = [c0 + m * (c1 + m * c2), (c1 + 2 * c2 * m) * s, c2 * v][: len(piece)]
        slope = [c1 + 2 * c2 * m, 2 * c2 * s][: len(piece) - 1]
        integrands = [f, _product(f, f)]
        if slope:
            integrands += [slope, _product(slope, slope), _product(f, slope)]
        for index, coefficients in enumerate(integrands):
            for j, coefficient in enumerate(coefficients):
                totals[index] = totals[index] + coefficient * powers[j]
                if index in (2, 4):
                    totals[5 + index // 4] += coefficient * powers[j + 1]
    first, second, slope1, slope2, f_slope, slope_t, f_slope_t = totals
    # Where s dwarfs the bounded pieces, their mass cancels against their edges.
    width = cuts[-1] - cuts[0]
    return moments_from_expectations(
        first, second, slope1, slope2, slope_t / s, (2 * f_slope, f_slope_t / s),
        precise=(v >= SMALL_VARIANCE) & (v <= 250 * width**2),
    )  # fmt: skip


@np.errstate(all="ignore")
def erf_moments(mean: Array, variance: Array) -> GaussianMoments:
    """Returns the moments of erf(z) (Williams 1997), with Owen's T for the second moment."""
    m, v = mean, variance
    r, a = 1 / np.sqrt(1 + 2 * v), 1 / np.sqrt(1 + 4 * v)
    h = math.sqrt(2) * m * r
    slope = 2 / math.sqrt(math.pi) * r * np.exp(-0.5 * h * h)
    second = 1 - 8 * owens_t(h, a)
    t_h = -_phi(h) * (ndtr(a * h) - 0.5)
    t_a = np.exp(-0.5 * h * h * (1 + a * a)) / (2 * math.pi * (1 + a * a))
    second_m = -8 * t_h * math.sqrt(2) * r
    second_v = 8 * (t_h * h * r * r + t_a * 2 * a**3)
    slope2 = 4 / math.pi * a * np.exp(-2 * m * m * a * a)
    return moments_from_expectations(
        erf(m * r), second, slope, slope2, -2 * m * r * r * slope, (second_m, second_v),
        precise=v >= SMALL_VARIANCE,
    )  # fmt: skip


def _squared_cdf(m: Array, v: Array) -> list[Array]:
    """B = E Phi(z)^2 and its first four derivatives by m.

    B = Phi(h) - 2 T(h, 1/sqrt(1+2v)), h = m/sqrt(1+v), and B' = 2 u(m) w(m) with
    u = phi(h)/sqrt(1+v), w = Phi(k m); the higher ones by the product rule.
    """
    q2 = 1 + v
    h, k = m / np.sqrt(q2), 1 / np.sqrt(q2 * (1 + 2 * v))
    u0 = _phi(h) / np.sqrt(q2)
    x = m / q2
    u1, u2, u3 = -x * u0, (x * x - 1 / q2) * u0, (3 * x / q2 - x**3) * u0
    w0, w1 = ndtr(k * m), k * _phi(k * m)
    w2, w3 = -k * k * m * w1, (k**4 * m * m - k * k) * w1
    return [
        ndtr(h) - 2 * owens_t(h, 1 / np.sqrt(1 + 2 * v)),
        2 * u0 * w0,
        2 * (u1 * w0 + u0 * w1),
        2 * (u2 * w0 + 2 * u1 * w1 + u0 * w2),
        2 * (u3 * w0 + 3 * u2 * w1 + 3 * u1 * w2 + u0 * w3),
    ]


@np.errstate(all="ignore")
def gelu_moments(mean: Array, variance: Array) -> GaussianMoments:
    """Returns the moments of z Phi(z), with Owen's T.

    E[z^2 G(z)] = (m^2 + v) B + 2 m v B' + v^2 B'' for G = Phi^2 and B = E G, by Stein's identity.
    """
    m, v = mean, variance
    q = np.sqrt(1 + v)
    h = m / q
    p = _phi(h)
    first = m * ndtr(h) + v / q * p
    slope = ndtr(h) + m * p / q**3
    curvature = p / q * (1 + 1 / q**2 - h * h / q**2)
    b0, b1, b2, b3, b4 = _squared_cdf(m, v)
    square = m * m + v
    second = square * b0 + 2 * m * v * b1 + v * v * b2
    second_m = 2 * (m * b0 + v * b1) + square * b1 + 2 * m * v * b2 + v * v * b3
    bend = square * b2 + 2 * m * v * b3 + v * v * b4
    second_v = b0 + 2 * (m * b1 + v * b2) + 0.5 * bend
    # E f'^2 = E Phi^2 + 2 E z Phi phi + E z^2 phi^2: a density times a normal is a normal.
    mean2, var2 = m / (1 + v), v / (1 + v)
    r = np.sqrt(1 + var2)
    cross = p / q * (mean2 * ndtr(mean2 / r) + var2 / r * _phi(mean2 / r))
    wide = 1 + 2 * v
    tail = np.exp(-m * m / wide) / np.sqrt(wide) / (2 * math.pi) * ((m / wide) ** 2 + v / wide)
    return moments_from_expectations(
        first, second, slope, b0 + 2 * cross + tail, curvature, (second_m, second_v),
        precise=(v >= SMALL_VARIANCE) & (h > -3),  # beyond, Phi and 2 T nearly cancel
    )  # fmt: skip


def sine_moments(omega_0: float, mean: Array, variance: Array) -> GaussianMoments:
    """Returns the moments of sin(omega_0 z); exact at every variance, so never NaN.

    E sin = e^(-v/2) sin m and Var sin = (1 - e^-v) ((1 - e^-v)/2 + e^-v cos^2 m) at omega_0 = 1.
    """
    m, v = omega_0 * mean, omega_0**2 * variance
    half, full, loss = np.exp(-0.5 * v), np.exp(-v), -np.expm1(-v)
    sine, cosine = np.sin(m), np.cos(m)
    first, slope = half * sine, half * cosine
    spread = loss * (0.5 * loss + full * cosine**2)
    jacobian = np.empty((*m.shape, 2, 2))
    jacobian[..., 0, 0] = omega_0 * slope
    jacobian[..., 0, 1] = -0.5 * omega_0**2 * first
    jacobian[..., 1, 0] = -2 * omega_0 * full * loss * sine * cosine
    jacobian[..., 1, 1] = omega_0**2 * full * (full * np.cos(2 * m) + sine**2)
    return GaussianMoments(
        first,
        spread,
        spread + first**2,
        omega_0 * slope,
        omega_0**2 * (0.5 * loss * (1 + full) + full**2 * cosine**2),
        jacobian,
    )


def identity_moments(mean: Array, variance: Array) -> GaussianMoments:
    """Returns the moments of z itself; exact, so never NaN."""
    one = np.ones(mean.shape)
    jacobian = np.broadcast_to(np.eye(2), (*mean.shape, 2, 2)).copy()
    return GaussianMoments(mean.copy(), variance.copy(), variance + mean**2, one, one, jacobian)
