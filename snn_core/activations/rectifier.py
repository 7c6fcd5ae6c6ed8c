"""Piecewise linear and quadratic activations: rectifiers, clipped lines, the identity."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from snn_core.activations.activation import Activation, unit_gradient
from snn_core.activations.closed_forms import (
    identity_moments,
    piecewise_exponential_moments,
    piecewise_polynomial_moments,
)
from snn_core.tables import Parameter

__all__ = [
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "identity",
    "leaky_relu",
    "prelu",
    "relu",
    "relu6",
]

_HOWARD = "Howard et al. 2019, Searching for MobileNetV3, arXiv:1905.02244"
_aten = torch.ops.aten


def relu() -> Activation:
    """Returns ReLU, ``max(z, 0)`` (Nair and Hinton 2010)."""
    return Activation(
        name="relu",
        label="ReLU",
        formula="max(z, 0)",
        fn=torch.relu,
        fn_=torch.relu_,
        pull=lambda g, h: _aten.threshold_backward(g, h, 0.0),
        derivative=lambda z: _aten.threshold_backward(unit_gradient(z), z, 0),
        citation="Nair, Hinton 2010, Rectified Linear Units Improve Restricted Boltzmann "
        "Machines, ICML",
        kinks=(0.0,),
        moments=partial(piecewise_exponential_moments, 1.0, 0.0, 1.0, 0.0),
        slopes=(0.0, 1.0),
        saturation=0.0,
        torch_code="nn.ReLU()",
        keras_code="keras.activations.relu",
    )


def relu6() -> Activation:
    """Returns ReLU6, ``min(max(z, 0), 6)`` (Krizhevsky 2010)."""
    return Activation(
        name="relu6",
        label="ReLU6",
        formula="min(max(z, 0), 6)",
        fn=F.relu6,
        fn_=lambda z: F.hardtanh_(z, 0.0, 6.0),
        derivative=lambda z: _aten.hardtanh_backward(unit_gradient(z), z, 0.0, 6.0),
        citation="Krizhevsky 2010, Convolutional Deep Belief Networks on CIFAR-10, manuscript",
        kinks=(0.0, 6.0),
        moments=partial(piecewise_polynomial_moments, (0.0, 6.0), ((0,), (0, 1), (6,))),
        saturation=0.0,
        torch_code="nn.ReLU6()",
        keras_code="keras.activations.relu6",
    )


def _leaky(
    name: str,
    label: str,
    slope: float,
    parameter: Parameter,
    citation: str,
    codes: tuple[str, str],
) -> Activation:
    """Returns ``z if z > 0 else slope z``."""
    return Activation(
        name=name,
        label=label,
        formula=f"z for z > 0, {'a' if name == 'prelu' else 'slope'} · z for z ≤ 0",
        fn=lambda z: F.leaky_relu(z, slope),
        fn_=lambda z: F.leaky_relu(z, slope, inplace=True),
        derivative=lambda z: _aten.leaky_relu_backward(unit_gradient(z), z, slope, False),
        citation=citation,
        kinks=(0.0,),
        moments=partial(piecewise_exponential_moments, 1.0, 0.0, 1.0, slope),
        slopes=(slope, 1.0),
        saturation=None if slope else 0.0,
        largest_slope=max(1.0, slope),
        torch_code=codes[0],
        keras_code=codes[1],
        parameters=(parameter,),
        values=((parameter.name, slope),),
        note="The slope a is learned in torch; theory and plots show its initial value."
        if name == "prelu"
        else "",
    )


def leaky_relu(negative_slope: float = 0.01) -> Activation:
    """Returns leaky ReLU, ``z if z > 0 else negative_slope z`` (Maas et al. 2013)."""
    return _leaky(
        "leaky_relu",
        f"Leaky ReLU ({negative_slope:.4g})",
        negative_slope,
        Parameter("negative_slope", 0.01, 0.0, 2.0, "negative slope", "Slope left of 0."),
        "Maas, Hannun, Ng 2013, Rectifier Nonlinearities Improve Neural Network Acoustic Models, "
        "ICML workshop",
        (
            f"nn.LeakyReLU({negative_slope!r})",
            f"lambda z: keras.activations.leaky_relu(z, negative_slope={negative_slope!r})",
        ),
    )


def prelu(init: float = 0.25) -> Activation:
    """Returns PReLU at its initial slope, ``z if z > 0 else init z`` (He et al. 2015)."""
    return _leaky(
        "prelu",
        f"PReLU (init {init:.4g})",
        init,
        Parameter("init", 0.25, 0.0, 2.0, "initial slope", "Slope left of 0 before training."),
        "He, Zhang, Ren, Sun 2015, Delving Deep into Rectifiers, arXiv:1502.01852",
        (
            f"nn.PReLU(init={init!r})",
            f"keras.layers.PReLU(alpha_initializer=keras.initializers.Constant({init!r}))",
        ),
    )


def hardtanh(min_val: float = -1.0, max_val: float = 1.0) -> Activation:
    """Returns hard tanh, ``min(max(z, min_val), max_val)`` (Collobert 2004)."""
    standard = (min_val, max_val) == (-1.0, 1.0)
    pieces = ((min_val,), (0.0, 1.0), (max_val,))
    return Activation(
        name="hardtanh",
        label="Hard tanh" if standard else f"Hard tanh [{min_val:.4g}, {max_val:.4g}]",
        formula="min(max(z, min), max)",
        fn=lambda z: F.hardtanh(z, min_val, max_val),
        fn_=lambda z: F.hardtanh_(z, min_val, max_val),
        derivative=lambda z: _aten.hardtanh_backward(unit_gradient(z), z, min_val, max_val),
        citation="Collobert 2004, Large Scale Machine Learning, thesis, Université Paris VI",
        kinks=(min_val, max_val),
        moments=partial(piecewise_polynomial_moments, (min_val, max_val), pieces),
        saturation=min_val,
        torch_code=f"nn.Hardtanh({min_val!r}, {max_val!r})",
        keras_code=f"lambda z: keras.ops.clip(z, {min_val!r}, {max_val!r})",
        parameters=(
            Parameter("min_val", -1.0, -20.0, -0.01, "minimum", "Value on the left."),
            Parameter("max_val", 1.0, 0.01, 20.0, "maximum", "Value on the right."),
        ),
        values=(("min_val", min_val), ("max_val", max_val)),
    )


def hardsigmoid() -> Activation:
    """Returns hard sigmoid as torch has it, ``relu6(z + 3) / 6`` (Howard et al. 2019)."""
    return Activation(
        name="hardsigmoid",
        label="Hard sigmoid",
        formula="min(max(z + 3, 0), 6) / 6",
        fn=F.hardsigmoid,
        fn_=lambda z: F.hardsigmoid(z, inplace=True),
        # Not torch's kernel, which holds 1/6 as a float32 in float64 too.
        derivative=lambda z: ((z > -3) & (z < 3)).to(z.dtype).div_(6),
        citation=_HOWARD,
        kinks=(-3.0, 3.0),
        moments=partial(piecewise_polynomial_moments, (-3.0, 3.0), ((0,), (0.5, 1 / 6), (1,))),
        saturation=0.0,
        largest_slope=1 / 6,
        torch_code="nn.Hardsigmoid()",
        keras_code="keras.activations.hard_sigmoid",
    )


def hardswish() -> Activation:
    """Returns hard swish, ``z relu6(z + 3) / 6`` (Howard et al. 2019)."""
    return Activation(
        name="hardswish",
        label="Hard swish",
        formula="z · min(max(z + 3, 0), 6) / 6",
        fn=F.hardswish,
        fn_=lambda z: F.hardswish(z, inplace=True),
        derivative=lambda z: _aten.hardswish_backward(unit_gradient(z), z),
        citation=_HOWARD,
        kinks=(-3.0, 3.0),
        moments=partial(
            piecewise_polynomial_moments, (-3.0, 3.0), ((0,), (0, 0.5, 1 / 6), (0, 1))
        ),
        saturation=0.0,
        largest_slope=1.5,
        torch_code="nn.Hardswish()",
        keras_code="lambda z: z * keras.activations.relu6(z + 3.0) / 6.0",
    )


def identity() -> Activation:
    """Returns the identity, which makes a deep linear network (Saxe et al. 2014)."""
    return Activation(
        name="identity",
        label="Identity",
        formula="z",
        fn=lambda z: z,
        fn_=lambda z: z,
        derivative=torch.ones_like,
        citation="Saxe, McClelland, Ganguli 2014, Exact Solutions to the Nonlinear Dynamics of "
        "Learning in Deep Linear Neural Networks, arXiv:1312.6120",
        moments=identity_moments,
        torch_code="nn.Identity()",
        keras_code="keras.activations.linear",
    )
