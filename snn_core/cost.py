"""Estimated memory and time of propagations and updates on this machine."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch

from snn_core.settings import Experiment, LayerPlan, activation_of, input_shape, plan_of

__all__ = [
    "CORES",
    "Cost",
    "available_bytes",
    "decompositions",
    "estimate",
    "refuse",
    "refuse_training",
    "training_seconds",
    "update_seconds",
]

CORES = torch.get_num_threads()
LONGEST_SECONDS = 300.0
MEMORY_SHARE = 0.6  # of what is free; the rest is for the page, other visitors and slack
OVERHEAD = 3e-4  # seconds a layer and seed, whatever its size
DETAIL_OVERHEAD = 1.5e-4
# Seconds of kernels that are started for one layer in an update, whatever its size: as measured
# of dense networks of 2 to 64 layers, 0.2e-3 without and 0.6e-3 with batch normalization.
UPDATE_OVERHEAD = 3e-4
SCORED_ROWS = 1024  # by a record: up to 512 of either part
# A training takes one of the server's few slots, and nobody watches a page for longer.
LONGEST_TRAINING = 3600.0  # seconds
DECOMPOSED = {  # operations of a float64 decomposition by a product's, over short side^2 * long
    "orthogonal": 40.0,
    "delta_orthogonal": 40.0,
    "lsuv": 40.0,
    "spectral_norm": 12.0,
}


class Cost(NamedTuple):
    """An estimate: peak ``bytes`` beyond the process itself, wall ``seconds``."""

    bytes: float
    seconds: float


class _Rates(NamedTuple):
    products: float  # floating-point operations a second, one thread or one accelerator
    normals: float  # random numbers a second, likewise
    passes: float  # elementwise results a second


@lru_cache(maxsize=2)
def _rates(device: str) -> _Rates:
    """This machine's rates, from some milliseconds of real work on one thread.

    The best of many short tries: on a busy machine most of them are interrupted.
    """
    before = torch.get_num_threads()
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as worker:
        rates = worker.submit(_measured_rates, device).result()
    torch.set_num_threads(before)  # a worker's setting is also the default of new threads
    return rates


def _measured_rates(device: str) -> _Rates:
    side = 256 if device == "cpu" else 2048  # an accelerator is not busy with less
    x = torch.randn(side, side, dtype=torch.float32, device=device)
    y, z = torch.empty_like(x), torch.empty_like(x)
    source = torch.Generator(device).manual_seed(0)

    def seconds(work: Callable[[], object]) -> float:
        best = math.inf
        for _ in range(12):
            start = time.perf_counter()
            work()
            if device != "cpu":
                torch.cuda.synchronize()
            best = min(best, time.perf_counter() - start)
        return best

    return _Rates(
        products=2 * side**3 / seconds(lambda: torch.mm(x, x, out=y)),
        normals=z.numel() / seconds(lambda: z.normal_(generator=source)),
        passes=x.numel() / seconds(lambda: torch.selu(x)),
    )


def available_bytes(device: str = "cpu") -> float:
    """Returns the memory that is free: the device's, or the machine's within its container."""
    if device != "cpu" and torch.cuda.is_available():
        return float(torch.cuda.mem_get_info()[0])
    free = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) / 2
    meminfo, limit = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = 1024.0 * int(line.split()[1])
    used = Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and limit.read_text().strip() != "max":
        free = min(free, float(limit.read_text()) - float(used.read_text()))
    return free


def estimate(experiment: Experiment, backward: bool = False, detail: bool = False) -> Cost:
    """Returns the estimated memory and time of a propagation on this machine.

    Counted: drawing the weights, the products, the elementwise work, the statistics. On a CPU as
    many seeds run at once as there are cores. Good to a factor of about 3.
    """
    return Cost(_bytes(experiment, backward, detail), _seconds(experiment, backward, detail))


def _at_once(experiment: Experiment) -> int:
    return experiment.seeds if experiment.device != "cpu" else min(CORES, experiment.seeds)


def _seconds(experiment: Experiment, backward: bool, detail: bool) -> float:
    net, layers = experiment.network, plan_of(experiment)
    rates = _rates(experiment.device if torch.cuda.is_available() else "cpu")
    values = [float(experiment.batch * layer.units) for layer in layers]
    products = sum(2.0 * v * layer.fan_in for v, layer in zip(values, layers, strict=True))
    work = sum(layer.fan_in * layer.outputs for layer in layers) / rates.normals
    work += products * (2 if backward else 1) / rates.products
    work += sum(values) / rates.passes * (2 + 3 * backward + 2 * detail)
    work += len(layers) * (OVERHEAD + backward * OVERHEAD + detail * DETAIL_OVERHEAD)
    parts = (net.initializer, net.constraint)
    work += sum(sum(decompositions(part, layers)) for part in parts) / rates.products
    side_by_side = _at_once(experiment) if experiment.device == "cpu" else 1
    return experiment.seeds * work / side_by_side


def _bytes(experiment: Experiment, backward: bool, detail: bool) -> float:
    net, layers = experiment.network, plan_of(experiment)
    values = [float(experiment.batch * layer.units) for layer in layers]
    weights = [float(layer.fan_in * layer.outputs) for layer in layers]
    kept = backward or net.initializer == "lsuv" or experiment.seeds == 1
    own = sum(weights) if kept else max(weights)
    own += 6 * max(v + w for v, w in zip(values, weights, strict=True))
    own += 2 * experiment.batch * math.prod(input_shape(experiment))
    if backward:  # in place, only a layer's output is kept
        own += sum(values) * (1 if activation_of(net).fn_ else 2)
    if detail:  # the units' moments are taken in float64, twice
        own += 16 * max(values)
    if net.constraint in DECOMPOSED:  # the singular vectors and their workspace, in float64
        own += 16 * max(weights)
    records = experiment.seeds * (net.depth + 1) if detail else 0
    kept_values = min(records * 16384 * 4, 2**26)  # as drawn, and again for the quantiles
    kept_units = records * min(max(layer.outputs for layer in layers), 1024) * 32
    number = 8 if experiment.dtype == "float64" else 4
    return _at_once(experiment) * own * number + 2 * kept_values + kept_units


def decompositions(part: str, layers: Sequence[LayerPlan]) -> list[float]:
    """Returns the operations of an initializer's or constraint's decomposition of every layer."""
    sides = [sorted((layer.outputs, layer.fan_in)) for layer in layers]
    return [DECOMPOSED.get(part, 0.0) * short**2 * long for short, long in sides]


def update_seconds(experiment: Experiment, batch: int) -> tuple[float, float]:
    """Returns the estimated time of a training update of all seeds, and of its longest product,
    or decomposition of one seed's layer.

    Counted: three products a layer, the elementwise work, the optimizer's and the constraint's.
    On a CPU convolutions run a seed a core, dense networks a stack of seeds a core. Good to a
    factor of about 3.
    """
    found = _update_seconds(experiment, batch)
    if found[0] > 1.0:
        _rates.cache_clear()  # they may have been measured at a busy moment
        found = min(found, _update_seconds(experiment, batch))
    return found


def _update_seconds(experiment: Experiment, batch: int) -> tuple[float, float]:
    net, layers, seeds = experiment.network, plan_of(experiment), experiment.seeds
    rates = _rates(experiment.device if torch.cuda.is_available() else "cpu")
    values = [float(batch * layer.units) for layer in layers]
    products = [2.0 * v * layer.fan_in for v, layer in zip(values, layers, strict=True)]
    work = 3.0 * sum(products) / rates.products + 6.0 * sum(values) / rates.passes
    work += 6.0 * sum(layer.fan_in * layer.outputs for layer in layers) / rates.passes
    decomposed = decompositions(net.constraint, layers)
    work += sum(decomposed) / rates.products
    cores = CORES if experiment.device == "cpu" else 1
    together = seeds / cores if net.kind != "cnn" or seeds == 1 or cores == 1 else 1.0
    longest = max(together * max(products), *decomposed)
    return seeds * work / cores, longest / rates.products


def training_seconds(experiment: Experiment) -> float:
    """Returns the estimated time of a whole training of all seeds on this machine.

    Counted: the updates, as in `update_seconds`, the kernels' own time, the scores of every
    record and the statistics; a setting's ``stop_seconds`` ends it. Early stopping, at an
    accuracy or for lack of progress, is not. Good to a factor of about 3.
    """
    training = experiment.training
    kernels = UPDATE_OVERHEAD * (len(plan_of(experiment)) + 1)
    update, _ = update_seconds(experiment, training.batch_size)
    scores = update / 3 * SCORED_ROWS / training.batch_size + kernels
    every = min(training.record_every, training.statistics_every)
    each = update + kernels + scores / every + 2 * kernels / training.statistics_every
    return min(training.steps * each, training.stop_seconds or math.inf)


def refuse_training(experiments: Sequence[Experiment]) -> None:
    """Raises ValueError where training these arms side by side would take more than an hour."""
    seconds = sum(training_seconds(arm) for arm in experiments)
    if seconds > LONGEST_TRAINING:
        raise ValueError(
            f"Too long for this machine: about {seconds / 3600:.1f} h of training are needed, "
            f"{LONGEST_TRAINING / 3600:.0f} h is allowed. Use fewer steps or seeds, a smaller "
            "training batch, or networks less wide or deep."
        )


def refuse(experiment: Experiment, backward: bool = False, detail: bool = False) -> None:
    """Raises ValueError where this machine lacks the device, the memory or the time."""
    if experiment.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device 'cuda' is not present on this machine. Use 'cpu'.")
    cost = estimate(experiment, backward, detail)
    if LONGEST_SECONDS < cost.seconds < 5 * LONGEST_SECONDS:
        _rates.cache_clear()  # they may have been measured at a busy moment
        cost = min(cost, estimate(experiment, backward, detail), key=lambda c: c.seconds)
    allowed = MEMORY_SHARE * available_bytes(experiment.device)
    if cost.bytes > allowed or cost.seconds > LONGEST_SECONDS:
        raise ValueError(
            f"Too big for this machine: about {cost.bytes / 2**30:.1f} GiB and "
            f"{cost.seconds:.0f} s are needed, {allowed / 2**30:.1f} GiB and "
            f"{LONGEST_SECONDS:.0f} s are allowed. Use fewer seeds, a smaller batch, or a "
            f"network less wide or deep."
        )
