"""How one layer moves the moments of its input, and the correlation of two inputs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from snn_core.activations import Activation, activation, gaussian_moments
from snn_core.gaussian import gaussian_input, quadrature_mean, split_nodes

__all__ = ["MomentMap", "correlation_map", "moment_map"]

_POINTS = 40  # points at a time; each has some hundred outer nodes


class MomentMap(NamedTuple):
    """Moments of a unit's activation, given those of its inputs and its weights' sums.

    ``jacobian`` is ``[[d mean~/d mean, d mean~/d variance], [d variance~/d mean, d variance~/d
    variance]]`` on two more axes; the other fields have the broadcast shape of the inputs.
    """

    mean: np.ndarray
    variance: np.ndarray
    second_moment: np.ndarray
    derivative_second_moment: np.ndarray
    jacobian: np.ndarray


@np.errstate(all="ignore")  # of an f that grows fast the moments overflow; the result says so
def moment_map(
    act: str | Activation,
    mean: ArrayLike,
    variance: ArrayLike,
    omega: ArrayLike = 0.0,
    tau: ArrayLike = 1.0,
) -> MomentMap:
    """Returns the map g of the moments through one unit (Klambauer et al. 2017, mapping g).

    The pre-activation is z ~ N(mean omega, variance tau), with omega the sum of the unit's weights
    and tau the sum of their squares. All arguments broadcast. Variance is about the mean: the
    paper's nu, not a second moment.

    >>> m = moment_map("selu", 0.0, 1.0)
    >>> bool(abs(m.mean) < 1e-12 and abs(m.variance - 1) < 1e-12)
    True

    Raises:
        ValueError: A variance or tau is negative, something is not finite, the name is unknown.
    """
    mu, nu = gaussian_input(mean, variance)
    omega, tau = np.asarray(omega, np.float64), np.asarray(tau, np.float64)
    for name, values, good in (("omega", omega, True), ("tau", tau, tau >= 0)):
        bad = ~(np.isfinite(values) & good)
        if bad.any():
            kind = "finite and at least 0" if name == "tau" else "a finite number"
            raise ValueError(f"{name} must be {kind}, got {values[bad].flat[0]}.")
    result = gaussian_moments(act, mu * omega, nu * tau)
    scale = np.stack(np.broadcast_arrays(omega, tau), axis=-1)[..., None, :]
    return MomentMap(
        result.mean,
        result.variance,
        result.second_moment,
        result.derivative_second_moment,
        result.jacobian * scale,
    )


def correlation_map(
    act: str | Activation, variance: ArrayLike, correlation: ArrayLike, mean: ArrayLike = 0.0
) -> np.ndarray:
    """Returns E f(z1) f(z2) for z1, z2 ~ N(mean, variance) of that correlation.

    Given z1, z2 is N(mean + c (z1 - mean), q (1 - c^2)), so that one outer integral over z1 of
    f(z1) E[f(z2) | z1] remains (the C map of Poole et al. 2016, arXiv:1606.05340, whose inner
    integral is E f, in closed form for many f).
    Arguments broadcast; some 1e-12 relative.

    >>> round(float(correlation_map("identity", 2.0, 0.5)), 12)
    1.0

    Raises:
        ValueError: A correlation is not in [-1, 1], a variance is negative, the name is unknown.
    """
    act = activation(act)
    m, q = gaussian_input(mean, variance)
    c = np.asarray(correlation, np.float64)
    bad = ~(np.abs(c) <= 1)
    if bad.any():
        raise ValueError(f"correlation must be between -1 and 1, got {c[bad].flat[0]}.")
    m, q, c = np.broadcast_arrays(m, q, c)
    flat = [array.ravel() for array in (m, q, c)]
    result = np.concatenate([np.zeros(0)] + [
        _correlated(act, *(array[start : start + _POINTS] for array in flat))
        for start in range(0, m.size, _POINTS)
    ]).reshape(m.shape)  # fmt: skip
    ends = (c == 0) | (c == 1)
    if ends.any():  # to the last digit what the moments say
        moments = gaussian_moments(act, m[ends], q[ends])
        result[ends] = np.where(c[ends] == 1, moments.second_moment, moments.mean**2)
    return result


def _correlated(act: Activation, m: np.ndarray, q: np.ndarray, c: np.ndarray) -> np.ndarray:
    s = np.maximum(np.sqrt(q), 1e-150)
    kinks = (0.0, *act.kinks)
    # E[f(z2) | z1] bends where the mean of z2 crosses a kink; sharply so for c near 1.
    safe = np.where(np.abs(c) < 1e-3, 1e-3, c)
    cuts = [*kinks, *(m + (kink - m) / safe for kink in kinks)]
    t, weight = split_nodes(m, s, cuts)
    step = s[:, None] * t
    outer = act.fn(torch.from_numpy(m[:, None] + step)).numpy()
    centre = m[:, None] + c[:, None] * step
    rest = np.broadcast_to((q * (1 - c) * (1 + c))[:, None], centre.shape)
    return np.einsum("pn,pn,pn->p", weight, outer, _inner_mean(act, centre, rest))


def _inner_mean(act: Activation, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    if act.moments is None:
        return quadrature_mean(act.fn, act.kinks, mean, variance)
    inner = act.moments(mean, variance).mean
    still = np.isnan(inner)  # variance 0
    if still.any():
        inner = np.where(still, act.fn(torch.from_numpy(mean)).numpy(), inner)
    return inner
