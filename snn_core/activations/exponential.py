"""The exponential-linear family: a line on the right, a saturating exponential on the left.

Every member is a z for z > 0 and b (e^(c z) - 1) + d z for z <= 0. Torch computes it in one
pass as ``aten.elu(z, alpha, scale, rate)`` with a = scale, b = scale alpha, c = rate.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from snn_core.activations.activation import Activation, unit_gradient
from snn_core.activations.closed_forms import piecewise_exponential_moments
from snn_core.tables import Parameter

__all__ = ["celu", "elu", "lselu", "scaled_elu", "selu", "sselu"]

# Klambauer et al. 2017: solved for the fixed point (0, 1) at omega = 0, tau = 1.
SELU_ALPHA = 1.6732632423543772848
SELU_SCALE = 1.0507009873554804934

# The same condition for the fixed point (0, 2): Gaussian moments at mean 0, variance 2.
WIDE_ALPHA = 1.9712557503462693
WIDE_SCALE = 1.0607090761030120

_KLAMBAUER = (
    "Klambauer, Unterthiner, Mayr, Hochreiter 2017, Self-Normalizing Neural Networks, "
    "arXiv:1706.02515"
)
_CHEN = "Chen, Zhao, Deng, Li, Xie 2021, Redefining the Self-Normalization Property"
_RECONSTRUCTION = (
    "A reconstruction: the form follows the paper's abstract; the parameters are solved here from "
    "E f = 0, E f^2 = 1, E f'^2 = 1.03 at N(0, 1), since the published table was not found."
)

_ALPHA = Parameter("alpha", 1.0, 0.0, 20.0, "α", "Depth of the negative branch.")
_SCALE = Parameter("scale", 1.0, 0.01, 20.0, "λ", "Slope of the positive branch.")


def _elu(z: Tensor, alpha: float, scale: float, rate: float) -> Tensor:
    return torch.ops.aten.elu(z, alpha, scale, rate)


def _elu_(z: Tensor, alpha: float, scale: float, rate: float) -> Tensor:
    return torch.ops.aten.elu_(z, alpha, scale, rate)


def _elu_derivative(z: Tensor, alpha: float, scale: float, rate: float) -> Tensor:
    return torch.ops.aten.elu_backward(unit_gradient(z), alpha, scale, rate, False, z)


def _elu_pull(g: Tensor, h: Tensor, alpha: float, scale: float, rate: float) -> Tensor:
    return torch.ops.aten.elu_backward(g, alpha, scale, rate, True, h)


def _exponential(
    name: str,
    label: str,
    formula: str,
    citation: str,
    settings: tuple[tuple[Parameter, float], ...],
    shape: tuple[float, float, float],
    torch_code: str,
    keras_code: str,
    note: str = "",
) -> Activation:
    """Returns the member with ``shape`` = (alpha, scale, rate) of ``aten.elu``, so d = 0."""
    alpha, scale, rate = shape
    kernel = {"alpha": alpha, "scale": scale, "rate": rate}
    return Activation(
        name=name,
        label=label,
        formula=formula,
        fn=partial(_elu, **kernel),
        fn_=partial(_elu_, **kernel),
        pull=partial(_elu_pull, **kernel),
        derivative=partial(_elu_derivative, **kernel),
        citation=citation,
        kinks=(0.0,),
        moments=partial(piecewise_exponential_moments, scale, scale * alpha, rate, 0.0),
        saturation=-scale * alpha,
        largest_slope=scale * max(1.0, alpha * rate),
        torch_code=torch_code,
        keras_code=keras_code,
        parameters=tuple(parameter for parameter, _ in settings),
        values=tuple((parameter.name, value) for parameter, value in settings),
        note=note,
    )


def selu(alpha: float = SELU_ALPHA, scale: float = SELU_SCALE) -> Activation:
    """Returns SELU, ``scale (z if z > 0 else alpha (e^z - 1))`` (Klambauer et al. 2017).

    >>> selu().fn(torch.tensor([1.0, -1.0]))
    tensor([ 1.0507, -1.1113])
    """
    published = (alpha, scale) == (SELU_ALPHA, SELU_SCALE)
    return _exponential(
        "selu",
        "SELU" if published else f"SELU (α = {alpha:.4g}, λ = {scale:.4g})",
        "λ z for z > 0, λ α (eᶻ − 1) for z ≤ 0",
        _KLAMBAUER,
        (
            (replace(_ALPHA, default=SELU_ALPHA), alpha),
            (replace(_SCALE, default=SELU_SCALE), scale),
        ),
        (alpha, scale, 1.0),
        "nn.SELU()" if published else f"lambda z: {scale!r} * F.elu(z, {alpha!r})",
        "keras.activations.selu"
        if published
        else f"lambda z: {scale!r} * keras.activations.elu(z, alpha={alpha!r})",
    )


def scaled_elu(alpha: float = WIDE_ALPHA, scale: float = WIDE_SCALE) -> Activation:
    """Returns a SELU with other parameters; by default with the fixed point (0, 2)."""
    return _exponential(
        "scaled_elu",
        f"Scaled ELU (α = {alpha:.4g}, λ = {scale:.4g})",
        "λ z for z > 0, λ α (eᶻ − 1) for z ≤ 0",
        _KLAMBAUER,
        (
            (replace(_ALPHA, default=WIDE_ALPHA), alpha),
            (replace(_SCALE, default=WIDE_SCALE), scale),
        ),
        (alpha, scale, 1.0),
        f"lambda z: {scale!r} * F.elu(z, {alpha!r})",
        f"lambda z: {scale!r} * keras.activations.elu(z, alpha={alpha!r})",
        note="By default α and λ solve SELU's equations for mean 0 and variance 2.",
    )


def elu(alpha: float = 1.0) -> Activation:
    """Returns ELU, ``z if z > 0 else alpha (e^z - 1)`` (Clevert et al. 2016, arXiv:1511.07289)."""
    return _exponential(
        "elu",
        "ELU" if alpha == 1 else f"ELU (α = {alpha:.4g})",
        "z for z > 0, α (eᶻ − 1) for z ≤ 0",
        "Clevert, Unterthiner, Hochreiter 2016, Fast and Accurate Deep Network Learning by "
        "Exponential Linear Units (ELUs), arXiv:1511.07289",
        ((_ALPHA, alpha),),
        (alpha, 1.0, 1.0),
        f"nn.ELU(alpha={alpha!r})",
        f"lambda z: keras.activations.elu(z, alpha={alpha!r})",
    )


def celu(alpha: float = 1.0) -> Activation:
    """Returns CELU, ``z if z > 0 else alpha (e^(z/alpha) - 1)`` (Barron 2017, arXiv:1704.07483).

    Its slope is continuous for every alpha, where ELU's is only for alpha = 1.
    """
    return _exponential(
        "celu",
        "CELU" if alpha == 1 else f"CELU (α = {alpha:.4g})",
        "z for z > 0, α (e^(z/α) − 1) for z ≤ 0",
        "Barron 2017, Continuously Differentiable Exponential Linear Units, arXiv:1704.07483",
        ((Parameter("alpha", 1.0, 0.05, 20.0, "α", "Depth and width of the bend."), alpha),),
        (alpha, 1.0, 1.0 / alpha),
        f"nn.CELU(alpha={alpha!r})",
        f"lambda z: keras.activations.celu(z, alpha={alpha!r})",
    )


def sselu(alpha: float = 2.36404, scale: float = 1.03601, beta: float = 0.58572) -> Activation:
    """Returns sSELU, ``scale (z if z > 0 else alpha (e^(beta z) - 1))``, a reconstruction.

    The form is that of Chen et al. (2021); the default parameters are not theirs but solve
    E f = 0, E f^2 = 1, E f'^2 = 1.03 at N(0, 1).
    """
    return _exponential(
        "sselu",
        "sSELU (reconstruction)",
        "λ z for z > 0, λ α (e^(β z) − 1) for z ≤ 0",
        _CHEN,
        (
            (replace(_ALPHA, default=2.36404), alpha),
            (replace(_SCALE, default=1.03601), scale),
            (Parameter("beta", 0.58572, 0.05, 10.0, "β", "Rate of the exponential."), beta),
        ),
        (alpha, scale, beta),
        f"lambda z: {scale!r} * torch.where(z > 0, z, "
        f"{alpha!r} * torch.expm1({beta!r} * z.clamp(max=0)))",
        f"lambda z: {scale!r} * keras.ops.where(z > 0, z, "
        f"{alpha!r} * keras.ops.expm1({beta!r} * keras.ops.minimum(z, 0.0)))",
        note=_RECONSTRUCTION,
    )


def lselu(alpha: float = 1.09843, scale: float = 1.03622, beta: float = 0.34354) -> Activation:
    """Returns lSELU, ``scale (z if z > 0 else alpha (e^z - 1) + beta z)``, a reconstruction.

    The form is that of Chen et al. (2021); the default parameters are not theirs but solve
    E f = 0, E f^2 = 1, E f'^2 = 1.03 at N(0, 1).
    """
    leak = scale * beta

    def fn(z: Tensor) -> Tensor:
        return _elu(z, alpha, scale, 1.0).add_(z.clamp(max=0), alpha=leak)

    def derivative(z: Tensor) -> Tensor:
        return _elu_derivative(z, alpha, scale, 1.0).add_((z <= 0).to(z.dtype), alpha=leak)

    return Activation(
        name="lselu",
        label="lSELU (reconstruction)",
        formula="λ z for z > 0, λ (α (eᶻ − 1) + β z) for z ≤ 0",
        fn=fn,
        derivative=derivative,
        citation=_CHEN,
        kinks=(0.0,),
        moments=partial(piecewise_exponential_moments, scale, scale * alpha, 1.0, leak),
        saturation=None if beta else -scale * alpha,
        largest_slope=scale * max(1.0, alpha + beta),
        torch_code=f"lambda z: {scale!r} * (F.elu(z, {alpha!r}) + {beta!r} * z.clamp(max=0))",
        keras_code=f"lambda z: {scale!r} * (keras.activations.elu(z, alpha={alpha!r})"
        f" + {beta!r} * keras.ops.minimum(z, 0.0))",
        parameters=(
            replace(_ALPHA, default=1.09843),
            replace(_SCALE, default=1.03622),
            Parameter("beta", 0.34354, 0.0, 5.0, "β", "Slope of the leak."),
        ),
        values=(("alpha", alpha), ("scale", scale), ("beta", beta)),
        note=_RECONSTRUCTION,
    )
