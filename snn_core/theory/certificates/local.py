"""The moment map over a small box: balls that hold its values and those of its Jacobian."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from flint import arb

from snn_core.theory.certificates.balls import Box, ball, meet
from snn_core.theory.certificates.piecewise import Derivatives

__all__ = ["Enclosure", "Local", "at_point", "over_box", "stretch", "variance_above"]


class Enclosure(Protocol):
    """What has to be known of an activation: enclosures of E f^(k) and E (f^2)^(k)."""

    @property
    def method(self) -> str:
        """How the enclosures are made, for the certificate."""
        ...

    def at(self, m: arb, v: arb) -> Derivatives:
        """Returns E f^(k), E (f^2)^(k) for k = 0, 1, 2 at a point, as tight as can be."""
        ...

    def over(self, m: arb, v: arb) -> Derivatives:
        """Returns balls that hold E f^(k), E (f^2)^(k), k = 0..4, all over the box; new lists."""
        ...


class Local(NamedTuple):
    """Balls for mean and variance of f(z), z ~ N(m, v), and their derivatives in m and v.

    Attributes:
        m, v: The box itself.
        mean, variance: Of f(z).
        mean_m, mean_v, variance_m, variance_v: The matrix M with J = M diag(omega, tau).
        centre: The same at the centre, None if this is a point.
    """

    m: arb
    v: arb
    mean: arb
    variance: arb
    mean_m: arb
    mean_v: arb
    variance_m: arb
    variance_v: arb
    centre: Local | None = None


def _local(m: arb, v: arb, f: list[arb], g: list[arb]) -> Local:
    return Local(
        m,
        v,
        f[0],
        g[0] - f[0] * f[0],
        f[1],
        f[2] / 2,
        g[1] - 2 * f[0] * f[1],
        g[2] / 2 - f[0] * f[2],
    )


def at_point(enclosure: Enclosure, m: arb, v: arb) -> Local:
    """Returns the map at a point, which may be a tiny ball."""
    return _local(m, v, *enclosure.at(m, v))


def over_box(enclosure: Enclosure, box: Box) -> Local:
    """Returns the map over a box, by the mean value form from its centre.

    Every quantity is its value at the centre plus its derivatives over the box times the way, and
    the derivatives of moments are moments. So the error falls with the square of the box's size.
    """
    at_m, at_v = (ball(middle) for middle in box.centre)
    m, v = ball(box.m_low, box.m_high), ball(box.v_low, box.v_high)
    to_m, to_v = m - at_m, v - at_v
    half = to_v / 2
    at_f, at_g = enclosure.at(at_m, at_v)
    centre = _local(at_m, at_v, at_f, at_g)
    f, g = enclosure.over(m, v)
    for values, middle in ((f, at_f), (g, at_g)):
        for k in (2, 1, 0):
            values[k] = meet(values[k], middle[k] + values[k + 1] * to_m + values[k + 2] * half)
    plain = _local(m, v, f, g)
    # The derivatives of M's second row; its first is as tight as f already.
    twice_m = g[2] - 2 * f[1] * f[1] - 2 * f[0] * f[2]
    mixed = g[3] / 2 - f[1] * f[2] - f[0] * f[3]
    twice_v = g[4] / 4 - f[2] * f[2] / 2 - f[0] * f[4] / 2
    variance_m = meet(plain.variance_m, centre.variance_m + twice_m * to_m + mixed * to_v)
    variance_v = meet(plain.variance_v, centre.variance_v + mixed * to_m + twice_v * to_v)
    variance = centre.variance + variance_m * to_m + variance_v * to_v
    return plain._replace(
        variance=meet(plain.variance, variance),
        variance_m=variance_m,
        variance_v=variance_v,
        centre=centre,
    )


def variance_above(local: Local, slope: arb) -> arb:
    """Returns variance - slope v, which over a box is tighter than the difference of both."""
    plain = local.variance - slope * local.v
    centre = local.centre
    if centre is None:
        return plain
    to_m, to_v = local.m - centre.m, local.v - centre.v
    middle = centre.variance - slope * centre.v
    return meet(plain, middle + local.variance_m * to_m + (local.variance_v - slope) * to_v)


def stretch(local: Local, omega: arb, tau: arb) -> arb:
    """Returns the largest singular value of J = M diag(omega, tau).

    It grows with |omega| and tau. For 2 by 2 matrices it is half the sum of two lengths
    (Klambauer et al. 2017, Lemma 12).
    """
    h11, h12 = omega * local.mean_m, tau * local.mean_v
    h21, h22 = omega * local.variance_m, tau * local.variance_v
    return (_length(h11 + h22, h21 - h12) + _length(h11 - h22, h12 + h21)) / 2


def _length(x: arb, y: arb) -> arb:
    square = x * x + y * y
    root = square.sqrt()
    if root.is_finite() or not square.is_finite():
        return root
    return square.upper().sqrt().union(arb(0))  # rounding let the ball reach below 0
