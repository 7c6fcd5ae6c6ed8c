"""A prediction of settings never computed before, against the matrix products of one seed.

Claim: the default network in 10 ms at 32 layers, 25 ms at 128 and 60 ms at 512, about as long as
one seed's bare chain of matrix products takes on one thread; copies of a layer that has settled
cost next to nothing. Settings under which the correlation of two samples needs an integral a
layer, and images with an edge, do not reach that: they take up to 2 ms a layer.

Every round has a weight factor of its own in the last digits, so that nothing is found in a cache.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import torch

from benchmarks.rounds import interleave, ratio
from snn_core.settings import Experiment, NetworkSpec
from snn_core.theory.mean_field.predict import predict

DEPTHS = (32, 128, 512)
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "orthogonal, 1.3": {"initializer": "orthogonal", "weight_factor": 1.3},
    "centralized units": {"constraint": "centralize_unit"},
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
    torch.set_num_threads(1)  # threads that wait for a busy core would make the chain look slow
    for depth in DEPTHS:
        work = {name: fresh(settings, depth) for name, settings in SETTINGS.items()}
        seconds = interleave({**work, "chain": bare_chain(depth)}, rounds)
        for name in SETTINGS:
            middle, best = statistics.median(seconds[name]), min(seconds[name])
            print(
                f"{depth:4} layers, {name:20} {1e3 * middle:7.1f} ms, best {1e3 * best:7.1f}   "
                f"/ one seed's products {ratio(seconds, name, 'chain')}"
            )


if __name__ == "__main__":
    main()
