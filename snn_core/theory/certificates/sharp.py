"""The exact ends of what the moment map does on a domain, from both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from flint import arb

from snn_core.activations import Activation, activation
from snn_core.theory.certificates.balls import ball, down, exact, precise, up
from snn_core.theory.certificates.claims import Goal, Inequality, goal, look, starts
from snn_core.theory.certificates.domain import Domain, lifted
from snn_core.theory.certificates.enclosures import enclosure_of
from snn_core.theory.certificates.local import Enclosure, at_point
from snn_core.theory.certificates.search import Budget, Found, search

__all__ = ["Extreme", "SharpImage", "sharp_contraction", "sharp_image"]

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Extreme:
    """A largest or smallest value over a domain, which is certain to be between two numbers.

    Attributes:
        low, high: One of them is proved on boxes that cover the domain, the other is a bound of
            the value at ``point``.
        point: (mean, omega, variance, tau).
        boxes: How many were looked at.
        seconds: How long that took.
        reached: Whether low and high are as near as was asked for.
    """

    low: float
    high: float
    point: tuple[float, float, float, float]
    boxes: int
    seconds: float
    reached: bool


class SharpImage(NamedTuple):
    """The ends of the next mean and variance over a domain."""

    mean_low: Extreme
    mean_high: Extreme
    variance_low: Extreme
    variance_high: Extreme


def sharp_image(
    act: str | Activation,
    domain: Domain | None = None,
    tolerance: float = TOLERANCE,
    *,
    boxes: int = 20000,
    seconds: float = 10.0,
    tell: Callable[[int], object] | None = None,
    stop: Callable[[], bool] | None = None,
) -> SharpImage | None:
    """Returns the least and largest next mean and variance over a domain; by default Theorem 1's.

    None where the activation has no certificate yet, or nothing was found before the stop.

    >>> image = sharp_image("selu")
    >>> round(image.variance_low.low, 4), round(image.variance_high.high, 4)
    (0.8037, 1.4816)

    Raises:
        ValueError: The activation is unknown.
    """
    domain, budget = domain or Domain(), Budget(boxes, seconds, tell, stop)
    ranges = (domain.mean, domain.variance)
    found = _extremes(activation(act), "into_itself", domain, ranges, tolerance, budget)
    return SharpImage(*found) if found else None


def sharp_contraction(
    act: str | Activation,
    domain: Domain | None = None,
    tolerance: float = TOLERANCE,
    *,
    boxes: int = 20000,
    seconds: float = 10.0,
    tell: Callable[[int], object] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Extreme | None:
    """Returns the largest singular value of the map's Jacobian over a domain.

    None where the activation has no certificate yet, or nothing was found before the stop.

    >>> round(sharp_contraction("selu").high, 5)
    0.89761

    Raises:
        ValueError: The activation is unknown.
    """
    domain, budget = domain or Domain(), Budget(boxes, seconds, tell, stop)
    ranges = (domain.mean, domain.variance)
    found = _extremes(activation(act), "contracts", domain, ranges, tolerance, budget)
    return found[0] if found else None


def _extremes(
    act: Activation,
    claim: str,
    domain: Domain,
    ranges: tuple[tuple[float, float], tuple[float, float]],
    tolerance: float,
    budget: Budget,
) -> list[Extreme] | None:
    """The extreme of every quantity of the claim, each by a search of its own."""
    results = []
    with precise():
        enclosure = enclosure_of(act)
        if enclosure is None:
            return None
        for each in goal(claim, domain, ranges, 1.0).inequalities:
            before, began = budget.spent, budget.elapsed
            # Against a limit of 0 the slack is the value itself, up to its sign.
            alone = Goal(domain, (Inequality(each.name, each.quantity, arb(0), each.upper),))
            found = search(
                partial(look, alone, enclosure),
                starts(alone),
                lambda slack, seen: seen - slack <= 0.9 * tolerance,
                budget,
            )
            if found.nearest is None:
                return None
            spent = (budget.spent - before, budget.elapsed - began)
            results.append(_extreme(enclosure, domain, each, found, tolerance, spent))
    return results


def _extreme(
    enclosure: Enclosure,
    domain: Domain,
    each: Inequality,
    found: Found,
    tolerance: float,
    spent: tuple[int, float],
) -> Extreme:
    assert found.nearest is not None
    tried = []
    for digits in (2, 4, 6, 9, None):
        point = lifted(domain, *found.nearest.box.centre, digits=digits)
        numbers = (point.mean[0], point.omega[0], point.variance[0], point.tau[0])
        mean, omega, variance, tau = map(exact, numbers)
        local = at_point(enclosure, ball(mean * omega), ball(variance * tau))
        value = each.quantity(local, ball(abs(omega)), ball(tau))
        tried.append((down(value) if each.upper else -up(value), numbers))
    attained, numbers = max(tried)
    low, high = (attained, -found.slack) if each.upper else (found.slack, -attained)
    return Extreme(low, high, numbers, *spent, high - low <= tolerance)
