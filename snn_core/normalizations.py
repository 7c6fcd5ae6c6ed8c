"""What is done to the pre-activations of a layer: batch, layer, RMS and group normalization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from snn_core.tables import Parameter, number, pick, settle

__all__ = ["NORMALIZATIONS", "Normalization", "normalization"]

_EPSILON = 1e-5  # torch's default for batch, layer and group; inside the root


@dataclass(frozen=True)
class Normalization:
    """One way to normalize x: ``(seeds, batch, features)`` or with channels and positions.

    Every seed is normalized by itself. There is no learned scale or shift and there are no
    running averages: each pass uses its own statistics, as torch does in training mode. Variances
    are population variances; a constant input gives zeros but for rounding.

    Attributes:
        apply: ``(x, channel_axis)`` -> the normalized x, of its shape, differentiable.
        moments: ``(mean, second_moment)`` -> the same two after the normalization, pooled over
            batch and features in a wide layer; a zero second moment stays zero.
        torch_code: An expression in ``nn`` and one network's ``x``: ``(batch, channels, ...)``.
        keras_code: An expression for a Keras layer on channels-last inputs.
    """

    name: str
    label: str
    formula: str
    apply: Callable[[Tensor, int], Tensor]
    moments: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    citation: str
    torch_code: str = ""
    keras_code: str = ""
    parameters: tuple[Parameter, ...] = ()
    values: tuple[tuple[str, float], ...] = ()


def _standardized(mean: np.ndarray, second_moment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (0, v / (v + epsilon)): one, unless the variance v is as small as epsilon."""
    mean, second_moment = np.broadcast_arrays(
        np.asarray(mean, dtype=np.float64), np.asarray(second_moment, dtype=np.float64)
    )
    variance = np.maximum(second_moment - mean**2, 0.0)
    return np.zeros_like(variance), variance / (variance + _EPSILON)


def _none() -> Normalization:
    return Normalization(
        name="none",
        label="None",
        formula="x",
        apply=lambda x, channel_axis: x,
        moments=lambda mean, second_moment: (mean, second_moment),
        citation="",
        torch_code="x",
        keras_code="keras.layers.Identity()",
    )


def _batch() -> Normalization:
    def apply(x: Tensor, channel_axis: int) -> Tensor:
        # Seeds and channels side by side are the channels of one call of torch's own kernel.
        samples = x.movedim(channel_axis, 2).transpose(0, 1)
        # Not functional.batch_norm, which refuses a batch of one; the formula gives zeros.
        normal = torch.batch_norm(
            samples.flatten(1, 2), None, None, None, None, True, 0.0, _EPSILON, False
        )
        return normal.unflatten(1, samples.shape[1:3]).transpose(0, 1).movedim(2, channel_axis)

    return Normalization(
        name="batch",
        label="Batch normalization",
        formula="(x - mean) / sqrt(variance + 1e-5), of a channel over batch and positions",
        apply=apply,
        moments=_standardized,
        citation="Ioffe, Szegedy 2015, arXiv:1502.03167",
        torch_code="nn.functional.batch_norm(x, None, None, training=True)",
        keras_code="keras.layers.BatchNormalization(epsilon=1e-5, center=False, scale=False)",
    )


def _layer() -> Normalization:
    return Normalization(
        name="layer",
        label="Layer normalization",
        formula="(x - mean) / sqrt(variance + 1e-5), of a sample over channels and positions",
        apply=lambda x, channel_axis: functional.layer_norm(x, x.shape[2:], eps=_EPSILON),
        moments=_standardized,
        citation="Ba, Kiros, Hinton 2016, arXiv:1607.06450",
        torch_code="nn.functional.layer_norm(x, x.shape[1:])",
        keras_code=(
            "keras.layers.GroupNormalization(groups=1, epsilon=1e-5, center=False, scale=False)"
        ),
    )


def _rms() -> Normalization:
    def apply(x: Tensor, channel_axis: int) -> Tensor:
        axes = tuple(range(2, x.ndim))
        return x * (x.square().mean(axes, keepdim=True) + _EPSILON).rsqrt()

    def moments(mean: np.ndarray, second_moment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        square = np.asarray(second_moment, dtype=np.float64)
        return mean / np.sqrt(square + _EPSILON), square / (square + _EPSILON)

    return Normalization(
        name="rms",
        label="RMS normalization",
        formula="x / sqrt(mean square + 1e-5), of a sample over channels and positions",
        apply=apply,
        moments=moments,
        citation="Zhang, Sennrich 2019, arXiv:1910.07467",
        torch_code="nn.functional.rms_norm(x, x.shape[1:], eps=1e-5)",
        keras_code=(
            "keras.layers.Lambda(lambda x: x * keras.ops.rsqrt(keras.ops.mean("
            "x**2, axis=tuple(range(1, len(x.shape))), keepdims=True) + 1e-5))"
        ),
    )


def _group(groups: float = 8) -> Normalization:
    count = int(number("group.groups", groups, 1, 1024, integer=True))

    def apply(x: Tensor, channel_axis: int) -> Tensor:
        channels = x.shape[channel_axis]
        if channels % count:
            divisors = [d for d in range(1, channels + 1) if channels % d == 0]
            close = min(divisors, key=lambda d: abs(d - count))
            raise ValueError(
                f"Group normalization needs a number of channels that {count} groups divide, "
                f"got {channels}; the nearest number of groups that does is {close}."
            )
        samples = x.movedim(channel_axis, 2).flatten(0, 1)
        normal = functional.group_norm(samples, count, eps=_EPSILON)
        return normal.unflatten(0, x.shape[:2]).movedim(2, channel_axis)

    return Normalization(
        name="group",
        label="Group normalization",
        formula="(x - mean) / sqrt(variance + 1e-5), of a sample over a group of channels",
        apply=apply,
        moments=_standardized,
        citation="Wu, He 2018, arXiv:1803.08494",
        torch_code=f"nn.functional.group_norm(x, {count})",
        keras_code=(
            f"keras.layers.GroupNormalization(groups={count}, epsilon=1e-5, "
            "center=False, scale=False)"
        ),
        parameters=(Parameter("groups", 8, 1, 1024, "Groups", "Groups of channels."),),
        values=(("groups", count),),
    )


NORMALIZATIONS: dict[str, Normalization] = {
    entry.name: entry for entry in (_none(), _batch(), _layer(), _rms(), _group())
}


def normalization(name: str, **parameters: float) -> Normalization:
    """Returns the normalization of that name, with parameters as given, else their defaults.

    Raises:
        ValueError: an unknown name or parameter, or a value out of its bounds.
    """
    entry = pick(NORMALIZATIONS, name, "normalization")
    values = settle(entry.parameters, parameters, entry.name)
    return _group(**values) if name == "group" else entry
