"""Constraints on a layer's singular values: the largest is one, or all are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from snn_core.constraints.constraint import Constraint, wide, worst

__all__ = ["orthogonal", "spectral_norm"]

_TRACY_WIDOM_MEAN = -1.2065335745820  # of the real case, beta = 1
_SHORTEST = 1e-30  # smaller singular values count as that
_KERAS_MATRIX = "keras.ops.reshape(w, (-1, w.shape[-1]))"


def _matrix(weight: Tensor) -> Tensor:
    """Returns ``(seeds, short, long)`` in float64: (out, fan_in), laid on its longer side."""
    matrix = weight.flatten(2).double()
    return matrix if matrix.shape[1] <= matrix.shape[2] else matrix.mT


def _finite(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the matrices, zero where not finite, and which are finite, ``(seeds, 1, 1)``.

    LAPACK raises on a NaN, and one diverged seed must not end the others.
    """
    finite = matrix.isfinite().flatten(1).all(1)[:, None, None]
    return torch.where(finite, matrix, 0.0), finite


def _gram(matrix: Tensor) -> Tensor:
    return matrix @ matrix.mT


def _largest(weight: Tensor) -> Tensor:
    """Returns the largest singular values, ``(seeds, 1, 1)``, NaN for a seed not finite.

    Where autograd records, from eigenvectors too, which give the exact gradient u v^T (Miyato et
    al. 2018, arXiv:1802.05957, eq. 8).
    """
    matrix, finite = _finite(_matrix(weight))
    squares = torch.linalg.eigvalsh(_gram(matrix))[:, -1:, None]
    positive = squares > 0.0  # the root of zero has no slope
    largest = torch.where(positive, torch.where(positive, squares, 1.0).sqrt(), 0.0)
    return torch.where(finite, largest, torch.nan)


def _by_largest(weight: Tensor) -> Tensor:
    largest = _largest(weight)
    factor = torch.where(largest == 0.0, 1.0, 1.0 / largest).to(weight.dtype)
    return weight * factor.reshape(-1, *[1] * (weight.ndim - 1))


def spectral_norm() -> Constraint:
    """Returns the constraint that the largest singular value of (out, fan_in) is one."""

    def row_moments(
        tau: float, omega_squared: float, fan_in: int, fan_out: int, kurtosis: float
    ) -> tuple[float, float]:
        if tau <= 0.0:
            return 0.0, 0.0
        factor = 1.0 / (tau / fan_in * _largest_square(fan_in, fan_out))
        return factor * tau, factor * omega_squared

    return Constraint(
        name="spectral_norm",
        label="Spectral norm",
        formula="W <- W / sigma_max(W)",
        apply=_by_largest,
        violation=lambda weight: worst(_largest(weight) - 1.0).to(wide(weight)),
        row_moments=row_moments,
        citation="Miyato, Kataoka, Koyama, Yoshida 2018, arXiv:1802.05957",
        torch_code="weight.div_(torch.linalg.matrix_norm(weight.flatten(1), 2))",
        keras_code=f"lambda w: w / keras.ops.norm({_KERAS_MATRIX}, ord=2)",
        note=(
            "Exact, where nn.utils.parametrizations.spectral_norm iterates once a step. "
            "A zero weight stays zero."
        ),
    )


def _largest_square(fan_in: int, fan_out: int) -> float:
    """Returns E[sigma_max^2] of a (fan_out, fan_in) matrix with entries of variance 1.

    (a + b)^2 + E[TW1] (a + b) (1/a + 1/b)^(1/3), a = sqrt(fan_in - 1/2), b = sqrt(fan_out - 1/2):
    Johnstone 2001's law with the halves of Ma 2012, arXiv:0810.1329. Within 1 % of simulation
    from a single unit up; without the halves it is 5 % off for an output layer of one.
    """
    a, b = (fan_in - 0.5) ** 0.5, (fan_out - 0.5) ** 0.5
    edge = (a + b) ** 2 + _TRACY_WIDOM_MEAN * (a + b) * (1.0 / a + 1.0 / b) ** (1.0 / 3.0)
    return max(edge, fan_in, fan_out)  # a row or a column alone is that long


def _polar(matrix: Tensor) -> Tensor:
    """Returns the orthogonal polar factors of ``(seeds, short, long)``: U V^T of the SVD.

    A training step leaves a matrix nearly orthogonal; then a few Newton-Schulz steps
    X <- X - (X X^T - 1) X / 2, which square the defect, cost a third of an SVD at width 256.
    """
    x, finite = _finite(matrix)
    identity = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    defect = _gram(x) - identity
    far = torch.linalg.matrix_norm(defect) > 0.5  # below, convergence is certain
    nothing = (x == 0.0).all((1, 2), keepdim=True)  # has no direction to keep
    if far.any():
        u, _, v = torch.linalg.svd(x[far], full_matrices=False)
        x[far] = u @ v  # orthogonal also where the rank is deficient
        defect = _gram(x) - identity
    for _ in range(6):
        x = x - 0.5 * defect @ x
        if defect.abs().amax() < 1e-7:  # and now its square
            break
        defect = _gram(x) - identity
    return torch.where(finite, torch.where(nothing, 0.0, x), torch.nan)


class _Polar(torch.autograd.Function):
    """`_polar` by the SVD A = U S V^T, to differentiate.

    With M = U^T G V for the cotangent G the gradient is
    U [(M - M^T) / (s_i + s_j)] V^T + U S^-1 U^T G (1 - V V^T). Sums of singular values, not
    differences as in the SVD's own gradient, which does not exist where all of them are one.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:  # noqa: ANN401  torch's own context
        x, finite = _finite(matrix)
        u, s, v = torch.linalg.svd(x, full_matrices=False)
        nothing = s[:, :1, None] == 0.0
        ctx.save_for_backward(u, s, v, nothing)
        return torch.where(finite, torch.where(nothing, 0.0, u @ v), torch.nan)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> Tensor:  # noqa: ANN401
        u, s, v, nothing = ctx.saved_tensors
        inner = u.mT @ torch.where(nothing, 0.0, cotangent)
        m = inner @ v.mT
        turned = (m - m.mT) / (s[:, :, None] + s[:, None, :]).clamp(min=_SHORTEST)
        outside = (inner - m @ v) / s[:, :, None].clamp(min=_SHORTEST)
        return u @ (turned @ v + outside)


def _nearest_orthogonal(weight: Tensor) -> Tensor:
    # the gradient needs an SVD anyway, and a projection is faster without
    records = weight.requires_grad and torch.is_grad_enabled()
    factor = (_Polar.apply if records else _polar)(_matrix(weight))
    upright = weight.shape[1] <= weight[0, 0].numel()
    return (factor if upright else factor.mT).reshape(weight.shape).to(weight.dtype)


def orthogonal() -> Constraint:
    """Returns the constraint W W^T = 1, or W^T W = 1 where units outnumber inputs."""

    def violation(weight: Tensor) -> Tensor:
        gram = _gram(_matrix(weight))
        identity = torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device)
        return worst(gram - identity).to(wide(weight))

    def row_moments(
        tau: float, omega_squared: float, fan_in: int, fan_out: int, kurtosis: float
    ) -> tuple[float, float]:
        # min(n, m) singular values of one are shared by m rows; flipping the sign of an input
        # flips a column of both W and its factor, so omega^2 keeps its ratio to tau.
        after = min(1.0, fan_in / fan_out)
        return (after, after * omega_squared / tau) if tau > 0.0 else (0.0, 0.0)

    return Constraint(
        name="orthogonal",
        label="Orthogonal (nearest semi-orthogonal matrix)",
        formula="W = U S V^T <- U V^T",
        apply=_nearest_orthogonal,
        violation=violation,
        row_moments=row_moments,
        citation="Higham 1986, Computing the Polar Decomposition, SIAM J. Sci. Stat. Comput. 7",
        torch_code=(
            "u, _, v = torch.linalg.svd(weight.flatten(1), full_matrices=False); "
            "weight.copy_((u @ v).view_as(weight))"
        ),
        keras_code=(
            "lambda w: keras.ops.reshape(keras.ops.matmul(*keras.ops.svd("
            f"{_KERAS_MATRIX}, full_matrices=False)[::2]), w.shape)"
        ),
        note=(
            "The nearest matrix with orthonormal rows, or columns where there are more rows. "
            "A zero weight stays zero."
        ),
    )
