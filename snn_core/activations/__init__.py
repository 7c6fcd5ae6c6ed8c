"""Activations: the table, look-up by name, and Gaussian moments.

To add one, write a function that returns an ``Activation`` in its family's file and add it to
``_MAKERS``. A formula stands wherever a name does: ``"=1.6*tanh(z)"``.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike

from snn_core.activations.activation import Activation
from snn_core.activations.exponential import celu, elu, lselu, scaled_elu, selu, sselu
from snn_core.activations.formulas import LONGEST, SELU_FORMULA, formula, is_formula
from snn_core.activations.rectifier import (
    hardsigmoid,
    hardswish,
    hardtanh,
    identity,
    leaky_relu,
    prelu,
    relu,
    relu6,
)
from snn_core.activations.smooth import (
    erf,
    gelu,
    gelu_tanh,
    mish,
    sigmoid,
    silu,
    sin,
    softplus,
    softsign,
    tanh,
)
from snn_core.gaussian import GaussianMoments, gaussian_input, quadrature_moments
from snn_core.tables import pick, settle

__all__ = [
    "ACTIVATIONS",
    "LECUN",
    "LONGEST",
    "SELU_FORMULA",
    "Activation",
    "activation",
    "called",
    "formula",
    "gaussian_moments",
    "is_formula",
    "suits_lecun",
]

_MAKERS = (
    selu, lselu, sselu, elu, celu, scaled_elu,
    relu, relu6, leaky_relu, prelu,
    gelu, gelu_tanh, silu, mish, hardswish,
    tanh, hardtanh, sigmoid, hardsigmoid, softplus, softsign,
    erf, sin, identity,
)  # fmt: skip

ACTIVATIONS: dict[str, Activation] = {make.__name__: make() for make in _MAKERS}


# For weights of tau = 1: slope about 1 at 0, or self-normalizing. The others are about half a
# line, and tau = 2 makes up for the other half.
LECUN = (
    *("selu", "lselu", "sselu", "scaled_elu", "identity", "tanh", "hardtanh", "erf"),
    *("softsign", "sin"),
)


def activation(name: str | Activation, **parameters: float) -> Activation:
    """Returns the named activation with these parameters; an Activation is returned unchanged.

    A name that begins with "=" is a formula in z.

    >>> activation("leaky_relu", negative_slope=0.2).values
    (('negative_slope', 0.2),)
    >>> activation("=z * sigmoid(z)").formula
    'z·sigmoid(z)'

    Raises:
        ValueError: The name or a parameter is unknown, a value is out of its bounds, or a formula
            can't be read or used; the sentence says where.
    """
    if isinstance(name, Activation):
        if parameters:
            raise ValueError(f"Name the activation to set {', '.join(parameters)}: {name.name!r}.")
        return name
    default = formula(name) if is_formula(name) else pick(ACTIVATIONS, name, "activation")
    if not parameters:
        return default
    settled = settle(default.parameters, parameters, name)
    (make,) = (maker for maker in _MAKERS if maker.__name__ == name)
    return make(**settled)


def called(act: Activation) -> str:
    """Its name in a sentence; of a formula, the readable form."""
    return act.label if is_formula(act.name) else act.name


def suits_lecun(act: Activation) -> bool:
    """Whether it goes with weights of tau = 1: listed in LECUN, or a formula of slope about 1.

    >>> suits_lecun(activation("=tanh(z)")), suits_lecun(activation("=relu(z)"))
    (True, False)
    """
    if not is_formula(act.name):
        return act.name in LECUN
    beside = torch.tensor([-1e-6, 1e-6], dtype=torch.float64)
    return float(act.derivative(beside).mean().abs()) > 0.75  # half a line has 0.5


def gaussian_moments(
    act: str | Activation, mean: ArrayLike, variance: ArrayLike
) -> GaussianMoments:
    """Returns the moments of f(z), z ~ N(mean, variance), and their Jacobian; they broadcast.

    By the closed form where there is one and it is accurate, else by quadrature.

    >>> float(gaussian_moments("relu", 0.0, 2.0).second_moment)
    1.0

    Raises:
        ValueError: The name is unknown, a variance is negative, or something is not finite.
    """
    act = activation(act)
    m, v = gaussian_input(mean, variance)
    if act.moments is None:
        return quadrature_moments(act.fn, act.derivative, act.kinks, m, v)
    exact = act.moments(m, v)
    rough = np.isnan(exact.variance)
    if rough.any():
        exact = GaussianMoments(*(np.array(field) for field in exact))
        left = np.asarray(m)[rough], np.asarray(v)[rough]
        patch = quadrature_moments(act.fn, act.derivative, act.kinks, *left)
        for field, value in zip(exact, patch, strict=True):
            field[rough] = value
    return exact
