"""How weights and biases are drawn: every initializer, its variance and its source."""

from __future__ import annotations

from snn_core.initializers.independent import (
    GLOROT,
    HE,
    LECUN,
    mean_field,
    pytorch_default,
    scaled,
    selu_gain,
)
from snn_core.initializers.initializer import Initializer
from snn_core.initializers.orthogonal import delta_orthogonal, orthogonal_family
from snn_core.tables import pick, settle

__all__ = ["INITIALIZERS", "Initializer", "initializer"]

INITIALIZERS: dict[str, Initializer] = {
    entry.name: entry
    for entry in (
        *(
            scaled(family, distribution)
            for family in (LECUN, HE, GLOROT)
            for distribution in ("normal", "uniform", "truncated")
        ),
        orthogonal_family(
            "orthogonal", "Orthogonal", "Saxe, McClelland, Ganguli 2013, arXiv:1312.6120"
        ),
        delta_orthogonal(),
        pytorch_default(),
        selu_gain(),
        mean_field(),
        orthogonal_family(
            "lsuv",
            "LSUV (orthogonal, then unit variance on the data)",
            "Mishkin, Matas 2015, arXiv:1511.06422",
            "Each layer is divided by the standard deviation of its pre-activation on a batch.",
        ),
    )
}


def initializer(name: str, **parameters: float) -> Initializer:
    """Returns the initializer of that name, with the given parameters and defaults for the rest.

    Raises:
        ValueError: an unknown name or parameter, or a value out of its bounds.
    """
    entry = pick(INITIALIZERS, name, "initializer")
    values = settle(entry.parameters, parameters, entry.name)
    return mean_field(**values) if name == "mean_field" else entry
