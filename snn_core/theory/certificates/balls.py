"""Ball arithmetic: decimals as they were typed, floats rounded outwards, one precision.

A ball of python-flint (Arb: Johansson 2017, arXiv:1611.02831) is an interval that is certain to
hold the true number, whatever was rounded on the way. That holds at any precision.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import NamedTuple

from flint import arb, ctx, fmpq

__all__ = ["BITS", "Box", "above", "ball", "below", "down", "exact", "meet", "precise", "up"]

BITS = 64


class Box(NamedTuple):
    """A rectangle of Gaussians N(m, v); the ends are floats, taken as exactly what they are."""

    m_low: float
    m_high: float
    v_low: float
    v_high: float

    @property
    def centre(self) -> tuple[float, float]:
        """A point of the box: its middle, in v the geometric one where the box is long."""
        return _middle(self.m_low, self.m_high), _middle(self.v_low, self.v_high, long=2.0)


def _middle(low: float, high: float, long: float = math.inf) -> float:
    middle = math.sqrt(low * high) if 0 < low * long < high else low + (high - low) / 2
    return min(max(middle, low), high)


class _Precision:
    """Counts who computes: flint's precision is one number for all threads of the process.

    The first to come sets it, the last to go restores it, so that results do not depend on who
    else is at work. The enclosures would hold in any case.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = BITS

    def enter(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before, ctx.prec = ctx.prec, BITS
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                ctx.prec = self._before


_PRECISION = _Precision()


@contextmanager
def precise() -> Iterator[None]:
    """Computes with 64 bits inside, and restores flint's precision afterwards."""
    _PRECISION.enter()
    try:
        yield
    finally:
        _PRECISION.leave()


def exact(value: float) -> Fraction:
    """Returns the decimal that a person typed: 0.1 is one tenth, not the float next to it."""
    return Fraction(repr(float(value)))


def ball(low: float | Fraction, high: float | Fraction | None = None) -> arb:
    """Returns a ball that holds a number, or everything between two."""
    if high is not None and high != low:
        return ball(low).union(ball(high))
    return arb(fmpq(low.numerator, low.denominator)) if isinstance(low, Fraction) else arb(low)


def below(value: Fraction) -> float:
    """Returns the largest float that is at most the value."""
    near = float(value)
    return near if Fraction(near) <= value else math.nextafter(near, -math.inf)


def above(value: Fraction) -> float:
    """Returns the smallest float that is at least the value."""
    return -below(-value)


def down(value: arb) -> float:
    """Returns a float below everything in the ball; -infinity where nothing is known."""
    low = float(value.lower())
    return math.nextafter(low, -math.inf) if math.isfinite(low) else -math.inf


def up(value: arb) -> float:
    """Returns a float above everything in the ball; infinity where nothing is known."""
    return -down(-value)


def meet(first: arb, second: arb) -> arb:
    """Returns what two enclosures of the same numbers have in common."""
    if not first.is_finite():
        return second
    return first.intersection(second) if second.is_finite() else first
