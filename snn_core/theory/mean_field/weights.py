"""What a layer's weights are to the theory: the two moments of a row."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from snn_core.settings import LayerPlan, NetworkSpec, constraint_of, initializer_of

__all__ = ["RowLaw", "drawn_rows", "projected_rows", "scaled_rows"]


@dataclass(frozen=True)
class RowLaw:
    """Moments of one unit's weights, its row w of the layer's matrix.

    Attributes:
        tau: E[sum w^2].
        omega_squared: E[(sum w)^2].
        fan_in: Entries of the row.
    """

    tau: float
    omega_squared: float
    fan_in: int

    @property
    def spread(self) -> float:
        """A in E[(w.x)^2] = A mean(x^2) + (B - A) mean(x)^2, for exchangeable entries.

        The sum over j of E[w_j^2] x_j^2 and over i != j of E[w_i w_j] x_i x_j, with
        E[w_i w_j] = (omega_squared - tau) / (n (n - 1)), gives
        A = (n tau - omega_squared) / (n - 1) and B = omega_squared. Independent zero-mean entries
        have A = B = tau; centralized rows have B = 0, so only the variance of x counts.
        """
        n = self.fan_in
        return self.tau if n == 1 else (n * self.tau - self.omega_squared) / (n - 1)

    @property
    def shared(self) -> float:
        """B - A, the weight of the squared mean of the inputs."""
        return self.omega_squared - self.spread


@functools.lru_cache(maxsize=1024)  # most layers of a network are alike
def drawn_rows(net: NetworkSpec, layer: LayerPlan) -> RowLaw:
    """Returns the rows as drawn and projected: initializer, weight factor, constraint."""
    law = initializer_of(net)
    factor = 1.0 if law.calibrated else net.weight_factor
    variance = law.variance(layer.fan_in, layer.fan_out, layer.kernel**2) * factor
    tau = layer.fan_in * variance
    # Independent entries have omega^2 = tau; orthogonal rows too, since signs are symmetric.
    return projected_rows(net, layer, RowLaw(tau, tau, layer.fan_in))


def projected_rows(net: NetworkSpec, layer: LayerPlan, rows: RowLaw) -> RowLaw:
    """Returns the rows after the network's constraint."""
    law, rule = initializer_of(net), constraint_of(net)
    n, units = layer.fan_in, layer.outputs
    moments = rule.row_moments
    if law.law == "independent" or rule.name not in ("spectral_norm", "orthogonal"):
        kurtosis = law.kurtosis if law.law == "independent" else _row_kurtosis(law.law, layer)
        return RowLaw(*moments(rows.tau, rows.omega_squared, n, units, kurtosis), n)
    # All singular values are equal already: both constraints just set them to 1.
    rank = layer.inputs if law.law == "delta" else n
    tau = min(1.0, rank / units) if rows.tau > 0.0 else 0.0
    if law.law == "delta" and rule.name == "orthogonal" and rank < min(n, units):
        tau = float("nan")  # the missing singular values are filled with arbitrary directions
    return RowLaw(tau, tau, n)


def scaled_rows(rows: RowLaw, factor: float) -> RowLaw:
    """Returns the rows with every weight's square multiplied by the factor."""
    return RowLaw(rows.tau * factor, rows.omega_squared * factor, rows.fan_in)


def _row_kurtosis(law: str, layer: LayerPlan) -> float:
    """Returns the kurtosis that gives sum w^2 of a Haar-distributed row its own variance.

    The squared norm of m coordinates of a unit vector in R^out has the beta law's relative
    variance 2 (1 - m/out) / m; rows are unit vectors themselves where m >= out.
    """
    m = layer.inputs if law == "delta" else layer.fan_in
    relative = max(0.0, 2.0 * (1.0 - m / layer.outputs) / m)
    return 1.0 + layer.fan_in * relative
