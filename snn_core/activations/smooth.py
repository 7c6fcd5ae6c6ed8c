"""Smooth activations: gated lines, sigmoids, softplus, erf and sine."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F

from snn_core.activations.activation import Activation, unit_gradient
from snn_core.activations.closed_forms import erf_moments, gelu_moments, sine_moments
from snn_core.tables import Parameter

__all__ = [
    "erf",
    "gelu",
    "gelu_tanh",
    "mish",
    "sigmoid",
    "silu",
    "sin",
    "softplus",
    "softsign",
    "tanh",
]

_HENDRYCKS = "Hendrycks, Gimpel 2016, Gaussian Error Linear Units (GELUs), arXiv:1606.08415"
_aten = torch.ops.aten


def gelu() -> Activation:
    """Returns GELU, ``z Phi(z)`` (Hendrycks and Gimpel 2016)."""
    return Activation(
        name="gelu",
        label="GELU",
        formula="z Φ(z)",
        fn=F.gelu,
        derivative=lambda z: _aten.gelu_backward(unit_gradient(z), z),
        citation=_HENDRYCKS,
        moments=gelu_moments,
        saturation=0.0,
        # At z = sqrt(2): Phi(z) + z phi(z).
        largest_slope=0.5 * (1 + math.erf(1.0)) + math.exp(-1.0) / math.sqrt(math.pi),
        torch_code="nn.GELU()",
        keras_code="lambda z: keras.activations.gelu(z, approximate=False)",
    )


def gelu_tanh() -> Activation:
    """Returns GELU's tanh approximation, sup error 5e-4 (Hendrycks and Gimpel 2016)."""
    return Activation(
        name="gelu_tanh",
        label="GELU (tanh approximation)",
        formula="z/2 · (1 + tanh(√(2/π) (z + 0.044715 z³)))",
        fn=lambda z: F.gelu(z, approximate="tanh"),
        derivative=lambda z: _aten.gelu_backward(unit_gradient(z), z, approximate="tanh"),
        citation=_HENDRYCKS,
        saturation=0.0,
        largest_slope=1.1289930686587717,  # at z = 1.41850
        torch_code='nn.GELU(approximate="tanh")',
        keras_code="lambda z: keras.activations.gelu(z, approximate=True)",
    )


def silu() -> Activation:
    """Returns SiLU or swish, ``z sigmoid(z)`` (Elfwing et al. 2018)."""
    return Activation(
        name="silu",
        label="SiLU (swish)",
        formula="z σ(z)",
        fn=F.silu,
        fn_=lambda z: F.silu(z, inplace=True),
        derivative=lambda z: _aten.silu_backward(unit_gradient(z), z),
        citation="Elfwing, Uchibe, Doya 2018, Sigmoid-Weighted Linear Units, arXiv:1702.03118; "
        "Ramachandran, Zoph, Le 2017, arXiv:1710.05941",
        saturation=0.0,
        largest_slope=1.0998393201288668,  # at z = 2.39936
        torch_code="nn.SiLU()",
        keras_code="keras.activations.silu",
    )


def mish() -> Activation:
    """Returns Mish, ``z tanh(softplus(z))`` (Misra 2020)."""
    return Activation(
        name="mish",
        label="Mish",
        formula="z tanh(ln(1 + eᶻ))",
        fn=F.mish,
        fn_=lambda z: F.mish(z, inplace=True),
        derivative=lambda z: _aten.mish_backward(unit_gradient(z), z),
        citation="Misra 2020, Mish: A Self Regularized Non-Monotonic Activation Function, "
        "arXiv:1908.08681",
        saturation=0.0,
        largest_slope=1.0884981612517280,  # at z = 1.49057
        torch_code="nn.Mish()",
        keras_code="keras.activations.mish",
    )


def tanh() -> Activation:
    """Returns the hyperbolic tangent (LeCun et al. 1998)."""
    return Activation(
        name="tanh",
        label="tanh",
        formula="tanh z",
        fn=torch.tanh,
        fn_=torch.tanh_,
        # 1/cosh^2, since 1 - tanh^2 cancels in the tails.
        derivative=lambda z: z.cosh().reciprocal_().square_(),
        citation="LeCun, Bottou, Orr, Müller 1998, Efficient BackProp",
        saturation=-1.0,
        torch_code="nn.Tanh()",
        keras_code="keras.activations.tanh",
    )


def sigmoid() -> Activation:
    """Returns the logistic function, ``1 / (1 + e^-z)`` (Rumelhart et al. 1986)."""
    return Activation(
        name="sigmoid",
        label="Sigmoid",
        formula="1 / (1 + e⁻ᶻ)",
        fn=torch.sigmoid,
        fn_=torch.sigmoid_,
        derivative=lambda z: (0.5 * z).cosh_().reciprocal_().mul_(0.5).square_(),
        citation="Rumelhart, Hinton, Williams 1986, Learning Representations by Back-Propagating "
        "Errors, Nature 323",
        saturation=0.0,
        largest_slope=0.25,
        torch_code="nn.Sigmoid()",
        keras_code="keras.activations.sigmoid",
    )


def softplus(beta: float = 1.0) -> Activation:
    """Returns softplus, ``ln(1 + e^(beta z)) / beta`` (Dugas et al. 2001).

    Torch replaces it by z above a threshold; at its default of 20 that is wrong by 2e-9, at 40 by
    less than float64 can tell.
    """
    return Activation(
        name="softplus",
        label="Softplus" if beta == 1 else f"Softplus (β = {beta:.4g})",
        formula="ln(1 + e^(β z)) / β",
        fn=lambda z: F.softplus(z, beta, 40.0),
        derivative=lambda z: (beta * z).sigmoid_(),
        citation="Dugas, Bengio, Bélisle, Nadeau, Garcia 2001, Incorporating Second-Order "
        "Functional Knowledge for Better Option Pricing, NIPS",
        saturation=0.0,
        torch_code=f"nn.Softplus(beta={beta!r}, threshold=40.0)",
        keras_code="keras.activations.softplus"
        if beta == 1
        else f"lambda z: keras.ops.softplus({beta!r} * z) / {beta!r}",
        parameters=(Parameter("beta", 1.0, 0.1, 20.0, "β", "Sharpness of the bend."),),
        values=(("beta", beta),),
    )


def softsign() -> Activation:
    """Returns softsign, ``z / (1 + |z|)`` (Bergstra et al. 2009)."""
    return Activation(
        name="softsign",
        label="Softsign",
        formula="z / (1 + |z|)",
        fn=F.softsign,
        derivative=lambda z: z.abs().add_(1).square_().reciprocal_(),
        citation="Bergstra, Desjardins, Lamblin, Bengio 2009, Quadratic Polynomials Learn Better "
        "Image Features, report 1337, Université de Montréal",
        saturation=-1.0,
        torch_code="nn.Softsign()",
        keras_code="keras.activations.softsign",
    )


def erf() -> Activation:
    """Returns the error function (Williams 1997)."""
    return Activation(
        name="erf",
        label="erf",
        formula="erf z",
        fn=torch.erf,
        fn_=torch.erf_,
        derivative=lambda z: z.square().neg_().exp_().mul_(2 / math.sqrt(math.pi)),
        citation="Williams 1997, Computing with Infinite Networks, NIPS",
        moments=erf_moments,
        saturation=-1.0,
        largest_slope=2 / math.sqrt(math.pi),
        torch_code="torch.erf",
        keras_code="keras.ops.erf",
    )


def sin(omega_0: float = 1.0) -> Activation:
    """Returns the sine, ``sin(omega_0 z)`` (Sitzmann et al. 2020, SIREN, where omega_0 is 30)."""
    plain = omega_0 == 1
    return Activation(
        name="sin",
        label="Sine" if plain else f"Sine (ω₀ = {omega_0:.4g})",
        formula="sin(ω₀ z)",
        fn=torch.sin if plain else lambda z: (omega_0 * z).sin_(),
        fn_=torch.sin_ if plain else lambda z: z.mul_(omega_0).sin_(),
        derivative=lambda z: (omega_0 * z).cos_().mul_(omega_0),
        citation="Sitzmann, Martel, Bergman, Lindell, Wetzstein 2020, Implicit Neural "
        "Representations with Periodic Activation Functions, arXiv:2006.09661",
        moments=partial(sine_moments, omega_0),
        largest_slope=omega_0,
        torch_code="torch.sin" if plain else f"lambda z: torch.sin({omega_0!r} * z)",
        keras_code="keras.ops.sin" if plain else f"lambda z: keras.ops.sin({omega_0!r} * z)",
        parameters=(Parameter("omega_0", 1.0, 0.01, 100.0, "ω₀", "Frequency."),),
        values=(("omega_0", omega_0),),
    )
