"""Random numbers by themselves, and what makes a layer's weights of them.

What is drawn depends on the distribution and the shape alone; variance comes in afterwards. So
the same draw serves every variance, and can be kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

__all__ = ["CUT_STD", "NORMAL", "TRUNCATED", "UNIFORM", "Distribution"]

# A standard normal cut at +-2: its mass, standard deviation and E x^4, by parts.
_CUT = 2.0
_MASS = math.erf(_CUT / math.sqrt(2.0))
_EDGE = math.exp(-(_CUT**2) / 2.0) / math.sqrt(2.0 * math.pi) / _MASS
_CUT_VARIANCE = 1.0 - 2.0 * _CUT * _EDGE
CUT_STD = math.sqrt(_CUT_VARIANCE)  # Keras's constant .87962566103423978
_CUT_FOURTH = 3.0 * _CUT_VARIANCE - 2.0 * _CUT**3 * _EDGE

_SCALAR = 16  # fewer normals than this torch draws one by one, in float64


@dataclass(frozen=True)
class Distribution:
    """How the entries of a weight are distributed, up to their variance.

    Attributes:
        draw: ``(shape, generator)`` -> numbers of that shape, from the generator and nothing else,
            on its device.
        fill_: ``(weight, numbers, variance)`` -> the weight, filled with what the numbers are at
            that variance of an entry; leaves the numbers as they are.
        kurtosis: E[w^4] / E[w^2]^2 of an entry, see `Initializer`.
    """

    name: str
    draw: Callable[[tuple[int, ...], Generator], Tensor]
    fill_: Callable[[Tensor, Tensor, float], Tensor]
    kurtosis: float = 3.0


def _empty(
    shape: tuple[int, ...], generator: Generator, dtype: torch.dtype = torch.float32
) -> Tensor:
    return torch.empty(shape, dtype=dtype, device=generator.device)


def _normals(shape: tuple[int, ...], generator: Generator) -> Tensor:
    dtype = torch.float64 if math.prod(shape) < _SCALAR else torch.float32
    return _empty(shape, generator, dtype).normal_(generator=generator)


def _of_normals_(weight: Tensor, numbers: Tensor, variance: float) -> Tensor:
    return torch.mul(numbers, math.sqrt(variance), out=weight)


def _uniforms(shape: tuple[int, ...], generator: Generator) -> Tensor:
    return _empty(shape, generator).uniform_(generator=generator)


def _of_uniforms_(weight: Tensor, numbers: Tensor, variance: float) -> Tensor:
    bound = math.sqrt(3.0) * math.sqrt(variance)
    return weight.fill_(-bound).add_(numbers, alpha=2.0 * bound)  # rounded once, as torch does


def _truncated(shape: tuple[int, ...], generator: Generator) -> Tensor:
    # Inverting the distribution function needs no redraws: a fixed number of draws per weight.
    return _empty(shape, generator).uniform_(-_MASS, _MASS, generator=generator).erfinv_()


def _of_truncated_(weight: Tensor, numbers: Tensor, variance: float) -> Tensor:
    std = math.sqrt(variance)
    edge = _CUT * std / CUT_STD
    return weight.copy_(numbers).mul_(math.sqrt(2.0) * std / CUT_STD).clamp_(-edge, edge)


NORMAL = Distribution("normal", _normals, _of_normals_)
UNIFORM = Distribution("uniform", _uniforms, _of_uniforms_, kurtosis=1.8)
TRUNCATED = Distribution(
    "truncated", _truncated, _of_truncated_, kurtosis=_CUT_FOURTH / _CUT_VARIANCE**2
)
