"""Constraints on single units or the layer's mean: centralizing, standardizing, norms."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from snn_core.constraints.constraint import Constraint, unit_axes, wide, worst
from snn_core.tables import Parameter

__all__ = [
    "centralize_layer",
    "centralize_unit",
    "max_norm",
    "standardize_unit",
    "unconstrained",
    "unit_norm",
    "weight_norm",
]

_KERAS_AXES = "tuple(range(len(w.shape) - 1))"  # Keras's kernels have the units last
_SHORTEST = 1e-30  # shorter vectors count as zero: in float32, dividing by them would overflow


def _omega(weight: Tensor) -> Tensor:
    """Returns the sums of the units' weights, ``(seeds, out)``."""
    return weight.sum(unit_axes(weight), dtype=wide(weight))


class _Norm(torch.autograd.Function):
    """The units' norms, float64 so that no square leaves the range; pulled back in the weight's
    own dtype, which takes a third of the time of float64."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:  # noqa: ANN401  torch's own context
        axes = unit_axes(weight)
        norm = torch.linalg.vector_norm(weight, dim=axes, keepdim=True, dtype=torch.float64)
        ctx.save_for_backward(weight, norm)
        return norm

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> Tensor:  # noqa: ANN401
        weight, norm = ctx.saved_tensors
        return weight * torch.where(norm > 0.0, cotangent / norm, 0.0).to(weight.dtype)


def _norm(weight: Tensor) -> Tensor:
    return _Norm.apply(weight)


def _centred(weight: Tensor) -> Tensor:
    return weight - weight.mean(unit_axes(weight), keepdim=True)


def _standardized(weight: Tensor) -> Tensor:
    centred = _centred(_centred(weight))  # again: rounding left is small against the rest
    norm = _norm(centred)
    # What is left of equal weights is rounding; made one long, it would have a large omega.
    smallest = 16.0 * torch.finfo(weight.dtype).eps * _norm(weight.detach()) + _SHORTEST
    lives = (norm > smallest) | norm.isnan()
    return centred * torch.where(lives, 1.0 / torch.where(lives, norm, 1.0), 0.0).to(weight.dtype)


def _with_norm(weight: Tensor, length: float) -> Tensor:
    norm = _norm(weight)
    lives = norm > _SHORTEST
    factor = torch.where(lives, length / torch.where(lives, norm, 1.0), 1.0)
    return weight * factor.to(weight.dtype)


def _up_to_norm(weight: Tensor, limit: float) -> Tensor:
    return weight * (limit / _norm(weight).clamp(min=limit)).to(weight.dtype)


def unconstrained() -> Constraint:
    """Returns the constraint that leaves every bit as it is."""

    def violation(weight: Tensor) -> Tensor:
        return torch.zeros(len(weight), dtype=wide(weight), device=weight.device)

    return Constraint(
        name="none",
        label="None",
        formula="w <- w",
        apply=lambda weight: weight,
        violation=violation,
        row_moments=lambda tau, omega_squared, fan_in, fan_out, kurtosis: (tau, omega_squared),
        citation="",
        keras_code="None",
    )


def centralize_layer() -> Constraint:
    """Returns the constraint that a layer's weights sum to zero over all units together."""

    def row_moments(
        tau: float, omega_squared: float, fan_in: int, fan_out: int, kurtosis: float
    ) -> tuple[float, float]:
        # The grand mean g = sum_o omega_o / (n m) leaves omega_o - n g: with independent units
        # E[g omega_o] = E[n g^2] = omega^2 / (n m), so tau loses that and omega^2 a share 1/m.
        share = omega_squared / fan_out
        return tau - share / fan_in, omega_squared - share

    return Constraint(
        name="centralize_layer",
        label="Centralize the layer",
        formula="w <- w - mean of all the layer's weights",
        apply=lambda weight: weight - weight.mean(tuple(range(1, weight.ndim)), keepdim=True),
        violation=lambda weight: _omega(weight).mean(1).abs(),
        row_moments=row_moments,
        citation="No paper known: a Keras kernel_constraint, w - mean(w)",
        torch_code="weight.sub_(weight.mean())",
        keras_code="lambda w: w - keras.ops.mean(w)",
        note="Subtracts the mean of the whole weight matrix. Single units keep their own omega.",
    )


def centralize_unit() -> Constraint:
    """Returns the constraint omega = 0 for every unit."""

    return Constraint(
        name="centralize_unit",
        label="Centralize every unit (omega = 0)",
        formula="w_i <- w_i - mean of unit i's weights",
        apply=_centred,
        violation=lambda weight: worst(_omega(weight)),
        row_moments=lambda tau, omega_squared, fan_in, fan_out, kurtosis: (
            tau - omega_squared / fan_in,
            0.0,
        ),
        citation="Huang, Liu, Liu, Lang, Tao 2017, Centered Weight Normalization, ICCV",
        torch_code="rows = weight.flatten(1); rows.sub_(rows.mean(1, keepdim=True))",
        keras_code=f"lambda w: w - keras.ops.mean(w, axis={_KERAS_AXES}, keepdims=True)",
        note="Subtracts each unit's mean weight: omega = 0 for every unit.",
    )


def standardize_unit() -> Constraint:
    """Returns the constraint omega = 0 and tau = 1 for every unit."""

    def violation(weight: Tensor) -> Tensor:
        tau = _norm(weight).square()
        return torch.maximum(worst(_omega(weight)), worst(tau - 1.0).to(wide(weight)))

    return Constraint(
        name="standardize_unit",
        label="Standardize every unit (omega = 0, tau = 1)",
        formula="w_i <- (w_i - mean_i) / |w_i - mean_i|",
        apply=_standardized,
        violation=violation,
        row_moments=lambda tau, omega_squared, fan_in, fan_out, kurtosis: (
            (1.0, 0.0) if tau > 0.0 and fan_in > 1 else (0.0, 0.0)
        ),
        citation="Brock, De, Smith 2021, Scaled Weight Standardization, arXiv:2101.08692",
        torch_code=(
            "rows = weight.flatten(1); rows.sub_(rows.mean(1, keepdim=True)); "
            "rows.div_(rows.norm(dim=1, keepdim=True))"
        ),
        keras_code=(
            f"lambda w: keras.constraints.UnitNorm(axis={_KERAS_AXES})"
            f"(w - keras.ops.mean(w, axis={_KERAS_AXES}, keepdims=True))"
        ),
        note="omega = 0 and tau = 1 for every unit. One whose weights are all equal becomes zero.",
    )


def unit_norm() -> Constraint:
    """Returns the constraint tau = 1 for every unit."""

    return Constraint(
        name="unit_norm",
        label="Unit norm (tau = 1)",
        formula="w_i <- w_i / |w_i|",
        apply=partial(_with_norm, length=1.0),
        violation=lambda weight: worst(_norm(weight) - 1.0).to(wide(weight)),
        row_moments=lambda tau, omega_squared, fan_in, fan_out, kurtosis: (
            (1.0, omega_squared / tau) if tau > 0.0 else (0.0, 0.0)
        ),
        citation="Keras, keras.constraints.UnitNorm",
        torch_code="rows = weight.flatten(1); rows.div_(rows.norm(dim=1, keepdim=True))",
        keras_code=f"lambda w: keras.constraints.UnitNorm(axis={_KERAS_AXES})(w)",
        note=(
            "tau = 1 for every unit. In Keras the axis must name all but the units' axis: 0 for "
            "Dense, [0, 1, 2] for Conv2D."
        ),
    )


def max_norm(limit: float = 1.0) -> Constraint:
    """Returns the constraint |w_i| <= limit for every unit."""

    def violation(weight: Tensor) -> Tensor:
        return worst((_norm(weight) - limit).clamp(min=0.0)).to(wide(weight))

    def row_moments(
        tau: float, omega_squared: float, fan_in: int, fan_out: int, kurtosis: float
    ) -> tuple[float, float]:
        clipped = _clipped_mean(tau, fan_in, kurtosis, limit**2)
        return clipped, (omega_squared * clipped / tau if tau > 0.0 else 0.0)

    return Constraint(
        name="max_norm",
        label="Max norm (tau <= limit^2)",
        formula="w_i <- w_i min(1, limit / |w_i|)",
        apply=partial(_up_to_norm, limit=limit),
        violation=violation,
        row_moments=row_moments,
        citation="Srivastava, Hinton, Krizhevsky et al. 2014, Dropout, JMLR 15, sec. 5.1",
        torch_code=f"weight.renorm_(2, 0, {limit!r})",
        keras_code=f"lambda w: keras.constraints.MaxNorm({limit!r}, axis={_KERAS_AXES})(w)",
        parameters=(Parameter("limit", 1.0, 0.01, 10.0, "Limit", "Largest norm of a unit."),),
        values=(("limit", limit),),
        note="Keras's own default limit is 2.",
    )


def _clipped_mean(tau: float, fan_in: int, kurtosis: float, limit: float) -> float:
    """Returns E[min(t, limit)] of a gamma variable t with the mean and variance of sum w^2.

    With s = tau / n and kurtosis k the variance is n (k - 1) s^2, hence shape n / (k - 1) and
    scale (k - 1) s: exact for normal weights, where t / s is chi-squared.
    """
    if kurtosis <= 1.0 or tau <= 0.0:  # all |w| alike
        return min(tau, limit)
    shape = torch.tensor(fan_in / (kurtosis - 1.0), dtype=torch.float64)
    edge = torch.tensor(limit * fan_in / (tau * (kurtosis - 1.0)), dtype=torch.float64)
    below = torch.special.gammainc(shape + 1.0, edge)
    above = torch.special.gammaincc(shape, edge)
    return float(tau * below + limit * above)


def weight_norm(gain: float = 1.0) -> Constraint:
    """Returns the constraint |w_i| = gain for every unit, with one gain for all of them."""

    return Constraint(
        name="weight_norm",
        label="Weight norm (one fixed gain)",
        formula="w_i <- gain v_i / |v_i|",
        apply=partial(_with_norm, length=gain),
        violation=lambda weight: worst(_norm(weight) - gain).to(wide(weight)),
        row_moments=lambda tau, omega_squared, fan_in, fan_out, kurtosis: (
            (gain**2, gain**2 * omega_squared / tau) if tau > 0.0 else (0.0, 0.0)
        ),
        citation="Salimans, Kingma 2016, arXiv:1602.07868, eq. 2",
        torch_code=(
            f"rows = weight.flatten(1); rows.mul_({gain!r} / rows.norm(dim=1, keepdim=True))"
        ),
        keras_code=(f"lambda w: {gain!r} * keras.constraints.UnitNorm(axis={_KERAS_AXES})(w)"),
        parameters=(Parameter("gain", 1.0, 0.01, 10.0, "Gain", "Norm of every unit."),),
        values=(("gain", gain),),
        note=(
            "Gain 1 is the unit norm. The paper learns one gain a unit: in PyTorch "
            "nn.utils.parametrizations.weight_norm. Zero units stay zero."
        ),
    )
