"""Hermite coefficients of functions of a Gaussian variable: covariances for all correlations."""

from __future__ import annotations

import functools

import numpy as np
import torch

from snn_core.activations import Activation

__all__ = ["ORDERS", "are_exact", "coefficients", "powers", "powers_of"]

ORDERS = 96
_K = np.arange(ORDERS, dtype=np.float64)


@functools.cache
def _basis(halves: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns nodes t and, ``(nodes, ORDERS)``, their weights times He_k(t) / sqrt(k!).

    Even nodes, or Gauss and Legendre's on either side of 0.
    """
    t = np.linspace(-9.0, 9.0, 601)
    weight = np.full(t.shape, t[1] - t[0])
    if halves:
        x, weight = np.polynomial.legendre.leggauss(128)
        t = np.append(6.0 * (x - 1.0), 6.0 * (x + 1.0))
        weight = np.tile(6.0 * weight, 2)
    values = np.empty((ORDERS, t.size))
    values[0] = np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi) * weight
    values[1] = t * values[0]
    for k in range(2, ORDERS):
        values[k] = (t * values[k - 1] - np.sqrt(k - 1.0) * values[k - 2]) / np.sqrt(k)
    basis = np.ascontiguousarray(values.T)
    for array in (t, basis):
        array.setflags(write=False)
    return t, basis


def are_exact(act: Activation, mean: np.ndarray | float) -> bool:
    """Whether the coefficients of f at those means are right to the last digits, kinks or not.

    Closed forms belong to functions that are smooth but where z = 0.
    """
    return act.moments is not None and not any(act.kinks) and not np.any(mean)


def coefficients(
    act: Activation, mean: np.ndarray, variance: np.ndarray, powers: int = 1
) -> np.ndarray:
    """Returns E[f(z)^p He_k(t)] / sqrt(k!) for z = mean + sqrt(variance) t, t ~ N(0, 1).

    ``(powers, *points, ORDERS)`` for p = 1, 2, ... By Mehler's formula two such z of correlation
    c have E[g(z_a) h(z_b)] = sum_k g_k h_k c^k. To the last digits where `are_exact` or f is
    smooth; else, by a trapezoidal rule, 1e-4.
    """
    t, basis = _basis(are_exact(act, mean))
    z = np.asarray(mean)[..., None] + np.sqrt(np.asarray(variance))[..., None] * t
    f = act.fn(torch.from_numpy(z)).numpy()
    raised, result = f, np.empty((powers, *f.shape[:-1], ORDERS))
    result[0] = f @ basis
    for power in range(1, powers):
        raised = raised * f  # f**3 takes twenty times as long
        result[power] = raised @ basis
    return result


def powers(correlation: float) -> np.ndarray:
    """Returns c^k for all orders."""
    return np.power(correlation, _K)


def powers_of(correlation: float) -> np.ndarray:
    """Returns ``(3, ORDERS)``: c^k and its first two derivatives."""
    result = np.zeros((3, ORDERS))
    result[0] = powers(correlation)
    np.multiply(_K[1:], result[0, :-1], out=result[1, 1:])
    np.multiply(_K[1:], result[1, :-1], out=result[2, 1:])
    return result
