"""What a constraint is, and the reductions that constraints share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from snn_core.tables import Parameter

__all__ = ["Constraint", "unit_axes", "wide", "worst"]

_PIECE = 2**16  # numbers, as measured: 256 KiB of float32


@dataclass(frozen=True)
class Constraint:
    """One constraint on a weight of shape ``(seeds, out, in, *kernel)``.

    A unit's weights are ``weight[seed, out]``: omega = their sum, tau = their sum of squares.
    Every seed is projected by itself; a seed that is not finite stays so and harms no other.
    Sums run in float32 at least, for any dtype of the weight.

    Attributes:
        apply: Returns the projected weight and leaves the given one as it is; to differentiate
            in a parametrization. For float32 or float64 weights; projecting twice is once.
        violation: How far a weight is from satisfying it, ``(seeds,)``; 0 when it does.
        row_moments: ``(tau, omega_squared, fan_in, fan_out, kurtosis) -> (tau, omega_squared)``:
            E[sum w^2] and E[(sum w)^2] of a unit before and after the projection, for iid
            zero-mean entries in the wide limit; the theory's whole knowledge of a constraint.
            Here fan_out is the number of units of the layer, without the kernel area.
        torch_code: Statements, parted by "; ", that project one network's contiguous ``weight``
            of shape ``(out, in, *kernel)`` where no gradient is recorded.
        keras_code: An expression for Keras's ``kernel_constraint``, dense or convolutional.
    """

    name: str
    label: str
    formula: str
    apply: Callable[[Tensor], Tensor]
    violation: Callable[[Tensor], Tensor]
    row_moments: Callable[[float, float, int, int, float], tuple[float, float]]
    citation: str
    torch_code: str = ""
    keras_code: str = ""
    parameters: tuple[Parameter, ...] = ()
    values: tuple[tuple[str, float], ...] = ()
    note: str = ""

    @torch.no_grad()
    def project_(self, weight: Tensor) -> Tensor:
        """Projects a weight of any dtype in place and returns it.

        In pieces that stay in a cache: fresh memory for all seeds at once costs several times
        more than the arithmetic.
        """
        for piece in weight.split(max(_PIECE // weight[0].numel(), 1)):
            piece.copy_(self.apply(piece.to(wide(piece))))
        return weight


def unit_axes(weight: Tensor) -> tuple[int, ...]:
    """Returns the axes of a unit's weights; reducing over them suits every memory layout."""
    return tuple(range(2, weight.ndim))


def wide(weight: Tensor) -> torch.dtype:
    """Returns the dtype to compute in: the weight's own, but float32 at least."""
    return torch.promote_types(weight.dtype, torch.float32)


def worst(deviation: Tensor) -> Tensor:
    """Returns the largest absolute deviation of every seed, ``(seeds,)``."""
    return deviation.abs().flatten(1).amax(1)
