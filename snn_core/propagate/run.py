"""From an experiment to its propagation: seeds side by side, progress, stopping."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import numpy as np
import torch

from snn_core.cost import CORES, refuse
from snn_core.network import Layer, build, draw_inputs, draw_layers
from snn_core.propagate.detail import collect
from snn_core.propagate.passes import NOTHING, Drawn, Pass, Stopped, Watch, merge, passes
from snn_core.propagate.result import Propagation
from snn_core.settings import Experiment, NetworkSpec, initializer_of, plan_of
from snn_core.theory.mean_field.predict import predict
from snn_core.theory.mean_field.prediction import Prediction

__all__ = ["assemble", "one_seed", "propagate", "run"]

Progress = Callable[[float], bool | None]


def propagate(
    network: NetworkSpec | None = None,
    batch: int = 256,
    seeds: int = 8,
    data: str = "gaussian",
    seed: int = 0,
    device: str = "cpu",
    backward: bool = False,
    detail: bool = False,
    **settings: Any,  # noqa: ANN401  Experiment checks every one
) -> Propagation:
    """Returns the measured and predicted statistics of a network on random batches.

    Further settings are Experiment's: ``dtype``, ``standardize``, ``data_parameters``, ...
    Raises ValueError for a setting out of its bounds or too big for the machine.

    >>> p = propagate(NetworkSpec(depth=3, width=64), batch=32, seeds=2)
    >>> p.mean.shape, p.omega.shape
    ((2, 4), (2, 3))
    """
    experiment = Experiment(
        network=network or NetworkSpec(),
        batch=batch,
        seeds=seeds,
        data=data,
        seed=seed,
        device=device,
        **settings,
    )
    return run(experiment, backward=backward, detail=detail)


def run(
    experiment: Experiment,
    backward: bool = False,
    detail: bool = False,
    progress: Progress | None = None,
    drawn: Callable[[int], Drawn] | None = None,
) -> Propagation:
    """Returns the propagation of one experiment.

    ``progress`` is called with the share done; where it returns False the run ends with Stopped.
    ``drawn`` gives a seed's layers and inputs, as in `measure`.
    Raises ValueError where the machine is too small, before anything is tried.
    """
    refuse(experiment, backward, detail)
    start = time.perf_counter()
    found = measure(experiment, backward, detail, progress, drawn)
    seconds = time.perf_counter() - start
    return assemble(experiment, found, predict(experiment), seconds)


def one_seed(
    experiment: Experiment, k: int, backward: bool = False, detail: bool = False, *, watch: Watch
) -> Pass:
    """Returns the pass of seed k alone, as `run` makes it, on the calling thread.

    Raises Stopped within a layer once ``watch.stop`` is set.
    """
    return passes(experiment, [k], backward=backward, detail=detail, watch=watch)[0]


def assemble(
    experiment: Experiment, found: Sequence[Pass], predicted: Prediction, seconds: float = 0.0
) -> Propagation:
    """Returns the propagation of the passes that are there: all seeds', or the first few."""
    layers = experiment.network.depth + 1
    mean, variance = _table([p.moments for p in found], layers)
    weights = np.array([p.weights for p in found]).reshape(-1, layers - 1, 3)
    values = experiment.batch * min(layer.units for layer in plan_of(experiment))
    gradients = [p.gradients for p in found if p.gradients is not None]
    gradient_mean, gradient_variance = _table(gradients, layers) if gradients else (None, None)
    details = [p.detail for p in found if p.detail is not None]
    return Propagation(
        experiment=experiment,
        layers=_names(experiment),
        mean=mean,
        variance=variance,
        omega=weights[..., 0],
        tau=weights[..., 1],
        inside=weights[..., 2],
        gradient_mean=gradient_mean,
        gradient_variance=gradient_variance,
        diverged_at=tuple(
            _first(~np.isfinite(m + v)) for m, v in zip(mean, variance, strict=True)
        ),
        died_at=tuple(_first(v == 0) if values > 1 else None for v in variance),
        detail=collect(details) if details else None,
        predicted=predicted,
        seconds=seconds,
    )


def _names(experiment: Experiment) -> tuple[str, ...]:
    plan = plan_of(experiment)
    return ("input", *(f"{layer.kind} {index}" for index, layer in enumerate(plan, start=1)))


def _table(moments: Sequence[np.ndarray], layers: int) -> tuple[np.ndarray, np.ndarray]:
    """(mean, variance), each (seeds, layers), from every seed's (layers, 2); there may be none."""
    mean, variance = np.moveaxis(np.array(moments).reshape(-1, layers, 2), 2, 0)
    return mean, variance


def _first(hits: np.ndarray) -> int | None:
    """The index of the first hit, or None."""
    return int(hits.argmax()) if hits.any() else None


def measure(
    experiment: Experiment,
    backward: bool = False,
    detail: bool = False,
    progress: Progress | None = None,
    drawn: Callable[[int], Drawn] | None = None,
) -> list[Pass]:
    """Returns one pass per seed: stacked on an accelerator, side by side on a CPU.

    ``drawn`` gives a seed's layers and inputs where they exist already. On a CPU one
    single-threaded worker per core, each with its own seed, does about twice the work of one
    pass on all cores; a lone seed is split by rows for the same reason.
    """
    watch = Watch(experiment.seeds * experiment.network.depth * (2 if backward else 1))
    what = {"backward": backward, "detail": detail, "watch": watch}
    if experiment.device != "cpu":
        if progress is not None and progress(0.0) is False:
            raise Stopped
        return passes(experiment, range(experiment.seeds), **what)
    given = drawn or (lambda k: NOTHING)
    if experiment.seeds == 1 and not detail and CORES > 1 and _rows_are_independent(experiment):
        return [merge(_by_rows(experiment, given(0), progress, what))]
    jobs = [partial(passes, experiment, [k], given(k), **what) for k in range(experiment.seeds)]
    return _side_by_side(jobs, watch, progress)


def _by_rows(
    experiment: Experiment, given: Drawn, progress: Progress | None, what: dict[str, Any]
) -> list[Pass]:
    """The passes of a lone seed's rows, side by side, while its weights are being drawn."""
    watch, (layers, x) = what["watch"], given
    if layers is None and initializer_of(experiment.network).calibrated:
        layers = build(experiment)
    promised = [Future[Layer]() for _ in plan_of(experiment)]
    jobs = [partial(_fulfil, promised, layers or draw_layers(experiment, [0]), watch)]
    x = draw_inputs(experiment, [0]) if x is None else x
    cuts = [experiment.batch * i // CORES for i in range(CORES + 1)]
    watch.total *= CORES
    for a, b in itertools.pairwise(cuts):
        own = Drawn((each.result() for each in promised), x)
        jobs.append(partial(passes, experiment, [0], own, rows=slice(a, b), **what))
    return _side_by_side(jobs, watch, progress, len(jobs))


def _fulfil(
    promised: Sequence[Future[Layer]], layers: Iterable[Layer], watch: Watch
) -> list[Pass]:
    """Keeps the promises one by one; whoever waits for one hears of it where that fails."""
    try:
        for each, layer in zip(promised, layers, strict=True):
            each.set_result(layer)
            if watch.stop.is_set():
                raise Stopped
    except BaseException as failure:
        for each in promised:
            if not each.done():
                each.set_exception(failure)
        raise
    return []


def _side_by_side(
    jobs: Sequence[Callable[[], list[Pass]]],
    watch: Watch,
    progress: Progress | None,
    workers: int = CORES,
) -> list[Pass]:
    """Runs the jobs on single-threaded workers; leaves no thread and no setting behind."""
    before, threads = torch.get_num_threads(), CORES if len(jobs) == 1 else 1
    pool = ThreadPoolExecutor(
        min(workers, len(jobs)), initializer=torch.set_num_threads, initargs=(threads,)
    )
    try:
        futures = [pool.submit(job) for job in jobs]
        _follow(futures, watch, progress)
        return [p for future in futures for p in future.result()]
    finally:
        watch.stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(before)  # a worker's setting is also the default of new threads


def _follow(
    futures: Sequence[Future[list[Pass]]],
    watch: Watch,
    progress: Progress | None,
) -> None:
    """Waits for the futures, reports the share done, and raises what went wrong."""
    pending = set(futures)
    while pending:
        finished, pending = wait(pending, timeout=0.05, return_when=FIRST_COMPLETED)
        for future in finished:
            future.result()
        if progress is not None and progress(min(watch.done / watch.total, 1.0)) is False:
            raise Stopped


def _rows_are_independent(experiment: Experiment) -> bool:
    net = experiment.network
    return net.normalization != "batch" and net.dropout == "none" and experiment.batch >= 128
