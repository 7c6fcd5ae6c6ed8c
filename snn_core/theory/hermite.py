"""Hermite coefficients of functions of a Gaussian variable: covariances for all correlations."""

from __future__ import annotations

import functools

import numpy as np
import torch

from snn_core.activations import Activation

__all__ = ["ORDERS", "coefficients", "powers_of"]

ORDERS = 96
_REACH, _NODES = 9.0, 601


@functools.cache
def _basis() -> tuple[np.ndarray, np.ndarray]:
    """Returns even nodes t and, ``(nodes, ORDERS)``, their weights times He_k(t) / sqrt(k!)."""
    t = np.linspace(-_REACH, _REACH, _NODES)
    values = np.empty((ORDERS, t.size))
    values[0] = np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi) * (t[1] - t[0])
    values[1] = t * values[0]
    for k in range(2, ORDERS):
        values[k] = (t * values[k - 1] - np.sqrt(k - 1.0) * values[k - 2]) / np.sqrt(k)
    basis = np.ascontiguousarray(values.T)
    for array in (t, basis):
        array.setflags(write=False)
    return t, basis


def coefficients(
    act: Activation, mean: np.ndarray, variance: np.ndarray, powers: int = 1
) -> np.ndarray:
    """Returns E[f(z)^p He_k(t)] / sqrt(k!) for z = mean + sqrt(variance) t, t ~ N(0, 1).

    ``(powers, *points, ORDERS)`` for p = 1, 2, ... By Mehler's formula two such z of correlation
    c have E[g(z_a) h(z_b)] = sum_k g_k h_k c^k. Trapezoidal rule: to the last digits for smooth
    f, 1e-4 where f has kinks.
    """
    t, basis = _basis()
    z = np.asarray(mean)[..., None] + np.sqrt(np.asarray(variance))[..., None] * t
    f = act.fn(torch.from_numpy(z)).numpy()
    return np.stack([f**p @ basis for p in range(1, powers + 1)])


def powers_of(correlation: float) -> np.ndarray:
    """Returns ``(3, ORDERS)``: c^k and its first two derivatives."""
    k = np.arange(ORDERS, dtype=np.float64)
    c = np.power(correlation, k)
    first = np.concatenate([[0.0], k[1:] * c[:-1]])
    second = np.concatenate([[0.0, 0.0], k[2:] * k[1:-1] * c[:-2]])
    return np.stack([c, first, second])
