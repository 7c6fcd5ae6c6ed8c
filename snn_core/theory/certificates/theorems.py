"""The theorems about SELU, with their constants exact: three that are published, and one more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from snn_core.activations import Activation, activation, gaussian_moments
from snn_core.theory.certificates.certificate import Certificate
from snn_core.theory.certificates.certify import prove
from snn_core.theory.certificates.domain import Domain, Range, reduced
from snn_core.theory.certificates.search import Budget
from snn_core.theory.certificates.words import ends

__all__ = [
    "ENTRY",
    "THEOREM_1",
    "THEOREM_2",
    "THEOREM_3",
    "entry_theorem",
    "theorem_1",
    "theorem_2",
    "theorem_3",
]

THEOREM_1 = Domain()
THEOREM_2 = Domain((-1.0, 1.0), (-0.1, 0.1), (3.0, 16.0), (0.8, 1.25))
# The text has both from 0.02 on, the appendix from 0.05; what is proved here is from 0.02.
THEOREM_3 = (
    Domain((-0.1, 0.1), (-0.1, 0.1), (0.02, 0.16), (0.8, 1.25)),
    Domain((-0.1, 0.1), (-0.1, 0.1), (0.02, 0.24), (0.9, 1.25)),
)
ENTRY = Domain((-1.0, 1.0), (-0.1, 0.1), (0.02, 16.0), (0.95, 1.1))

MOST_LAYERS = 100
ROOM = 5e-5  # by which a step's image is claimed wider than it is, as a share of its size

_KLAMBAUER = "Klambauer, Unterthiner, Mayr, Hochreiter 2017, Self-Normalizing Neural Networks, \
arXiv:1706.02515, Theorem {}"
_OURS = "Not in the paper of Klambauer et al. 2017 (arXiv:1706.02515), about whose map it is."

Tell = Callable[[int], object] | None
Stop = Callable[[], bool] | None


def theorem_1(
    *, boxes: int = 20000, seconds: float = 10.0, tell: Tell = None, stop: Stop = None
) -> Certificate:
    """Returns the proof of Theorem 1: SELU's map takes its domain into itself and contracts it.

    By Banach's theorem a layer's map, the same again and again, then has one fixed point there,
    which attracts all of it.

    Source: Klambauer et al. 2017 (arXiv:1706.02515), Theorem 1.
    """
    budget = Budget(boxes, seconds, tell, stop)
    return _published(1, THEOREM_1, "contracts_into_itself", budget)


def theorem_2(
    *, boxes: int = 20000, seconds: float = 10.0, tell: Tell = None, stop: Stop = None
) -> Certificate:
    """Returns the proof of Theorem 2: under SELU a large variance falls.

    Source: Klambauer et al. 2017 (arXiv:1706.02515), Theorem 2.
    """
    return _published(2, THEOREM_2, "variance_falls", Budget(boxes, seconds, tell, stop))


def theorem_3(
    *, boxes: int = 20000, seconds: float = 10.0, tell: Tell = None, stop: Stop = None
) -> Certificate:
    """Returns the proof of Theorem 3: under SELU a small variance grows, on both its domains.

    Source: Klambauer et al. 2017 (arXiv:1706.02515), Theorem 3.
    """
    budget = Budget(boxes, seconds, tell, stop)
    parts = [_published(3, domain, "variance_grows", budget) for domain in THEOREM_3]
    claim = " ".join(part.claim for part in parts)
    return _together("all", claim, THEOREM_3[0], parts, budget, _KLAMBAUER.format(3))


def _published(number: int, domain: Domain, claim: str, budget: Budget) -> Certificate:
    citation = _KLAMBAUER.format(number)
    return prove(activation("selu"), domain, claim, budget, citation=citation)


def entry_theorem(
    *, boxes: int = 20000, seconds: float = 10.0, tell: Tell = None, stop: Stop = None
) -> Certificate:
    """Returns the proof that under SELU every usual start ends up in Theorem 1's domain.

    Every mean in [-1, 1] and variance in [0.02, 16], through layers whose omega and tau are
    anything in Theorem 1's ranges and differ from layer to layer. A rectangle that holds all
    that can be reached is followed from layer to layer; every step of it is a certificate among
    ``parts``, and the last part is that what is in the domain stays there.
    """
    act, budget, parts = activation("selu"), Budget(boxes, seconds, tell, stop), []
    here, target = ENTRY, (THEOREM_1.mean, THEOREM_1.variance)
    while len(parts) < MOST_LAYERS:
        into = _reached(act, here)
        arrived = all(_inside(a, b) for a, b in zip(into, target, strict=True))
        into = target if arrived else into
        step = prove(act, here, "into_itself", budget, into=into, sharp=1.0, citation=_OURS)
        parts.append(step)
        if not step.holds or arrived:
            break
        here = Domain(into[0], ENTRY.omega, into[1], ENTRY.tau)
    layers = len(parts)
    if parts[-1].holds:
        parts.append(prove(act, THEOREM_1, "into_itself", budget, sharp=1.0, citation=_OURS))
    claim = (
        f"From every mean in {ends(ENTRY.mean)} and variance in {ends(ENTRY.variance)}, through "
        f"layers with any omega in {ends(ENTRY.omega)} and tau in {ends(ENTRY.tau)}, which may "
        f"differ from layer to layer: after {layers} layers the mean is in {ends(target[0])} and "
        f"the variance in {ends(target[1])}, and they stay there. This is about the Gaussian "
        "moment map of SELU, not about a particular network."
    )
    return _together("chain", claim, ENTRY, parts, budget, _OURS)


def _reached(act: Activation, here: Domain) -> tuple[Range, Range]:
    """Ranges that the next mean and variance seem to have; a guess that `prove` then judges."""
    box = reduced(here)
    m = np.linspace(box.m_low, box.m_high, 17)[:, None]
    v = np.geomspace(box.v_low, box.v_high, 257)
    found = gaussian_moments(act, m, v)
    return _wider(found.mean), _wider(found.variance)


def _wider(values: np.ndarray) -> Range:
    low, high = float(values.min()), float(values.max())
    room = ROOM * (abs(low) + abs(high))
    return round(low - room, 9), round(high + room, 9)


def _inside(part: Range, whole: Range) -> bool:
    return whole[0] <= part[0] and part[1] <= whole[1]


def _together(
    kind: str,
    claim: str,
    domain: Domain,
    parts: Sequence[Certificate],
    budget: Budget,
    citation: str,
) -> Certificate:
    """Returns the certificate that holds if all its parts do."""
    verdicts = [part.holds for part in parts]
    margins = [part.margin for part in parts if part.margin is not None]
    # A step's claim is ours to choose: that it fails does not refute what the chain is to show.
    refuted = False if kind == "all" else None
    holds = True if all(verdicts) else refuted if False in verdicts else None
    failed = next((part for part in parts if not part.holds), None)
    if failed is None:
        number = sum(len(part.leaves) for part in parts)
        reason = f"Proved: all {len(parts)} parts hold, on {number} boxes together."
    else:
        reason = (
            failed.reason if holds is False else f"Part {parts.index(failed) + 1}: {failed.reason}"
        )
    return Certificate(
        claim=claim,
        kind=kind,
        activation=parts[0].activation,
        domain=domain,
        into=(THEOREM_1.mean, THEOREM_1.variance) if kind == "chain" else None,
        factor=None,
        holds=holds,
        witness=failed.witness if failed and holds is False else None,
        margin=min(margins) if holds else None,
        boxes=budget.spent,
        seconds=budget.elapsed,
        method=parts[0].method,
        citation=citation,
        reason=reason,
        parts=tuple(parts),
    )
