"""Which activations can be certified: those whose expectations have rigorous enclosures."""

from __future__ import annotations

import torch

from snn_core.activations import Activation
from snn_core.theory.certificates.local import Enclosure
from snn_core.theory.certificates.piecewise import Pieces, pieces_of
from snn_core.theory.certificates.smooth import Smooth, smooth_of

__all__ = ["enclosure_of"]

_PROBES = (-30.0, -4.0, -1.5, -0.7, -0.1, 0.0, 0.1, 0.7, 1.5, 4.0, 30.0)


def enclosure_of(act: Activation) -> Enclosure | None:
    """Returns the enclosures of an activation's expectations, None where there are none.

    What bears a known name and is another function is not recognised.
    """
    found = pieces_of(act) or smooth_of(act)
    return found if found and _agrees(found, act) else None


def _agrees(found: Pieces | Smooth, act: Activation) -> bool:
    values = act.fn(torch.tensor(_PROBES, dtype=torch.float64)).tolist()
    return all(
        abs(float(found.value(z)) - value) <= 1e-9 * (1 + abs(value))
        for z, value in zip(_PROBES, values, strict=True)
    )
