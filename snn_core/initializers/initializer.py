"""What an initializer is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from snn_core.initializers.distribution import Distribution
from snn_core.tables import Parameter

__all__ = ["Initializer", "Variance"]


class Variance(Protocol):
    """Returns the declared variance of one weight entry."""

    def __call__(self, fan_in: int, fan_out: int, receptive: int = 1, /) -> float: ...


@dataclass(frozen=True)
class Initializer:
    """One way to draw the weights of a layer.

    ``weight`` is one seed's ``(out, in, *kernel)`` float32 tensor; fan_in = in * kernel area,
    fan_out = out * kernel area.

    Attributes:
        distribution: What the weights are drawn from.
        variance: ``(fan_in, fan_out, receptive=1)`` -> E[w^2] of an entry. ``receptive`` is the
            kernel area; only the orthogonal laws need it, since out = fan_out / receptive.
        bias_distribution, bias_variance: The same of the biases; None for zero biases.
        torch_code: Statements, parted by "; ", that draw this law into ``weight``.
        keras_code: An expression for Keras's ``kernel_initializer``.
        torch_bias_code: The same for ``bias``; may use the name ``fan_in``. Empty: zero biases.
        keras_bias_code: An expression for ``bias_initializer``; may use ``fan_in``.
    """

    name: str
    label: str
    distribution: Distribution
    variance: Variance
    citation: str
    bias_distribution: Distribution | None = None
    bias_variance: Callable[[int], float] | None = None
    law: str = "independent"  # "independent" entries, "orthogonal" rows, or "delta" (centre tap)
    calibrated: bool = False  # LSUV: layers are rescaled on the data after the draw
    kinds: tuple[str, ...] = ("mlp", "cnn")
    torch_code: str = ""
    keras_code: str = ""
    torch_bias_code: str = ""
    keras_bias_code: str = ""
    parameters: tuple[Parameter, ...] = ()
    values: tuple[tuple[str, float], ...] = ()
    note: str = ""

    @property
    def kurtosis(self) -> float:
        """E[w^4] / E[w^2]^2 of an entry: 3 normal, 1.8 uniform.

        For the orthogonal laws it is the wide limit, for "delta" that of the centre tap.
        """
        return self.distribution.kurtosis

    @torch.no_grad()
    def fill_(self, weight: Tensor, numbers: Tensor, fan_in: int, fan_out: int) -> Tensor:
        """Returns the weight, filled from numbers that `Distribution.draw` gave."""
        return self.distribution.fill_(weight, numbers, self.variance(fan_in, fan_out))

    def sample_(self, weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> Tensor:
        """Returns the weight, drawn from the generator and from nothing else."""
        numbers = self.distribution.draw(tuple(weight.shape), generator)
        return self.fill_(weight, numbers, fan_in, fan_out)

    @torch.no_grad()
    def fill_bias_(self, bias: Tensor, numbers: Tensor, fan_in: int) -> Tensor:
        """Returns the biases, ``(out,)``, filled from numbers of their distribution."""
        assert self.bias_distribution is not None and self.bias_variance is not None
        return self.bias_distribution.fill_(bias, numbers, self.bias_variance(fan_in))
