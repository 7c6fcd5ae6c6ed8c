"""What can be claimed of the moment map on a domain, as inequalities between balls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from flint import arb

from snn_core.theory.certificates.balls import Box, ball, down, exact, up
from snn_core.theory.certificates.domain import (
    Domain,
    Range,
    largest_omega,
    largest_tau,
    reduced,
)
from snn_core.theory.certificates.local import Enclosure, Local, over_box, stretch, variance_above

__all__ = ["CLAIMS", "Cell", "Goal", "Inequality", "goal", "look", "starts"]

Quantity = Callable[[Local, arb, arb], arb]  # of the map, |omega| and tau

# Every claim: what it says of the map, after "For every ... in the domain,".
CLAIMS = {
    "contracts_into_itself": "the next mean and variance are inside {into}, and {nearer}",
    "into_itself": "the next mean and variance are inside {into}",
    "contracts": "{nearer}",
    "variance_falls": "the next variance is smaller than the variance",
    "variance_grows": "the next variance is larger than the variance",
}


@dataclass(frozen=True)
class Inequality:
    """``quantity < limit`` if ``upper``, else ``quantity > limit``; named for its proved bound."""

    name: str
    quantity: Quantity
    limit: arb
    upper: bool

    def gap(self, value: arb) -> arb:
        """Returns how far the value is on the right side of the limit."""
        return self.limit - value if self.upper else value - self.limit

    def bound(self, value: arb) -> float:
        """Returns the end of the ball that the inequality is about."""
        return up(value) if self.upper else down(value)


@dataclass(frozen=True)
class Goal:
    """Inequalities that are to hold on a domain; ``small_tau`` where that is the worst tau."""

    domain: Domain
    inequalities: tuple[Inequality, ...]
    small_tau: bool = False


@dataclass(frozen=True)
class Cell:
    """What is proved on one box.

    Attributes:
        bounds: Of every inequality's quantity, rounded outwards.
        slack: Every inequality holds by at least this much; below 0 where that is not proved.
        seen: One of them holds by at most this much at the box's centre.
        along_v: Whether halving the box in v helps more than in m.
    """

    box: Box
    bounds: tuple[float, ...]
    slack: float
    seen: float
    along_v: bool


def goal(claim: str, domain: Domain, into: tuple[Range, Range], factor: float) -> Goal:
    """Returns the claim as inequalities; balls are made here, so call it within ``precise``."""
    found: list[Inequality] = []
    if claim in ("contracts_into_itself", "into_itself"):
        for name, (low, high) in zip(("mean", "variance"), into, strict=True):
            value = partial(_field, name)
            found += [
                Inequality(f"{name}_low", value, ball(exact(low)), False),
                Inequality(f"{name}_high", value, ball(exact(high)), True),
            ]
    if claim in ("contracts_into_itself", "contracts"):
        found.append(Inequality("stretch", stretch, ball(exact(factor)), True))
    if claim in ("variance_falls", "variance_grows"):
        falls = claim == "variance_falls"
        change = partial(_change, falls, *_ends(domain, falls))
        found.append(Inequality("change", change, arb(0), falls))
    return Goal(domain, tuple(found), claim == "variance_grows")


def _field(name: str, local: Local, omega: arb, tau: arb) -> arb:
    return getattr(local, name)


def _ends(domain: Domain, falls: bool) -> tuple[arb, arb]:
    """The variance and the tau that are worst for the change of the variance."""
    if falls:
        return ball(exact(domain.variance[0])), ball(exact(domain.tau[1]))
    return ball(exact(domain.variance[1])), ball(exact(domain.tau[0]))


def _change(falls: bool, nu: arb, at: arb, local: Local, omega: arb, tau: arb) -> arb:
    """Next variance minus variance, at the variance in the domain that is worst for v = nu tau.

    That is max(least variance, v / largest tau) where it is to fall.
    """
    still, moving = variance_above(local, arb(0)) - nu, variance_above(local, 1 / at)
    return still.min(moving) if falls else still.max(moving)


def starts(goal: Goal) -> list[Box]:
    """Returns the domain's box, cut where the worst tau meets its end, since there it bends."""
    box, domain = reduced(goal.domain), goal.domain
    bend = (
        domain.variance[1] * domain.tau[0]
        if goal.small_tau
        else domain.variance[0] * domain.tau[1]
    )
    if not box.v_low < bend < box.v_high:
        return [box]
    return [box._replace(v_high=bend), box._replace(v_low=bend)]


def look(goal: Goal, enclosure: Enclosure, box: Box) -> Cell:
    """Returns what one look at the box proves."""
    local = over_box(enclosure, box)
    omega = arb(largest_omega(goal.domain, box.m_low, box.m_high))
    tau = arb(largest_tau(goal.domain, box.v_high))
    centre, (m, v) = local.centre, box.centre
    assert centre is not None
    omega_there, tau_there = (
        arb(largest_omega(goal.domain, m, m)),
        arb(largest_tau(goal.domain, v)),
    )
    bounds, slack, seen = [], float("inf"), float("inf")
    for each in goal.inequalities:
        value = each.quantity(local, omega, tau)
        bounds.append(each.bound(value))
        slack = min(slack, down(each.gap(value)))
        seen = min(seen, up(each.gap(each.quantity(centre, omega_there, tau_there))))
    return Cell(box, tuple(bounds), slack, seen, _along_v(local, box))


def _along_v(local: Local, box: Box) -> bool:
    across = float(abs(local.mean_m).upper() + abs(local.variance_m).upper())
    along = float(abs(local.mean_v).upper() + abs(local.variance_v).upper())
    return not across * (box.m_high - box.m_low) > along * (box.v_high - box.v_low)
