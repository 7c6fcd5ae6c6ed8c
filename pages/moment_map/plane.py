"""The moment map: what is asked for, and what the core computes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pages.moment_map import proofs
from snn_core.activations import Activation
from snn_core.settings import Experiment, from_query, to_query
from snn_core.theory.moments.fixed_points import FixedPoint, NoFixedPoint, distance, fixed_point
from snn_core.theory.moments.flow import Orbit, VectorField, basin, orbit, vector_field
from snn_core.theory.moments.search import FixedPoints, fixed_points

__all__ = ["MEANS", "VARIANCES", "Asked", "Seen", "asked", "fed", "seen"]

MEANS = (-2.0, 2.0)  # the window
VARIANCES = {False: (0.0, 4.0), True: (0.01, 20.0)}  # on a linear and on a logarithmic axis
# Grid points a side and most layers of the shade: at rest, and while a slider is dragged. The
# second pair is for activations whose moments need quadrature, a hundred times as slow.
FINE, COARSE = (48, 200), (24, 200)
FEW, FEWER = (24, 60), (12, 30)
ARROWS = 13  # a side
LAYERS = 50  # of the orbit
TOO_FLAT = 0.1  # a domain that reaches no higher, as a share of the linear axis
SAME = 1e-4  # two fixed points nearer than this are one
NEAR = 0.05  # from the orbit's end to the fixed point that it approaches


@dataclass(frozen=True)
class Asked:
    """A map to draw: activation, omega and tau, the orbit's start, the axis, the visitor's own box
    to prove something about, and the domain of a theorem with its name in the legend."""

    act: Activation
    omega: float
    tau: float
    start: tuple[float, float]
    log: bool
    box: proofs.Box
    domain: tuple[proofs.Box, ...]
    theorem: str
    moving: bool = False

    @property
    def incoming(self) -> tuple[float, float]:
        """Mean and variance of a unit's weighted sum at the start."""
        return self.omega * self.start[0], self.tau * self.start[1]


def asked(
    act: Activation,
    number: Callable[[str], float],
    axis: str,
    theorem: str,
    moving: bool = False,
) -> Asked:
    """Returns the map for the page's numbers, with the domain of the theorem of that name.

    The variance axis is logarithmic as asked, or where the linear one is too short for the domain.
    """
    called, domain = proofs.domain_of(theorem)
    low, high = VARIANCES[False]
    flat = low + TOO_FLAT * (high - low)
    beyond = any(top > high or top < flat for _, (_, top) in domain)
    return Asked(
        act,
        number("omega"),
        number("tau"),
        (number("mean"), number("variance")),
        axis == "log" or (axis in ("", "auto") and beyond),
        (
            (number("mean_low"), number("mean_high")),
            (number("variance_low"), number("variance_high")),
        ),
        tuple(domain),
        called,
        moving,
    )


@dataclass(frozen=True)
class Seen:
    """What a map shows: its fixed points, the orbit from the start, and that orbit's limit.

    ``layers`` is how many lead from each point of ``means`` x ``variances`` to the limit;
    ``arrows`` is a coarser grid of single steps.
    """

    found: FixedPoints
    predicted: Orbit
    limit: FixedPoint | NoFixedPoint | None
    means: np.ndarray
    variances: np.ndarray
    layers: np.ndarray
    arrows: VectorField

    @property
    def points(self) -> list[FixedPoint]:
        """All fixed points, also the limit where it is beyond the bounds of the search."""
        points = list(self.found.points)
        if isinstance(self.limit, FixedPoint) and all(_apart(self.limit, p) for p in points):
            points.append(self.limit)
        return points


def seen(asked: Asked) -> Seen:
    """Computes what the map shows; no limit where there is none, or where it is not searched."""
    act, omega, tau = asked.act, asked.omega, asked.tau
    found = fixed_points(act, omega, tau, (-3.0, 3.0), (1e-3, 50.0))
    predicted = orbit(act, asked.start, omega, tau, LAYERS)
    limit = _limit(found, predicted)
    if limit is None and not asked.moving:
        limit = fixed_point(act, omega, tau, asked.start)
    quick = act.moments is not None
    count, most = (COARSE if quick else FEWER) if asked.moving else (FINE if quick else FEW)
    means, variances = _grid(asked.log, count)
    layers = np.full((count, count), np.nan)
    if isinstance(limit, FixedPoint):
        centre = (limit.mean, limit.variance)
        layers = basin(act, omega, tau, means, variances, centre, layers=most)
    arrows = vector_field(act, omega, tau, *_grid(asked.log, ARROWS))
    return Seen(found, predicted, limit, means, variances, layers, arrows)


def _limit(found: FixedPoints, predicted: Orbit) -> FixedPoint | None:
    """The fixed point that the orbit has nearly reached, if any."""
    seen = np.isfinite(predicted.variance)
    end = (float(predicted.mean[seen][-1]), float(predicted.variance[seen][-1]))
    near = [p for p in found.points if distance((p.mean, p.variance), end) < NEAR]
    return near[0] if near else None


def _apart(one: FixedPoint, other: FixedPoint) -> bool:
    return distance((one.mean, one.variance), (other.mean, other.variance)) > SAME


def _grid(log: bool, count: int) -> tuple[np.ndarray, np.ndarray]:
    low, high = VARIANCES[log]
    variance = np.geomspace(low, high, count) if log else np.linspace(high / count, high, count)
    return np.linspace(*MEANS, count), variance


def fed(experiment: Experiment, start: tuple[float, float]) -> Experiment:
    """Returns the setting with Gaussian inputs of that mean and variance."""
    query = {k: v for k, v in to_query(experiment).items() if not k.startswith("data")}
    query |= {"data": "gaussian", "data.mean": f"{start[0]:.10g}", "standardize": "0"}
    return from_query(query | {"data.variance": f"{start[1]:.10g}"})
