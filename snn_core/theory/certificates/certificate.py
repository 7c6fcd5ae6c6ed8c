"""A certificate: what is claimed, whether it is proved, and the boxes that prove it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from snn_core.theory.certificates.balls import Box
from snn_core.theory.certificates.domain import Domain, Range

__all__ = ["Certificate", "Leaf", "Witness", "typed"]


class Leaf(NamedTuple):
    """One box of Gaussians N(m, v) and what is proved on all of it.

    Attributes:
        box: Ends of m and v.
        bounds: Of the quantities that ``Certificate.columns`` names, rounded outwards.
        slack: The claim holds on the box by at least this much; not above 0 where not proved,
            None where nothing is known.
    """

    box: Box
    bounds: tuple[float, ...]
    slack: float | None


@dataclass(frozen=True)
class Witness:
    """A point of the domain at which the claim is false, checked with ball arithmetic.

    Attributes:
        mean, omega, variance, tau: The point, as decimals.
        quantity: Which inequality is broken: a name among ``Certificate.columns``.
        low, high: The quantity at the point is certain to be between these.
        text: The same as a sentence.
    """

    mean: float
    omega: float
    variance: float
    tau: float
    quantity: str
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Certificate:
    """A statement about the Gaussian moment map of an activation, and what is proved of it.

    Attributes:
        claim: The statement in words.
        kind: Its key in ``CLAIMS``, or "chain" and "all" for one that is made of ``parts``.
        activation: Name and settled parameters.
        domain: For which moments and weight sums it is claimed.
        into: Where mean and variance are to be mapped, if the claim says so, else None.
        factor: By which distances are to be scaled at most, if the claim says so, else None.
        holds: True if it is proved, False if it is refuted by the witness, None if neither was
            reached; None says nothing against the claim.
        witness: Where it is false, else None.
        margin: If it is proved, by how much at least every inequality holds, else None.
        boxes: How many boxes were looked at.
        seconds: How long that took.
        method: How the bounds were made.
        citation: Where the statement is from.
        reason: A sentence: why it holds, fails or is not decided.
        columns: The quantities that the leaves bound: mean_low, mean_high, variance_low and
            variance_high of the next moments, stretch, the largest singular value of the
            Jacobian, and change, the next variance minus the variance.
        leaves: The boxes, which cover every (mean omega, variance tau) of the domain. If the
            claim is proved, they are the proof.
        parts: The certificates of which this one is made.
    """

    claim: str
    kind: str
    activation: tuple[str, tuple[tuple[str, float], ...]]
    domain: Domain
    into: tuple[Range, Range] | None
    factor: float | None
    holds: bool | None
    witness: Witness | None
    margin: float | None
    boxes: int
    seconds: float
    method: str
    citation: str
    reason: str
    columns: tuple[str, ...] = ()
    leaves: tuple[Leaf, ...] = ()
    parts: tuple[Certificate, ...] = ()


def typed(value: float) -> str:
    """Returns the decimal that was typed, with a real minus sign.

    >>> typed(-0.03106), typed(16.0)
    ('−0.03106', '16')
    """
    text = repr(float(value))
    return text.removesuffix(".0").replace("-", "−")
