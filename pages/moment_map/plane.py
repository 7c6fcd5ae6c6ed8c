"""The figure of the moment map: the plane with its field, and the activation that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pages.moment_map import figures, text
from pages.moment_map.figures import Box
from pages.ui import panels
from snn_core.activations import Activation
from snn_core.propagate import Propagation
from snn_core.spec import Experiment, from_query, to_query
from snn_core.theory.field import Orbit, basin, orbit, vector_field
from snn_core.theory.fixed_points import FixedPoint, NoFixedPoint, distance, fixed_point
from snn_core.theory.search import FixedPoints, fixed_points

__all__ = ["Asked", "Seen", "alt", "fed", "figure", "is_log", "seen"]

MEANS = (-2.0, 2.0)  # the window
VARIANCES = {False: (0.0, 4.0), True: (0.01, 20.0)}  # on a linear and on a logarithmic axis
# Points of the grid a side and most layers of the shade: at rest, and while a slider moves. The
# second pair is for an activation whose moments are integrals, which take a hundred times as long.
FINE, COARSE = (48, 200), (24, 200)
FEW, FEWER = (24, 60), (12, 30)
LAYERS = 50  # of the orbit
TOO_FLAT = 0.1  # a domain that reaches no higher, as a share of the linear axis
SAME = 1e-4  # nearer than that, two fixed points are one
NEAR = 0.05  # of the orbit's end from the fixed point that it goes to
HEIGHT, NARROW = 470, 880  # pixels
TWO_ROWS = 92  # pixels for the legend; the plane keeps its size where one row will do


@dataclass(frozen=True)
class Asked:
    """A map to draw: activation, omega and tau, the orbit's start, the axis, the box of one's own
    proof, and the domain of a theorem with what its legend calls it."""

    act: Activation
    omega: float
    tau: float
    start: tuple[float, float]
    log: bool
    box: Box
    domain: tuple[Box, ...]
    theorem: str
    moving: bool = False

    @property
    def incoming(self) -> tuple[float, float]:
        """Mean and variance of a unit's weighted sum at the start."""
        return self.omega * self.start[0], self.tau * self.start[1]


@dataclass(frozen=True)
class Seen:
    """What a map has: its fixed points, the orbit from the start, and where that goes."""

    found: FixedPoints
    predicted: Orbit
    limit: FixedPoint | NoFixedPoint | None

    @property
    def points(self) -> list[FixedPoint]:
        """All fixed points, also the limit where it is beyond the bounds of the search."""
        points = list(self.found.points)
        if isinstance(self.limit, FixedPoint) and all(_apart(self.limit, p) for p in points):
            points.append(self.limit)
        return points


def seen(asked: Asked) -> Seen:
    """Returns the fixed points, the orbit, and its limit, None where it is not looked for."""
    act, omega, tau = asked.act, asked.omega, asked.tau
    found = fixed_points(act, omega, tau, (-3.0, 3.0), (1e-3, 50.0))
    predicted = orbit(act, asked.start, omega, tau, LAYERS)
    limit = _limit(found, predicted)
    if limit is None and not asked.moving:
        limit = fixed_point(act, omega, tau, asked.start)
    return Seen(found, predicted, limit)


def figure(asked: Asked, shown: Seen, p: Propagation | None) -> dict[str, Any]:
    """Returns the plane and the activation; ``p`` are networks from that start, where known."""
    act, omega, tau = asked.act, asked.omega, asked.tau
    exact = act.moments is not None
    count, most = (COARSE if exact else FEWER) if asked.moving else (FINE if exact else FEW)
    fine, few = _grid(asked.log, count), _grid(asked.log, 13)
    if isinstance(shown.limit, FixedPoint):
        centre = (shown.limit.mean, shown.limit.variance)
        layers = basin(act, omega, tau, *fine, centre, layers=most)
    else:
        layers = np.full((fine[1].size, fine[0].size), np.nan)
    measured = None
    if p is not None and p.detail is not None:
        measured = np.stack([p.mean, p.detail.within], axis=1)
    plane = figures.plane(
        vector_field(act, omega, tau, *fine),
        layers,
        vector_field(act, omega, tau, *few),
        shown.points,
        shown.predicted,
        measured,
        asked.log,
        asked.domain,
        asked.box,
    )
    drawn = panels.figure(
        [plane, figures.activation_graph(act, *asked.incoming)],
        [*figures.plane_keys(plane, asked.theorem), *figures.activation_keys()],
        hover="closest",
        caption=text.caption(act, omega, tau, asked.start),
    )
    figures.shaded(drawn, figures.layers_scale())
    drawn["layout"] |= {"height": HEIGHT, "dragmode": "select"}
    drawn["layout"]["margin"]["t"] = TWO_ROWS
    drawn["layout"]["meta"]["narrow"]["height"] = NARROW
    drawn["layout"]["legend"]["traceorder"] = "normal"  # a filled curve would turn it round
    return drawn


def alt(asked: Asked, shown: Seen) -> str:
    """Returns the figure's text alternative."""
    plane = text.plane_alt(shown.found, shown.predicted, asked.omega, asked.tau)
    return f"{plane} {text.shape_alt(asked.act, *asked.incoming)}"


def _limit(found: FixedPoints, predicted: Orbit) -> FixedPoint | None:
    """Returns the fixed point that the orbit has all but reached, if it has."""
    seen = np.isfinite(predicted.variance)
    end = (float(predicted.mean[seen][-1]), float(predicted.variance[seen][-1]))
    near = [p for p in found.points if distance((p.mean, p.variance), end) < NEAR]
    return near[0] if near else None


def _apart(one: FixedPoint, other: FixedPoint) -> bool:
    return distance((one.mean, one.variance), (other.mean, other.variance)) > SAME


def is_log(axis: str, domain: Sequence[Box]) -> bool:
    """Whether the variance axis is logarithmic: as asked, or where the linear one is too short."""
    low, high = VARIANCES[False]
    too_high = any(box[1][1] > high for box in domain)
    too_flat = any(box[1][1] < low + TOO_FLAT * (high - low) for box in domain)
    return axis == "log" or (axis in ("", "auto") and (too_high or too_flat))


def _grid(log: bool, count: int) -> tuple[np.ndarray, np.ndarray]:
    low, high = VARIANCES[log]
    variance = np.geomspace(low, high, count) if log else np.linspace(high / count, high, count)
    return np.linspace(*MEANS, count), variance


def fed(experiment: Experiment, start: tuple[float, float]) -> Experiment:
    """Returns the setting with Gaussian inputs of that mean and variance."""
    query = {k: v for k, v in to_query(experiment).items() if not k.startswith("data")}
    query |= {"data": "gaussian", "data.mean": f"{start[0]:.10g}", "standardize": "0"}
    return from_query(query | {"data.variance": f"{start[1]:.10g}"})
