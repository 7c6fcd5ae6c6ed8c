"""Rigorous Gaussian expectations of tanh, sigmoid and erf, which have no closed form for all.

At a point they are integrals that `acb.integral` encloses; over a box the derivatives of third and
fourth order are bounded by their largest values anywhere, and Taylor's formula does the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import comb

from flint import acb, arb, fmpz_poly

from snn_core.activations import Activation
from snn_core.theory.certificates.balls import precise, up
from snn_core.theory.certificates.piecewise import Derivatives

__all__ = ["Smooth", "smooth_of"]

Polynomial = fmpz_poly

REACH = 9  # standard deviations; the rest, some 1e-17, is bounded
ORDERS = 5  # of derivatives with a bound: 0 to 4
CELLS = 1000  # on which a function is bounded to find its largest value
TINY = arb(2) ** -40  # of the integrals; boxes are not worth more digits

_FUNCTIONS: dict[str, Callable[[acb], acb]] = {
    "tanh": lambda z: z.tanh(),
    "sigmoid": lambda z: (1 + (z / 2).tanh()) / 2,
    "erf": lambda z: z.erf(),
}


@dataclass(frozen=True)
class Smooth:
    """tanh, sigmoid or erf: all within [-1, 1], with all derivatives bounded.

    Attributes:
        f_bounds, g_bounds: Upper bounds of |f^(k)| and |(f^2)^(k)|, k = 0..4.
    """

    name: str
    f_bounds: tuple[float, ...]
    g_bounds: tuple[float, ...]

    @property
    def method(self) -> str:
        return (
            "ball arithmetic (Arb, 64 bits): rigorous integrals (acb.integral) at the centres of "
            "the boxes, bounds of the derivatives between"
        )

    def value(self, z: float) -> arb:
        """Returns f(z)."""
        return _FUNCTIONS[self.name](acb(z)).real

    def over(self, m: arb, v: arb) -> Derivatives:
        """Returns balls for E f^(k) and E (f^2)^(k), k = 0..4, that hold for all m and v."""
        bounds = (self.f_bounds, self.g_bounds)
        f, g = ([arb(0, largest) for largest in largest_ones] for largest_ones in bounds)
        return f, g

    def at(self, m: arb, v: arb) -> Derivatives:
        """Returns E f^(k), E (f^2)^(k), k = 0, 1, 2: integrals of f(m + s t) He_k(t) / s^k."""
        fn, s = _FUNCTIONS[self.name], v.sqrt()
        root, end = (2 * arb.pi()).sqrt(), arb(REACH)
        # |He_k| <= t^2 + 1 there and |f| <= 1: what is left out is at most this.
        beyond = 2 * end * (-end * end / 2).exp() / root + 2 * (end / arb(2).sqrt()).erfc()
        rest = arb(0, up(beyond))

        def expectation(power: int, weight: Callable[[acb], acb]) -> arb:
            def integrand(t: acb, analytic: bool) -> acb:
                return fn(m + s * t) ** power * weight(t) * (-t * t / 2).exp()

            whole = acb.integral(integrand, -end, end, rel_tol=TINY, abs_tol=TINY)
            return (whole.real / root) + rest

        hermite = (lambda t: acb(1), lambda t: t, lambda t: t * t - 1)
        f, g = (
            [expectation(power, weight) / s**k for k, weight in enumerate(hermite)]
            for power in (1, 2)
        )
        return f, g


def smooth_of(act: Activation) -> Smooth | None:
    """Returns the activation with the bounds of its derivatives, None if it is not one of them."""
    return Smooth(act.name, *_bounds(act.name)) if act.name in _FUNCTIONS else None


@lru_cache
def _bounds(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    with precise():
        rows = _erf_cells() if name == "erf" else _cells(name)
        found = [tuple(max(column) for column in zip(*each, strict=True)) for each in rows]
    return found[0], found[1]


def _cells(name: str) -> tuple[list[list[float]], list[list[float]]]:
    """Bounds on every cell of f's values, in which the derivatives are polynomials."""
    f = Polynomial([0, 1])
    slope = Polynomial([1, 0, -1]) if name == "tanh" else Polynomial([0, 1, -1])
    low = -1 if name == "tanh" else 0

    def chain(p: Polynomial) -> list[Polynomial]:
        found = [p]
        for _ in range(ORDERS - 1):
            found.append(found[-1].derivative() * slope)
        return found

    cells = _cover(low, 1)
    f_rows, g_rows = (
        [[_size(_horner(p, x)) for p in chain(first)] for x in cells] for first in (f, f * f)
    )
    return f_rows, g_rows


def _erf_cells() -> tuple[list[list[float]], list[list[float]]]:
    """Bounds on every cell of z >= 0, the last of which goes to infinity; erf is odd."""
    factors = [Polynomial([1])]  # f^(k+1) = (2 / sqrt pi) q_k(z) e^(-z^2)
    for _ in range(ORDERS - 2):
        factors.append(factors[-1].derivative() - Polynomial([0, 2]) * factors[-1])
    scale = 2 / arb.pi().sqrt()
    rows = []
    for z in _cover(0, 6):
        bell = scale * (-z * z).exp()
        rows.append([z.erf(), *(_horner(q, z) * bell for q in factors)])
    # Beyond, |q| is at most the sum of its terms' sizes, and z^3 e^(-z^2) falls.
    z = arb(6)
    bell = scale * (-z * z).exp()
    sizes = [Polynomial([abs(c) for c in q.coeffs()]) for q in factors]
    rows.append([arb(1), *(_horner(q, z) * bell for q in sizes)])
    f_rows = [[_size(value) for value in row] for row in rows]
    g_rows = [[_size(_leibniz(row, k)) for k in range(ORDERS)] for row in rows[:-1]]
    last = [abs(value) for value in rows[-1]]
    g_rows.append([_size(_leibniz(last, k)) for k in range(ORDERS)])
    return f_rows, g_rows


def _leibniz(row: list[arb], k: int) -> arb:
    return sum((comb(k, i) * row[i] * row[k - i] for i in range(k + 1)), arb(0))


def _cover(low: int, high: int) -> list[arb]:
    ends = [low + (high - low) * arb(i) / CELLS for i in range(CELLS + 1)]
    return [left.union(right) for left, right in pairwise(ends)]


def _horner(p: Polynomial, x: arb) -> arb:
    total = arb(0)
    for coefficient in reversed(p.coeffs()):
        total = total * x + coefficient
    return total


def _size(value: arb) -> float:
    return up(abs(value))
