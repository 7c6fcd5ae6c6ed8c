"""Any activation, scaled and shifted so that a standard Gaussian keeps mean 0 and variance 1."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from snn_core.activations import Activation, activation, gaussian_moments
from snn_core.gaussian import GaussianMoments
from snn_core.theory.moments.fixed_points import FixedPoint, describe

__all__ = ["Affine", "normalized"]


@dataclass(frozen=True)
class Affine:
    """a f + b, of mean 0 and variance 1 for a standard Gaussian.

    Attributes:
        a, b: The two numbers; a > 0.
        eigenvalue: d(next variance) / d(variance) at (0, 1), omega = 0, tau = 1; the other
            eigenvalue is 0 there.
        kind: "attracting", "repelling" or "neutral".
        activation: a f + b as an activation.
        point: The fixed point (0, 1).
    """

    a: float
    b: float
    eigenvalue: float
    kind: Literal["attracting", "repelling", "neutral"]
    activation: Activation
    point: FixedPoint

    @property
    def attracts(self) -> bool:
        """Whether the moments of a deep network go to (0, 1) from nearby."""
        return self.kind == "attracting"


def normalized(act: str | Activation) -> Affine:
    """Returns a f + b with the fixed point (0, 1) at omega = 0 and tau = 1, for any f.

    a = 1 / sd f(z) and b = -a E f(z) for z ~ N(0, 1). It attracts if the eigenvalue
    a^2 d Var f / d variance is below 1, as SELU's; GELU's and SiLU's is above.

    >>> gelu = normalized("gelu")
    >>> round(gelu.eigenvalue, 3), gelu.kind
    (1.062, 'repelling')

    Raises:
        ValueError: The activation is unknown, or constant.
    """
    act = activation(act)
    moments = gaussian_moments(act, 0.0, 1.0)
    if not moments.variance > 0.0:
        raise ValueError(f"{act.label} is constant, so no factor gives it variance 1.")
    a = float(moments.variance) ** -0.5
    mean = float(moments.mean)
    b = -a * mean if abs(a * mean) > 1e-14 else 0.0  # an odd f has a mean by rounding alone
    made = _scaled(act, a, b)
    point = describe(made, 0.0, 1.0, (0.0, 1.0))
    eigenvalue = float(point.jacobian[1, 1])
    return Affine(a, b, eigenvalue, point.kind, made, point)


def _scaled(act: Activation, a: float, b: float) -> Activation:
    """Returns a f + b as an activation."""
    fn, derivative, exact = act.fn, act.derivative, act.moments
    moments = None if exact is None else lambda m, v: _scaled_moments(exact(m, v), a, b)

    def code(source: str) -> str:
        return source and f"lambda z: {a!r} * ({source})(z) + {b!r}"

    return replace(
        act,
        label=f"{act.label}, normalized",
        formula=f"{a:.4g} f(z) {'+' if b >= 0 else '−'} {abs(b):.4g}, f(z) = {act.formula}",
        fn=lambda z: a * fn(z) + b,
        derivative=lambda z: a * derivative(z),
        moments=moments,
        saturation=None if act.saturation is None else a * act.saturation + b,
        largest_slope=a * act.largest_slope,
        torch_code=code(act.torch_code),
        keras_code=code(act.keras_code),
        pull=None,
        fn_=None,
    )


def _scaled_moments(f: GaussianMoments, a: float, b: float) -> GaussianMoments:
    """Returns the moments of a f + b."""
    return GaussianMoments(
        a * f.mean + b,
        a * a * f.variance,
        a * a * f.second_moment + 2 * a * b * f.mean + b * b,
        a * f.derivative_mean,
        a * a * f.derivative_second_moment,
        f.jacobian * np.array([[a, a], [a * a, a * a]]),
    )
