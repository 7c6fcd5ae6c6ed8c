"""What theory says of a mean that all inputs share, at a fan-in of any size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import gammainccinv, gammaincinv, ndtr

from snn_core.settings import Experiment, activation_of
from snn_core.theory.mean_field.predict import predict
from snn_core.theory.moments.maps import moment_map

__all__ = ["PREDICTED", "ROW_LAWS", "predicted_layers"]

PREDICTED = (
    "predicted_mean",
    "predicted_variance",
    "predicted_between",
    "predicted_mean_sd",
    "predicted_noise",
)

RowLaw = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]
_USUAL = {"mean": 0.0, "variance": 1.0}  # the input law's; an experiment keeps what differs
_QUANTILES, _SHARES = np.polynomial.hermite_e.hermegauss(16)  # for a smooth integrand


def _drawn(omega: np.ndarray, rest: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The weights' part along (1, ..., 1) is omega / n each; ``rest`` is n times the square of
    the others' length, of chi-squared law with n - 1 degrees of freedom, and independent."""
    return omega, (omega**2 + rest) / n


def _centralized(omega: np.ndarray, rest: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros_like(omega), (0.0 * omega + rest) / n


def _layer_centralized(
    omega: np.ndarray, rest: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """The layer's mean omega is gone, and with it a share 1/units of omega's variance."""
    return _drawn(omega * np.sqrt(1.0 - 1.0 / n), rest, n)


def _standardized(omega: np.ndarray, rest: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros_like(omega), np.ones_like(omega + rest)


def _normed(omega: np.ndarray, rest: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    tau = (omega**2 + rest) / n
    return omega / np.sqrt(tau), np.ones_like(tau)


ROW_LAWS: dict[str, RowLaw] = {
    "none": _drawn,
    "centralize_layer": _layer_centralized,
    "centralize_unit": _centralized,
    "standardize_unit": _standardized,
    "unit_norm": _normed,
}


def predicted_layers(experiment: Experiment) -> np.ndarray:
    """Returns the numbers of PREDICTED for every layer, ``(layers, 5)``; NaN where no theory.

    The experiment is a square MLP of LeCun normal weights on Gaussian inputs.
    """
    p, share = predict(experiment), 1.0 / experiment.batch
    noise = p.within * share / (1.0 - share)
    table = np.stack([p.mean, p.variance, p.between, p.mean_sd, noise], axis=-1)[1:]
    if experiment.network.constraint in ROW_LAWS:
        table[0] = _first_layer(experiment)
    return table


def _first_layer(experiment: Experiment) -> tuple[float, ...]:
    """The same for the first layer, from the law of (omega, tau) at this very fan-in.

    With g(omega, tau) a unit's mean and s(omega, tau) its variance over the data, averages over
    that law give all of it, but for what two units have in common. A centralized layer's omegas
    add up to 0, and their covariance -1/n moves the means together by -1/n (E dg/domega)^2. And
    the noise of a finite batch is the same inputs' for all units: the covariance v w_a.w_b of
    their pre-activations counts by E f' and, squared, by E f''. Both are first orders in 1/n.
    """
    net, n = experiment.network, experiment.network.width
    mean, variance = (dict(experiment.data_parameters).get(k, d) for k, d in _USUAL.items())
    rest = 2.0 * np.where(
        _QUANTILES < 0.0,
        gammaincinv((n - 1) / 2, ndtr(_QUANTILES)),
        gammainccinv((n - 1) / 2, ndtr(-_QUANTILES)),
    )
    # A kink of f shows in g as a bend of this width in omega.
    width = np.sqrt(variance) / max(abs(mean), 1e-9)
    drawn = np.linspace(-8.5, 8.5, 2 * int(8.5 / np.clip(0.4 * width, 0.02, 0.2)) + 1)[:, None]
    weights = np.exp(-0.5 * drawn**2) * _SHARES
    weights /= weights.sum()
    omega, tau = ROW_LAWS[net.constraint](drawn, rest, n)
    if not omega.any():  # then there is one row of it only
        omega, tau, weights = omega[:1], tau[:1], weights.sum(0, keepdims=True)
    units = moment_map(activation_of(net), mean, variance, omega, tau)
    centre = float((weights * units.mean).sum())
    scatter = float((weights * (units.mean - centre) ** 2).sum())
    inside = float((weights * units.variance).sum())
    noise = inside / experiment.batch
    slopes, bends = units.jacobian[..., 0, 0], units.jacobian[..., 0, 1]
    common = float(variance * (weights * slopes).sum() ** 2)
    common += float(2.0 * (variance * (weights * bends).sum()) ** 2)
    together = 0.0
    if net.constraint == "centralize_layer":
        # Stein: E h'(omega) = E omega h / E omega^2 for a normal omega
        stein = weights * omega / (weights * omega**2).sum()
        together = -float((stein * units.mean).sum() ** 2) / n
        common -= float(variance * (stein * slopes).sum() ** 2) / n
    together += common / (n * experiment.batch)
    of_mean = max((scatter + noise) / n + (1.0 - 1.0 / n) * together, 0.0)
    pooled = inside + scatter - of_mean
    return centre, pooled, scatter - together + noise, float(np.sqrt(of_mean)), noise
