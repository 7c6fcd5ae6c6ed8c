"""Orthogonal weights: as a whole matrix, or in the centre tap of a convolution."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from snn_core.initializers.distribution import Distribution
from snn_core.initializers.initializer import Initializer

__all__ = ["delta_orthogonal", "orthogonal_family"]


def _orthogonal_variance(fan_in: int, fan_out: int, receptive: int = 1, /) -> float:
    """Returns 1 / max(out, fan_in): min(out, fan_in) unit rows or columns share the entries."""
    return 1.0 / max(fan_in, fan_out // receptive)


def _delta_variance(fan_in: int, fan_out: int, receptive: int = 1, /) -> float:
    """Returns 1 / (receptive * max(in, out)), the mean over all entries, zeros included."""
    return 1.0 / max(fan_in, fan_out)


def _orthogonal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Returns a Haar-distributed semi-orthogonal (out, fan_in) matrix, in the weight's shape.

    QR of a normal matrix; only with R's diagonal made positive is Q uniform (Mezzadri 2007,
    arXiv:math-ph/0609050).
    """
    rows, columns = shape[0], math.prod(shape[1:])
    size, device = (max(rows, columns), min(rows, columns)), generator.device
    normal = torch.empty(size, dtype=torch.float32, device=device)
    q, r = torch.linalg.qr(normal.normal_(generator=generator))
    q.mul_(torch.where(r.diagonal() < 0, -1.0, 1.0))
    return (q if rows >= columns else q.T).reshape(shape)


def _delta_orthogonal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Returns the centre tap's (out, in) matrix, of orthonormal columns.

    Raises:
        ValueError: a convolution with more channels in than out; no such matrix exists.
    """
    outputs, inputs, *kernel = shape
    if kernel and outputs < inputs:
        raise ValueError(
            f"delta_orthogonal needs at least as many channels out as in, got {inputs} in and "
            f"{outputs} out; widen the layer to {inputs} or use 'orthogonal'."
        )
    return _orthogonal((outputs, inputs), generator)


def _in_the_centre_(weight: Tensor, numbers: Tensor, variance: float) -> Tensor:
    weight.zero_()[(..., *(size // 2 for size in weight.shape[2:]))] = numbers
    return weight


_ORTHOGONAL = Distribution(
    "orthogonal", _orthogonal, lambda weight, numbers, variance: weight.copy_(numbers)
)
_DELTA = Distribution("delta", _delta_orthogonal, _in_the_centre_)


def orthogonal_family(name: str, label: str, citation: str, note: str = "") -> Initializer:
    return Initializer(
        name=name,
        label=label,
        distribution=_ORTHOGONAL,
        variance=_orthogonal_variance,
        citation=citation,
        law="orthogonal",
        calibrated=name == "lsuv",
        torch_code="nn.init.orthogonal_(weight)",
        keras_code="keras.initializers.Orthogonal()",
        note=note,
    )


def delta_orthogonal() -> Initializer:
    return Initializer(
        name="delta_orthogonal",
        label="Delta orthogonal",
        distribution=_DELTA,
        variance=_delta_variance,
        citation="Xiao, Bahri, Sohl-Dickstein, Schoenholz, Pennington 2018, arXiv:1806.05393",
        law="delta",
        kinds=("cnn",),
        torch_code=(
            "nn.init.zeros_(weight); "
            "nn.init.orthogonal_(weight.data[(..., *(k // 2 for k in weight.shape[2:]))])"
        ),
        keras_code=(
            "lambda shape, dtype=None: keras.ops.pad(keras.ops.reshape("
            "keras.initializers.Orthogonal()(shape[-2:], dtype), "
            "(1,) * (len(shape) - 2) + tuple(shape[-2:])), "
            "[(k // 2, k - 1 - k // 2) for k in shape[:-2]] + [(0, 0), (0, 0)])"
        ),
        note="Convolutions need as many channels out as in. Dense layers are plainly orthogonal.",
    )
