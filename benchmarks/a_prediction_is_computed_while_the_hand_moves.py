"""A prediction of settings never computed before, against the matrix products of one seed.

Claim: 10 ms at 32 layers and 25 ms at 128, a few times what one seed's bare chain of matrix
products takes on one thread at most; copies of a layer that has settled cost next to nothing.
Kinked functions under which the correlation of two samples needs an integral a layer do not reach
that: they take 2 to 10 ms a layer.

The table of constraints and activations, which predicts and measures 48 settings: 2 s on two free
cores, its first cell in a quarter of that.

Every round has a weight factor of its own in the last digits, so that nothing is found in a cache
but the moments of the activation, which serve all of them. "anew" forgets these as well.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from benchmarks.rounds import interleave, ratio
from snn_core.settings import Experiment, NetworkSpec
from snn_core.sweep import grid
from snn_core.theory.mean_field import interpolation
from snn_core.theory.mean_field.predict import predict

ASKED = {32: 10.0, 128: 25.0, 384: None}  # ms
ASKED_TABLE = 2.0  # seconds
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "SELU, 1.1": {"weight_factor": 1.1},
    "GELU": {"activation": "gelu"},
    "formula": {"activation": "=z * sigmoid(1.3*z)"},
    "formula with kinks": {"activation": "=max(z, 0.2*z) - 0.3*abs(z-1)"},
    "orthogonal, 1.3": {"initializer": "orthogonal", "weight_factor": 1.3},
    "centralized units": {"constraint": "centralize_unit"},
    "dropout": {"dropout": "standard"},
    "alpha dropout": {"dropout": "alpha"},
    "batch normalization": {"normalization": "batch"},
    "residual": {"residual": True, "residual_scale": 0.1},
    "ReLU, He": {"activation": "relu", "initializer": "he_normal"},
    "tanh, 1.5": {"activation": "tanh", "weight_factor": 1.5},
    "CNN": {"kind": "cnn"},
}


def fresh(settings: Mapping[str, Any], depth: int) -> Callable[[], object]:
    """Returns work that predicts another experiment at every call."""
    factor = settings.get("weight_factor", 1.0)
    count = itertools.count(1)

    def work() -> object:
        network = {**settings, "weight_factor": factor * (1.0 + 1e-12 * next(count))}
        return predict(Experiment(network=NetworkSpec(depth=depth, **network)))

    return work


def anew(work: Callable[[], object]) -> Callable[[], object]:
    """Returns the work, done as by a process that has predicted nothing yet."""

    def forgetful() -> object:
        interpolation.moments_at.cache_clear()
        interpolation.series_at.cache_clear()
        return work()

    return forgetful


def bare_chain(depth: int) -> Callable[[], object]:
    """Returns the matrix products of one seed of the default network, without activations."""
    e = Experiment()
    x = torch.randn(e.batch, e.network.width)
    weight = torch.randn(e.network.width, e.network.width) / e.network.width**0.5

    def work() -> object:
        h = x
        for _ in range(depth):
            h = h @ weight
        return h

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for a busy core would make the chain look slow
    for depth, asked in ASKED.items():
        work = {name: fresh(settings, depth) for name, settings in SETTINGS.items()}
        forgetful = {f"{name}, anew": anew(work[name]) for name in ("default", "GELU")}
        for contenders in (work, forgetful):  # apart: what one forgets, all have to find again
            print_rounds(depth, asked, contenders, rounds)
    torch.set_num_threads(threads)
    print_table(rounds)


def print_rounds(
    depth: int, asked: float | None, work: Mapping[str, Callable[[], object]], rounds: int
) -> None:
    """Prints what each takes, in ms, beside the products of one seed."""
    seconds = interleave({**work, "chain": bare_chain(depth)}, rounds)
    for name in work:
        middle, best = statistics.median(seconds[name]), min(seconds[name])
        said = f"asked {asked:.0f}, " if asked else ""
        print(
            f"{depth:4} layers, {name:20} {said}reached {1e3 * middle:7.1f} ms, best "
            f"{1e3 * best:7.1f}   / one seed's products {ratio(seconds, name, 'chain')}"
        )


def print_table(rounds: int) -> None:
    """Prints how long the whole table takes, and its first cell; one warm-up."""
    firsts, wholes = [], []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        cells = grid(Experiment())
        next(cells)
        firsts.append(time.perf_counter() - start)
        for _ in cells:
            pass
        wholes.append(time.perf_counter() - start)
    first, whole = statistics.median(firsts[1:]), statistics.median(wholes[1:])
    print(
        f"table of variants: asked {ASKED_TABLE:.1f} s, reached {whole:.2f} s, best "
        f"{min(wholes[1:]):.2f}; first cell {first:.2f} s"
    )


if __name__ == "__main__":
    main()
