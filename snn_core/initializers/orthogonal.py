"""Orthogonal weights: as a whole matrix, or in the centre tap of a convolution."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from snn_core.initializers.initializer import Initializer

__all__ = ["delta_orthogonal", "orthogonal_family"]


def _orthogonal_variance(fan_in: int, fan_out: int, receptive: int = 1, /) -> float:
    """Returns 1 / max(out, fan_in): min(out, fan_in) unit rows or columns share the entries."""
    return 1.0 / max(fan_in, fan_out // receptive)


def _delta_variance(fan_in: int, fan_out: int, receptive: int = 1, /) -> float:
    """Returns 1 / (receptive * max(in, out)), the mean over all entries, zeros included."""
    return 1.0 / max(fan_in, fan_out)


@torch.no_grad()
def _orthogonal_(weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> Tensor:
    """Fills with a Haar-distributed semi-orthogonal (out, fan_in) matrix.

    QR of a normal matrix; only with R's diagonal made positive is Q uniform (Mezzadri 2007,
    arXiv:math-ph/0609050).
    """
    rows, columns = weight.shape[0], weight[0].numel()
    normal = weight.new_empty(max(rows, columns), min(rows, columns))
    q, r = torch.linalg.qr(normal.normal_(generator=generator))
    q.mul_(torch.where(r.diagonal() < 0, -1.0, 1.0))
    return weight.copy_((q if rows >= columns else q.T).reshape(weight.shape))


@torch.no_grad()
def _delta_orthogonal_(weight: Tensor, fan_in: int, fan_out: int, generator: Generator) -> Tensor:
    """Fills with zeros but for the centre tap, an (out, in) matrix with orthonormal columns.

    Raises:
        ValueError: a convolution with more channels in than out; no such matrix exists.
    """
    outputs, inputs, *kernel = weight.shape
    if kernel and outputs < inputs:
        raise ValueError(
            f"delta_orthogonal needs at least as many channels out as in, got {inputs} in and "
            f"{outputs} out; widen the layer to {inputs} or use 'orthogonal'."
        )
    weight.zero_()
    centre = weight[(..., *(size // 2 for size in kernel))]
    _orthogonal_(centre, inputs, outputs, generator)
    return weight


def orthogonal_family(name: str, label: str, citation: str, note: str = "") -> Initializer:
    return Initializer(
        name=name,
        label=label,
        sample_=_orthogonal_,
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
        sample_=_delta_orthogonal_,
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
