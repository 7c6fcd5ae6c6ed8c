"""The moment map with its Jacobian on a grid of 64 x 64, against a loop over scipy's `quad`.

Claim: some 5 ms where there is a closed form, some 150 ms by quadrature; a loop over `quad`, which
needs seven integrals a point, would take a minute or two. The loop runs on 8 points spread over
the grid and is extrapolated to 4,096, so its ratio is an estimate; accuracy is compared on those
points.

Two windows for the closed form: variances from 0.05 on, where it serves at every point, and from
1e-3 on, where a quarter of the points falls to quadrature, since it would cancel there: some 10 ms
on a busy machine. The other pictures follow: basin, fixed points, phases, edge.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from scipy import integrate

from benchmarks.rounds import interleave, ratio
from snn_core import basin, edge_of_chaos, fixed_points, moment_map, phase
from snn_core.activations import ACTIVATIONS, Activation

SIDE, SAMPLE = 64, 8
OMEGA, TAU = 0.1, 1.0
CLOSED, QUADRATURE = "selu", "tanh"


def grid(lowest: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns means and variances, ``(64, 64)`` each."""
    m, v = np.meshgrid(np.linspace(-2, 2, SIDE), np.geomspace(lowest, 20, SIDE))
    return m, v


def by_quad(act: Activation, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Returns mean, variance and the Jacobian's four entries, ``(points, 6)``, by `quad`."""

    def of(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[float], float]:
        return lambda z: float(function(torch.tensor(z, dtype=torch.float64)))

    f, slope, rows = of(act.fn), of(act.derivative), []
    for mean, variance in zip(means, variances, strict=True):
        m, s = mean * OMEGA, math.sqrt(variance * TAU)
        cut = [max(-9.0, min(9.0, -m / s))]

        def expect(g: Callable[[float, float], float], m: float = m, s: float = s) -> float:
            density = lambda t: g(m + s * t, t) * math.exp(-0.5 * t * t)
            total = integrate.quad(density, -9, 9, points=cut, epsabs=1e-12, epsrel=1e-12)[0]  # noqa: B023
            return total / math.sqrt(2 * math.pi)

        first, second = expect(lambda z, t: f(z)), expect(lambda z, t: f(z) ** 2)
        d1 = expect(lambda z, t: slope(z))
        bend = expect(lambda z, t: slope(z) * t) / s
        by_m = 2 * (expect(lambda z, t: f(z) * slope(z)) - first * d1)
        by_v = expect(lambda z, t: f(z) * slope(z) * t) / s - first * bend
        jacobian = [OMEGA * d1, 0.5 * TAU * bend, OMEGA * by_m, TAU * by_v]
        rows.append([first, second - first**2, *jacobian])
    return np.array(rows)


def ours(name: str, means: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """Returns the same six numbers by the moment map."""
    after = moment_map(name, means, variances, OMEGA, TAU)
    jacobian = after.jacobian.reshape(*means.shape, 4)
    return np.concatenate([np.stack([after.mean, after.variance], -1), jacobian], -1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    for name, lowest in ((CLOSED, 0.05), (CLOSED, 1e-3), (QUADRATURE, 1e-3)):
        m, v = grid(lowest)
        some = np.linspace(0, m.size - 1, SAMPLE).astype(int)
        points = m.ravel()[some], v.ravel()[some]
        loop = partial(by_quad, ACTIVATIONS[name], *points)
        seconds = interleave({"map": partial(ours, name, m, v), "quad": loop}, rounds)
        times = m.size / SAMPLE
        seconds["quad"] = [each * times for each in seconds["quad"]]
        error = np.abs(ours(name, *points) - loop()).max()
        best, middle = min(seconds["map"]), statistics.median(seconds["map"])
        print(
            f"{name}, variances {lowest:g} to 20: map {1e3 * middle:.1f} ms, best {1e3 * best:.1f}"
        )
        loops = f"{statistics.median(seconds['quad']):.0f} s from {SAMPLE} points"
        print(
            f"  quad / map {ratio(seconds, 'quad', 'map')} (quad extrapolated to {loops}); "
            f"largest difference {error:.0e}"
        )
    m, v = np.linspace(-2, 2, SIDE), np.geomspace(1e-3, 20, SIDE)
    w, b = np.linspace(0.3, 2, SIDE), np.linspace(0, 1.5, SIDE)[:, None]
    target = {CLOSED: (0.0, 1.0), QUADRATURE: (0.0, 0.309)}
    tau = {CLOSED: 1.0, QUADRATURE: 2.0}
    for name in (CLOSED, QUADRATURE):
        pictures = {
            "map": partial(ours, name, *grid(1e-3)),
            "basin": partial(basin, name, OMEGA, tau[name], m, v, target[name]),
            "basin, omega 0": partial(basin, name, 0.0, tau[name], m, v, target[name]),
            "fixed points": partial(fixed_points, name, OMEGA, tau[name]),
            "phase": partial(phase, name, w, b),
            "edge": partial(edge_of_chaos, name, b),
        }
        seconds = interleave(pictures, rounds)
        for picture, each in seconds.items():
            against = f"   / map {ratio(seconds, picture, 'map')}" if picture != "map" else ""
            print(f"{name:5} {picture:15} {1e3 * statistics.median(each):6.1f} ms{against}")


if __name__ == "__main__":
    main()
