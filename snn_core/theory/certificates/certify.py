"""Proves or refutes a claim about the Gaussian moment map on a whole domain."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from snn_core.activations import Activation, activation
from snn_core.tables import choose, number
from snn_core.theory.certificates.balls import ball, down, exact, precise, up
from snn_core.theory.certificates.certificate import Certificate, Leaf, Witness
from snn_core.theory.certificates.claims import CLAIMS, Cell, goal, look, starts
from snn_core.theory.certificates.domain import Domain, Range, checked, lifted
from snn_core.theory.certificates.enclosures import enclosure_of
from snn_core.theory.certificates.local import Enclosure, at_point
from snn_core.theory.certificates.search import Budget, Found, search
from snn_core.theory.certificates.words import against, reason_for, sentence

__all__ = ["ARB", "certify", "prove"]

ARB = "Johansson 2017, Arb: Efficient Arbitrary-Precision Midpoint-Radius Interval Arithmetic, \
arXiv:1611.02831"
SHARP = 0.01  # the margin is to be within this share of what is to be had
MORE = 100  # boxes beyond those of the proof that a sharper margin may cost; and as many again


def certify(
    act: str | Activation,
    mean: Range = (-0.1, 0.1),
    omega: Range = (-0.1, 0.1),
    variance: Range = (0.8, 1.5),
    tau: Range = (0.95, 1.1),
    claim: str = "contracts_into_itself",
    *,
    into: tuple[Range, Range] | None = None,
    factor: float = 1.0,
    boxes: int = 20000,
    seconds: float = 10.0,
    tell: Callable[[int], object] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Certificate:
    """Returns whether the claim is proved or refuted for every point of the domain.

    The claim is about the map g of Klambauer et al. 2017 (arXiv:1706.02515), that is `moment_map`:
    z is taken to be exactly Gaussian and all inputs to have the same moments. It says nothing of a
    particular network. By default it is their Theorem 1. Ends of ranges are the decimals that were
    typed. The bounds are from ball arithmetic and hold whatever is rounded.

    >>> proof = certify("selu")
    >>> proof.holds, round(proof.margin, 4)
    (True, 0.0037)

    Args:
        mean, variance: Of the input; ranges (low, high).
        omega, tau: Sum of a unit's weights and of their squares; ranges (low, high).
        claim: "contracts_into_itself" (both of the next two), "into_itself", "contracts",
            "variance_falls" or "variance_grows".
        into: Ranges of the next mean and variance; by default the same as of mean and variance.
        factor: By which distances between points are scaled at most.
        boxes, seconds: When to give up.
        tell: Told the number of boxes so far, now and then.
        stop: Asked now and then; the work ends undecided where it says yes.

    Raises:
        ValueError: The activation or the claim is unknown, a range is not one.
    """
    act = activation(act)
    domain = Domain(mean, omega, variance, tau)
    budget = Budget(
        int(number("boxes", boxes, 1, 10_000_000, integer=True)),
        number("seconds", seconds, 0.0, 1e6),
        tell,
        stop,
    )
    return prove(act, domain, claim, budget, into=into, factor=factor)


def prove(
    act: Activation,
    domain: Domain,
    claim: str,
    budget: Budget,
    *,
    into: tuple[Range, Range] | None = None,
    factor: float = 1.0,
    sharp: float = SHARP,
    citation: str = ARB,
) -> Certificate:
    """Returns the certificate of one claim; what it spends is charged to the budget.

    Args:
        sharp: Boxes are halved on after the proof until the margin is within this share of what
            is to be had; 1 ends with the proof.
    """
    choose(tuple(CLAIMS), claim, "claim")
    where = _into(domain, into)
    factor = number("factor", factor, 0.0, 1e6)
    before, began = budget.spent, budget.elapsed

    with precise():
        enclosure = enclosure_of(act)
        if enclosure is None:
            columns, found, witness = (), None, None
        else:
            whole = goal(claim, domain, where, factor)
            columns = tuple(each.name for each in whole.inequalities)
            enough = _Enough(budget, sharp)
            broken = partial(_witness, enclosure, domain, claim, where, factor)
            found = search(
                partial(look, whole, enclosure),
                starts(whole),
                enough,
                budget,
                lambda cell: broken(cell) is not None,
            )
            witness = broken(found.nearest) if found.ended == "refuted" else None
    holds = _verdict(found)
    boxes = budget.spent - before
    return Certificate(
        claim=sentence(act, domain, claim, where, factor),
        kind=claim,
        activation=(act.name, act.values),
        domain=domain,
        into=where if "into" in claim else None,
        factor=factor if "contracts" in claim else None,
        holds=holds,
        witness=witness,
        margin=found.slack if found and holds else None,
        boxes=boxes,
        seconds=budget.elapsed - began,
        method=enclosure.method if enclosure else "",
        citation=citation,
        reason=reason_for(found, boxes, witness),
        columns=columns,
        leaves=tuple(_leaf(cell) for cell in found.cells) if found else (),
    )


class _Enough:
    """Ends a search with the proof, or some boxes later when the margin is sharp."""

    def __init__(self, budget: Budget, sharp: float) -> None:
        self._budget, self._sharp, self._last = budget, sharp, 0

    def __call__(self, slack: float, seen: float) -> bool:
        if slack <= 0:
            return False
        spent = self._budget.spent
        self._last = self._last or 2 * spent + MORE
        return slack >= (1 - self._sharp) * seen or spent >= self._last


def _into(domain: Domain, into: tuple[Range, Range] | None) -> tuple[Range, Range]:
    if into is None:
        return domain.mean, domain.variance
    try:
        mean, variance = into
    except (TypeError, ValueError):
        raise ValueError(f"into must be (mean range, variance range), got {into!r:.60}.") from None
    return checked("into mean", mean, -1e6, 1e6), checked("into variance", variance, 0.0, 1e9)


def _verdict(found: Found | None) -> bool | None:
    if found is None:
        return None
    if found.ended == "refuted":
        return False
    return True if found.slack > 0 else None


def _leaf(cell: Cell) -> Leaf:
    finite = math.isfinite(cell.slack) and all(map(math.isfinite, cell.bounds))
    return Leaf(cell.box, cell.bounds if finite else (), cell.slack if finite else None)


def _witness(
    enclosure: Enclosure,
    domain: Domain,
    claim: str,
    into: tuple[Range, Range],
    factor: float,
    cell: Cell | None,
) -> Witness | None:
    """A point of the domain near the cell's centre at which the claim is false, if it is."""
    assert cell is not None
    for digits in (2, 4, 6, 9, None):  # a point with few digits where one will do
        point = lifted(domain, *cell.box.centre, claim != "variance_grows", digits)
        if found := _broken(enclosure, point, claim, into, factor):
            return found
    return None


def _broken(
    enclosure: Enclosure, point: Domain, claim: str, into: tuple[Range, Range], factor: float
) -> Witness | None:
    """The claim's first inequality that is false at the point, if one is."""
    mean, omega = exact(point.mean[0]), exact(point.omega[0])
    variance, tau = exact(point.variance[0]), exact(point.tau[0])
    local = at_point(enclosure, ball(mean * omega), ball(variance * tau))
    for each in goal(claim, point, into, factor).inequalities:
        value = each.quantity(local, ball(abs(omega)), ball(tau))
        if up(each.gap(value)) < 0:
            numbers = (point.mean[0], point.omega[0], point.variance[0], point.tau[0])
            low, high = down(value), up(value)
            return Witness(*numbers, each.name, low, high, against(numbers, each.name, low, high))
    return None
