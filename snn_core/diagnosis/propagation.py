"""The verdict on a propagation: what the moments do, why, and what would repair it.

All statistics here are pooled over batch and units, and so is the theory that they are compared
with (mean field); nothing is said of single units.
"""

from __future__ import annotations

from dataclasses import dataclass

from snn_core.diagnosis.causes import why
from snn_core.diagnosis.repairs import Repair
from snn_core.diagnosis.sentences import headline, sentences
from snn_core.diagnosis.trend import RUNAWAY
from snn_core.diagnosis.view import KINDS, kind_of, view_of
from snn_core.propagate import Propagation

__all__ = ["KINDS", "Diagnosis", "diagnose"]

GRADIENTS = {"vanishes": ", gradients vanish", "explodes": ", gradients explode"}


@dataclass(frozen=True)
class Diagnosis:
    """A propagation in words and numbers.

    Attributes:
        kind: A key of KINDS: what the activations do.
        gradient: What the gradient's variance does on its way back, measured or else in theory:
            "holds", "grows", "shrinks", "vanishes" or "explodes"; "" where nothing is known.
        headline: One sentence with numbers: what the variance does.
        sentences: More of what is seen: gradients, single seeds, what theory says.
        reason: Why, as far as it is known; "" where nothing has to be explained.
        cause: The setting at fault: "initializer", "weight_factor", "bias", "dropout", "input",
            "dtype", "width", "depth", "pooling", "padding", "residual", "constraint",
            "activation"; "" where none is, or it is not known.
        repairs: What helps, the least change first.
    """

    kind: str
    gradient: str
    headline: str
    sentences: tuple[str, ...]
    reason: str
    cause: str
    repairs: tuple[Repair, ...]

    @property
    def title(self) -> str:
        """The kind in words, and what the gradient does where it vanishes or explodes."""
        more = GRADIENTS.get(self.gradient, "")
        return KINDS[self.kind] + more

    @property
    def is_fine(self) -> bool:
        """Whether nothing is at fault."""
        still = self.kind == "holds" or (self.kind == "settles" and not self.cause)
        return still and self.gradient not in RUNAWAY


def diagnose(p: Propagation, repairs: bool = True) -> Diagnosis:
    """Returns the verdict.

    Without ``repairs`` it costs next to nothing; then theory is not asked for any, and what only
    a repair would show, the cause among it, is left out.

    >>> from snn_core.propagate import propagate
    >>> from snn_core.settings import NetworkSpec
    >>> wrong = NetworkSpec(depth=24, width=128, initializer="he_normal")
    >>> found = diagnose(propagate(wrong, batch=64))
    >>> found.kind, found.cause, found.repairs[0].settings[0]
    ('explodes', 'initializer', ('initializer', 'lecun_normal'))
    """
    view = view_of(p)
    kind = kind_of(view)
    found = why(view, kind, search=repairs)
    return Diagnosis(
        kind=kind,
        gradient=view.backward.kind if view.backward else "",
        headline=headline(view, kind),
        sentences=sentences(view, kind),
        reason=found.reason,
        cause=found.cause,
        repairs=found.repairs if repairs else (),
    )
