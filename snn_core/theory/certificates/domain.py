"""What a certificate is about: ranges of moments and weight sums, and their two-dimensional form.

The moments of f(z), z ~ N(m, v), depend on m = mean omega and v = variance tau only, and the
Jacobian of the moment map is M(m, v) diag(omega, tau). So four dimensions become two, exactly:
what depends on omega and tau besides is worst at the largest |omega| and tau that go with m and v.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from snn_core.tables import number
from snn_core.theory.certificates.balls import Box, above, below, exact

__all__ = ["Domain", "Range", "largest_omega", "largest_tau", "lifted", "reduced"]

Range = tuple[float, float]

_BOUNDS = {
    "mean": (-1e3, 1e3),
    "omega": (-1e3, 1e3),
    "variance": (1e-6, 1e4),
    "tau": (1e-6, 1e4),
}


@dataclass(frozen=True)
class Domain:
    """Ranges, ends included, of a layer's input moments and of its units' weight sums.

    The ends are the decimals that were typed: 0.1 is one tenth.

    Attributes:
        mean, variance: Of the input.
        omega, tau: A unit's sum of weights, and of their squares.
    """

    mean: Range = (-0.1, 0.1)
    omega: Range = (-0.1, 0.1)
    variance: Range = (0.8, 1.5)
    tau: Range = (0.95, 1.1)

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            object.__setattr__(self, name, checked(name, getattr(self, name), low, high))


def checked(name: str, ends: Sequence[float], low: float, high: float) -> Range:
    """Returns the range; a ValueError says what is wrong with it."""
    try:
        first, last = ends
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a range (low, high), got {ends!r:.60}.") from None
    first, last = number(name, first, low, high), number(name, last, low, high)
    if first > last:
        raise ValueError(f"{name} must be a range (low, high), got {(first, last)}: swap them.")
    return float(first), float(last)


def reduced(domain: Domain) -> Box:
    """Returns the smallest box of floats that holds every (mean omega, variance tau)."""
    products = [exact(mean) * exact(omega) for mean in domain.mean for omega in domain.omega]
    low = exact(domain.variance[0]) * exact(domain.tau[0])
    high = exact(domain.variance[1]) * exact(domain.tau[1])
    return Box(below(min(products)), above(max(products)), below(low), above(high))


def largest_tau(domain: Domain, v: float) -> float:
    """Returns an upper bound of the tau in the domain that go with v = variance tau, or less."""
    return min(domain.tau[1], v / domain.variance[0]) * _UP


def largest_omega(domain: Domain, m_low: float, m_high: float) -> float:
    """Returns an upper bound of the |omega| in the domain that go with such an m."""
    return max(high for _, high in _weights(domain, m_low, m_high)) * _UP


_UP = 1 + 1e-15  # outdoes the roundings of the ends and of a quotient


def _weights(domain: Domain, m_low: float, m_high: float) -> list[tuple[int, float]]:
    """For omega >= 0 and omega <= 0: its sign, the largest |omega| that goes with such an m."""
    found = [(1, 0.0)]
    for sign in (1, -1):
        low, high = sorted(sign * omega for omega in domain.omega)
        first, last = sorted(sign * mean for mean in domain.mean)
        low = max(low, 0.0)
        if first > 0:  # the smallest product may not exceed m_high
            high = min(high, m_high / first)
        elif first < 0 and m_high < 0:
            low = max(low, m_high / first)
        if last < 0:
            high = min(high, m_low / last)
        elif last > 0 and m_low > 0:
            low = max(low, m_low / last)
        if high * _UP >= low / _UP and high >= 0:
            found.append((sign, high))
    return found


def lifted(
    domain: Domain, m: float, v: float, large: bool = True, digits: int | None = None
) -> Domain:
    """Returns a point of the domain with about these m and v, as a domain of one point.

    Its |omega| is as large as can be, and its tau too, or as small as can be if not ``large``.
    Numbers are rounded to so many digits after the point, if that is asked for.
    """
    sign, weight = max(_weights(domain, m, m), key=lambda each: each[1])
    omega = _near(sign * weight, domain.omega, digits)
    mean = _near(m / omega if omega else 0.0, domain.mean, digits)
    tau = _near(v / domain.variance[0 if large else 1], domain.tau, digits)
    variance = _near(v / tau, domain.variance, digits)
    return Domain((mean, mean), (omega, omega), (variance, variance), (tau, tau))


def _near(value: float, ends: Range, digits: int | None) -> float:
    value = value if digits is None else round(value, digits)
    return min(max(value, ends[0]), ends[1])
