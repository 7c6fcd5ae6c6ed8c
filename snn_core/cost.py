"""What a propagation will cost, before it is tried: memory and time on this machine."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch

from snn_core.spec import Experiment, activation_of, input_shape, plan_of

__all__ = ["CORES", "Cost", "available_bytes", "estimate", "refuse"]

CORES = torch.get_num_threads()
LONGEST_SECONDS = 300.0
MEMORY_SHARE = 0.6  # of what is free; the rest is for the page, other visitors and slack
OVERHEAD = 3e-4  # seconds a layer and seed, whatever its size
DETAIL_OVERHEAD = 8e-4
DECOMPOSED = ("orthogonal", "delta_orthogonal", "lsuv", "spectral_norm")


class Cost(NamedTuple):
    """An estimate: peak ``bytes`` beyond the process itself, wall ``seconds``."""

    bytes: float
    seconds: float


class _Rates(NamedTuple):
    products: float  # floating-point operations a second, one thread
    normals: float  # random numbers a second, one thread
    passes: float  # elementwise results a second, one thread


@lru_cache(maxsize=1)
def _rates() -> _Rates:
    """This machine's rates, from some milliseconds of real work on one thread.

    The best of many short tries: on a busy machine most of them are interrupted.
    """
    before = torch.get_num_threads()
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as worker:
        rates = worker.submit(_measured_rates).result()
    torch.set_num_threads(before)  # a worker's setting is also the default of new threads
    return rates


def _measured_rates() -> _Rates:
    x, source = torch.randn(256, 256, dtype=torch.float32), torch.Generator().manual_seed(0)
    y, z = torch.empty_like(x), torch.empty_like(x)

    def seconds(work: Callable[[], object]) -> float:
        best = math.inf
        for _ in range(12):
            start = time.perf_counter()
            work()
            best = min(best, time.perf_counter() - start)
        return best

    return _Rates(
        products=2 * 256**3 / seconds(lambda: torch.mm(x, x, out=y)),
        normals=x.numel() / seconds(lambda: z.normal_(generator=source)),
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
    net, layers = experiment.network, plan_of(experiment)
    rows = experiment.batch
    values = [float(rows * layer.units) for layer in layers]
    overhead = len(layers) * (OVERHEAD + backward * OVERHEAD + detail * DETAIL_OVERHEAD)
    products = sum(2.0 * v * layer.fan_in for v, layer in zip(values, layers, strict=True))
    weights = [float(layer.fan_in * layer.outputs) for layer in layers]
    rates, each = _rates(), 4 if experiment.dtype != "float64" else 8
    work = sum(weights) / rates.normals
    work += products * (2 if backward else 1) / rates.products
    work += sum(values) / rates.passes * (2 + 3 * backward + 40 * detail) + overhead
    if net.initializer in DECOMPOSED or net.constraint in DECOMPOSED:
        sides = [(min(s), max(s)) for s in ((w.outputs, w.fan_in) for w in layers)]
        work += sum(40.0 * a * a * b for a, b in sides) / rates.products
    at_once = experiment.seeds if experiment.device != "cpu" else min(CORES, experiment.seeds)
    together = at_once if experiment.device == "cpu" else 1.0
    kept = backward or net.initializer == "lsuv" or experiment.seeds == 1
    biggest = max(v + w for v, w in zip(values, weights, strict=True))
    held = 1 if activation_of(net).fn_ else 2  # in place, only the output is kept for backward
    own = (sum(weights) + held * sum(values) * backward if kept else max(weights)) + 6 * biggest
    if detail:
        own += 6 * max(values)  # the units' moments are taken in float64, twice
    if net.constraint in DECOMPOSED:
        own += 16 * max(weights)  # the singular vectors and their workspace, in float64
    inputs = rows * math.prod(input_shape(experiment))
    # Twice the 64 MiB of values: once as drawn, once for quantiles and histograms.
    records = 2 * min(experiment.seeds * (net.depth + 1) * 16384 * 4, 2**26) if detail else 0
    records += detail * experiment.seeds * (net.depth + 1) * min(max(values) / rows, 1024) * 32
    peak = at_once * (own + 2 * inputs) * each + records
    return Cost(bytes=peak, seconds=experiment.seeds * work / together)


def refuse(experiment: Experiment, backward: bool = False, detail: bool = False) -> None:
    """Raises ValueError where this machine can't do it: no such device, memory, time."""
    if experiment.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device 'cuda' is not present on this machine. Use 'cpu'.")
    cost = estimate(experiment, backward, detail)
    if LONGEST_SECONDS < cost.seconds < 5 * LONGEST_SECONDS:
        _rates.cache_clear()  # they may have been measured in a bad moment
        cost = min(cost, estimate(experiment, backward, detail), key=lambda c: c.seconds)
    allowed = MEMORY_SHARE * available_bytes(experiment.device)
    if cost.bytes > allowed or cost.seconds > LONGEST_SECONDS:
        raise ValueError(
            f"Too big for this machine: about {cost.bytes / 2**30:.1f} GiB and "
            f"{cost.seconds:.0f} s are needed, {allowed / 2**30:.1f} GiB and "
            f"{LONGEST_SECONDS:.0f} s are allowed. Use fewer seeds, a smaller batch, or a "
            f"network less wide or deep."
        )
