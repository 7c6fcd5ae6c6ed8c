"""The sentences of certificates."""

from __future__ import annotations

from collections.abc import Sequence

from snn_core.activations import Activation
from snn_core.theory.certificates.certificate import Witness, typed
from snn_core.theory.certificates.claims import CLAIMS
from snn_core.theory.certificates.domain import Domain, Range
from snn_core.theory.certificates.search import Ended, Found
from snn_core.wording import amount

__all__ = ["NOT_YET", "against", "ends", "reason_for", "sentence"]

NOT_YET = "No certificate for this activation yet."
_NAMES = {
    "mean_low": "the next mean",
    "mean_high": "the next mean",
    "variance_low": "the next variance",
    "variance_high": "the next variance",
    "stretch": "the largest singular value of the Jacobian",
    "change": "the next variance minus the variance",
}


def against(numbers: Sequence[float], name: str, low: float, high: float) -> str:
    mean, omega, variance, tau = map(typed, numbers)
    value = amount((low + high) / 2, 8)
    return (
        f"At mean {mean}, variance {variance}, omega {omega} and tau {tau}, {_NAMES[name]} "
        f"is {value}."
    )


def ends(values: Range) -> str:
    """Returns "[0.8, 1.5]"."""
    return f"[{typed(values[0])}, {typed(values[1])}]"


def sentence(
    act: Activation, domain: Domain, claim: str, into: tuple[Range, Range], factor: float
) -> str:
    target = f"mean {ends(into[0])}, variance {ends(into[1])}"
    way = f"to less than {typed(factor)} times their distance" if factor != 1 else "nearer"
    nearer = f"with one omega and tau, any two points come {way}"
    says = CLAIMS[claim].format(into=target, nearer=nearer)
    return (
        f"For every mean in {ends(domain.mean)} and variance in {ends(domain.variance)} of the "
        f"input, and every omega in {ends(domain.omega)} and tau in {ends(domain.tau)}: {says}. "
        f"This is about the Gaussian moment map of {act.label}, not about a particular network."
    )


_ENDS: dict[Ended, str] = {
    "boxes": "the number of boxes allowed was used up",
    "seconds": "the time allowed was used up",
    "stopped": "stopped",
}


def reason_for(found: Found | None, boxes: int, witness: Witness | None) -> str:
    if found is None:
        return NOT_YET
    if witness:
        return f"Refuted: {witness.text}"
    if found.slack > 0:
        number = len(found.cells)
        cover = "1 box that covers" if number == 1 else f"{number} boxes that cover"
        return f"Proved on {cover} the domain, by at least {amount(found.slack, 4)}."
    return f"Not decided after {boxes} boxes: {_ENDS[found.ended]}. It may hold all the same."
