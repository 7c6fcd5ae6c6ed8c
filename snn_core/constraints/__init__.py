"""What is imposed on the weights: projections, violations, and what becomes of omega and tau."""

from __future__ import annotations

from snn_core.constraints.constraint import Constraint
from snn_core.constraints.spectrum import orthogonal, spectral_norm
from snn_core.constraints.units import (
    centralize_layer,
    centralize_unit,
    max_norm,
    standardize_unit,
    unconstrained,
    unit_norm,
    weight_norm,
)
from snn_core.tables import pick, settle

__all__ = ["CONSTRAINTS", "Constraint", "constraint"]

CONSTRAINTS: dict[str, Constraint] = {
    entry.name: entry
    for entry in (
        unconstrained(),
        centralize_layer(),
        centralize_unit(),
        standardize_unit(),
        unit_norm(),
        max_norm(),
        weight_norm(),
        spectral_norm(),
        orthogonal(),
    )
}

_WITH_PARAMETERS = {"max_norm": max_norm, "weight_norm": weight_norm}


def constraint(name: str, **parameters: float) -> Constraint:
    """Returns the constraint of that name, with the given parameters and defaults for the rest.

    Raises:
        ValueError: an unknown name or parameter, or a value out of its bounds.
    """
    entry = pick(CONSTRAINTS, name, "constraint")
    values = settle(entry.parameters, parameters, entry.name)
    return _WITH_PARAMETERS[name](**values) if values else entry
