"""The projections as functions that autograd differentiates, for parametrized weights.

Weights are ``(seeds, out, in, *kernel)``, float32 or float64, as in `Constraint`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = [
    "centralize_layer",
    "centralize_unit",
    "max_norm",
    "orthogonal",
    "spectral_norm",
    "standardize_unit",
    "with_norm",
]

_SHORTEST = 1e-30  # as in units.py: shorter vectors count as zero


def _axes(weight: Tensor) -> tuple[int, ...]:
    return tuple(range(2, weight.ndim))


def _norm(weight: Tensor) -> Tensor:
    return torch.linalg.vector_norm(weight, dim=_axes(weight), keepdim=True)


def centralize_layer(weight: Tensor) -> Tensor:
    """Returns the weight minus the mean over all units of its seed."""
    return weight - weight.mean(tuple(range(1, weight.ndim)), keepdim=True)


def centralize_unit(weight: Tensor) -> Tensor:
    """Returns the weight minus every unit's mean."""
    return weight - weight.mean(_axes(weight), keepdim=True)


def standardize_unit(weight: Tensor) -> Tensor:
    """Returns every unit centred and of norm 1; a unit of equal weights becomes zero."""
    centred = centralize_unit(centralize_unit(weight))
    norm = _norm(centred)
    lives = norm > 16.0 * torch.finfo(weight.dtype).eps * _norm(weight.detach()) + _SHORTEST
    lives = lives | norm.isnan()
    return torch.where(lives, centred / torch.where(lives, norm, 1.0), 0.0)


def with_norm(weight: Tensor, length: float = 1.0) -> Tensor:
    """Returns every unit scaled to that norm; a zero unit stays zero."""
    norm = _norm(weight)
    lives = (norm > _SHORTEST) | norm.isnan()
    return weight * torch.where(lives, length / torch.where(lives, norm, 1.0), 1.0)


def max_norm(weight: Tensor, limit: float) -> Tensor:
    """Returns every unit that is longer than the limit scaled to it."""
    norm = _norm(weight)
    return weight * torch.where(norm > limit, limit / norm.clamp(min=limit), 1.0)


def spectral_norm(weight: Tensor) -> Tensor:
    """Returns the weight divided by its largest singular value, which is ``u^T W v``.

    The singular vectors count as constants: that gives the exact gradient (Miyato et al. 2018,
    arXiv:1802.05957, eq. 8).
    """
    matrix = weight.flatten(2)
    with torch.no_grad():
        u, _, v = _svd(matrix)
        u, v = u[:, :, :1], v[:, :1, :]
    largest = (u * (matrix @ v.mT)).sum((1, 2))
    factor = 1.0 / torch.where(largest == 0.0, 1.0, largest)
    return weight * factor.reshape(-1, *[1] * (weight.ndim - 1))


def _svd(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The thin SVD in float64, of zeros where a seed is not finite: LAPACK raises on a NaN."""
    finite = matrix.isfinite().flatten(1).all(1)[:, None, None]
    u, s, v = torch.linalg.svd(torch.where(finite, matrix, 0.0).double(), full_matrices=False)
    return u.to(matrix.dtype), s.to(matrix.dtype), v.to(matrix.dtype)


class _Polar(torch.autograd.Function):
    """U V^T of A = U S V^T, with n <= m rows.

    From A = P Q with P symmetric: with M = U^T G V for the cotangent G,
    dA = U [(M - M^T) / (s_i + s_j)] V^T + U S^-1 U^T G (1 - V V^T). Sums of singular values, not
    differences as in the SVD's own gradient, which does not exist where all of them are one.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:  # noqa: ANN401  torch's own context
        u, s, v = _svd(matrix)
        ctx.save_for_backward(u, s, v)
        finite = matrix.isfinite().flatten(1).all(1)[:, None, None]
        return torch.where(finite, u @ v, torch.nan)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> Tensor:  # noqa: ANN401
        u, s, v = ctx.saved_tensors
        inner = u.mT @ cotangent
        m = inner @ v.mT
        turned = (m - m.mT) / (s[:, :, None] + s[:, None, :]).clamp(min=_SHORTEST)
        outside = (inner - m @ v) / s[:, :, None].clamp(min=_SHORTEST)
        return u @ (turned @ v + outside)


def orthogonal(weight: Tensor) -> Tensor:
    """Returns the nearest semi-orthogonal matrix, the orthogonal polar factor."""
    matrix = weight.flatten(2)
    wide = matrix.shape[1] <= matrix.shape[2]
    factor = _Polar.apply(matrix if wide else matrix.mT)
    return (factor if wide else factor.mT).reshape(weight.shape)
