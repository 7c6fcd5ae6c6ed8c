"""An activation: the function, its derivative and what the theory needs of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from snn_core.gaussian import GaussianMoments
from snn_core.tables import Parameter

__all__ = ["Activation", "unit_gradient"]

Array = np.ndarray


@dataclass(frozen=True)
class Activation:
    """One activation with its parameters settled.

    Attributes:
        name: The key in ``ACTIVATIONS``, or "=" and a formula in its canonical spelling.
        label: The name for a person; "(reconstruction)" where the parameters are not a paper's.
        formula: One line of plain text, ``z`` the pre-activation.
        fn: f(z), elementwise, for tensors of any shape and floating dtype.
        derivative: f'(z), elementwise; at a kink either one-sided value.
        citation: Authors, year, identifier.
        kinks: Points where f or f' jumps; quadrature is split there.
        moments: Closed-form Gaussian moments, ``(mean, variance) -> GaussianMoments`` in float64,
            or None, which means quadrature. Its ``variance`` is NaN where the closed form would
            lose digits; quadrature steps in there.
        saturation: lim f(z) for z -> -infinity where it is finite, else None. Alpha dropout sends
            dropped units there (Klambauer et al. 2017, section 3).
        largest_slope: sup |f'(z)|, the measure against which a unit counts as saturated.
        torch_code, keras_code: Source of the same function as an expression, ``""`` if absent.
        parameters: What can be set, with bounds.
        values: The settled value of every parameter, by name, in the order of ``parameters``.
        note: A warning or explanation for the page, ``""`` if there is none.
        pull: ``(g, h) -> g f'(z)`` from the output h = f(z), in one kernel, where torch has it.
            With it z need not be kept.
        slopes: f' left and right of 0, where f is two straight lines that meet in f(0) = 0.
        fn_: f in place, ``z -> z``, where torch has it; equals ``fn`` and works under autograd.
    """

    name: str
    label: str
    formula: str
    fn: Callable[[Tensor], Tensor]
    derivative: Callable[[Tensor], Tensor]
    citation: str
    kinks: tuple[float, ...] = ()
    moments: Callable[[Array, Array], GaussianMoments] | None = None
    saturation: float | None = None
    largest_slope: float = 1.0
    torch_code: str = ""
    keras_code: str = ""
    parameters: tuple[Parameter, ...] = ()
    values: tuple[tuple[str, float], ...] = ()
    note: str = ""
    fn_: Callable[[Tensor], Tensor] | None = None
    pull: Callable[[Tensor, Tensor], Tensor] | None = None
    slopes: tuple[float, float] | None = None


def unit_gradient(z: Tensor) -> Tensor:
    """Ones in the shape of z that take no memory: with them torch's backward kernels give f'."""
    return z.new_ones(()).expand_as(z)
