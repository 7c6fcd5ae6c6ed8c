"""Calls of the core for the page: kept while they are asked for, stoppable, a few at a time."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui import state
from snn_core.cost import CORES, estimate
from snn_core.probes import FanIn, fan_in_experiment
from snn_core.propagate import Propagation, run
from snn_core.spec import Experiment
from snn_core.sweep import Cell, Grid, fill, lay_out
from snn_core.theory.predict import unit_moments as snn_map

__all__ = [
    "Shelf",
    "fan_in",
    "fullest",
    "kept",
    "known",
    "propagation",
    "quick",
    "release",
    "size",
    "stopped",
    "turn",
    "unit_moments",
    "variants",
]

MOST_BYTES = 48 * 2**20
QUICK = 0.04  # seconds of a figure that follows a hand
_TABS = ((True, False), (False, True))  # what they ask for: gradients, the costlier statistics
PATIENCE = 1.0  # seconds without a sign of life that nobody minds, judged by the pace so far


class Shelf:
    """Results by key, shared by all sessions; the least recently used go first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any:  # noqa: ANN401  whatever was put there
        """Returns the result, or None."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Hashable, result: object) -> None:
        """Keeps the result, and drops old ones until all fit."""
        with self._lock:
            self._kept[key] = (result, size(result))
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(n for _, n in self._kept.values()) > self.most_bytes:
                self._kept.popitem(last=False)


def size(result: object) -> int:
    """Returns the bytes of all arrays in a result."""
    if isinstance(result, np.ndarray):
        return result.nbytes
    if isinstance(result, (tuple, list)):
        return sum(size(item) for item in result)
    if is_dataclass(result):
        return sum(size(getattr(result, field.name)) for field in fields(result))
    return 0


@st.cache_resource(show_spinner=False)
def _shelf() -> Shelf:
    return Shelf()


@st.cache_resource(show_spinner=False)
def _turns() -> tuple[threading.Semaphore, threading.Semaphore]:
    """Two figures of mean and variance at a time in the whole process, and one of the costlier.

    One already uses every core; the second lets a quick one pass a slow one, and the first figure
    of one visitor does not wait for the tabs of another.
    """
    return threading.Semaphore(2), threading.Semaphore(1)


def propagation(
    experiment: Experiment, backward: bool = False, detail: bool = False
) -> Propagation | None:
    """Returns the experiment's result, or None when the person stopped it.

    Shows progress and a Stop button for what takes longer than a second. Raises ValueError for a
    setting that the core refuses. Any other widget stops it too: Streamlit then ends this script
    inside a progress message, and everything here is given back on the way out.
    """
    place = st.empty()
    key = (experiment, backward, detail)
    found = _shelf().get(key)
    if found is not None:
        return found
    if stopped(experiment):
        return None
    with _sign_of_life(key, place) as tell, turn(_turns()[backward or detail], tell):
        result = run(
            experiment, backward=backward, detail=detail, progress=lambda done: tell(done, "")
        )
        _shelf().put(key, result)  # within: a run that is over may end at the sign's end
    return result


def known(
    experiment: Experiment, backward: bool = False, detail: bool = False
) -> Propagation | None:
    """Returns the experiment's result where it is kept, without computing anything.

    Takes the same place on the page as `propagation`, so that what follows keeps its own.
    """
    st.empty()
    return _shelf().get((experiment, backward, detail))


def fullest(p: Propagation) -> Propagation:
    """Returns the result with the gradients and the costlier statistics, as far as they are kept.

    They are those of the same networks: a tab that was looked at has measured them.
    """
    backward, detail = (_shelf().get((p.experiment, *which)) for which in _TABS)
    if backward is not None:
        gradients = {f: getattr(backward, f) for f in ("gradient_mean", "gradient_variance")}
        p = replace(p, **gradients)
    return p if detail is None else replace(p, detail=detail.detail)


def quick(experiment: Experiment) -> Experiment:
    """Returns the experiment with as many of its seeds as a hand that moves does not notice."""
    each = estimate(experiment).seconds / math.ceil(experiment.seeds / CORES)
    seeds = CORES * max(int(QUICK / each), 1)
    return replace(experiment, seeds=min(experiment.seeds, seeds))


def variants(experiment: Experiment) -> tuple[Grid, tuple[Cell, ...]] | None:
    """Returns the table of the experiment's variants, or None when the person stopped it."""
    place = st.empty()
    key = (experiment, "variants")
    found = _shelf().get(key)
    if found is not None:
        return found
    if stopped(experiment):
        return None
    layout = lay_out(experiment)
    with _sign_of_life(key, place) as tell, turn(_turns()[1], tell):
        cells = tuple(fill(layout, lambda done: tell(done, "")))
        _shelf().put(key, (layout, cells))
    return layout, cells


def fan_in(
    activation: str, parameters: tuple[tuple[str, float], ...], mean: float, shown: Experiment
) -> FanIn | None:
    """Returns the experiment on fan-in, or None when the person stopped it on this page."""
    place = st.empty()
    key = ("fan_in", activation, parameters, mean)
    found = _shelf().get(key)
    if found is not None:
        return found
    if stopped(shown):
        return None
    with _sign_of_life((shown, "fan_in"), place) as tell, turn(_turns()[1], tell):
        found = fan_in_experiment(
            activation,
            mean=mean,
            progress=lambda done: tell(done, ""),
            activation_parameters=dict(parameters),
        )
        _shelf().put(key, found)
    return found


def kept(key: Hashable, make: Callable[[], Any]) -> Any:  # noqa: ANN401  what make returns
    """Returns what ``make`` returned for that key, while there is room for it."""
    found = _shelf().get(key)
    if found is None:
        found = make()
        _shelf().put(key, found)
    return found


class _Sign:
    """A progress bar and a Stop button that appear only when they are needed.

    Their place is there also for what is known already: else whatever follows would have another
    place than before, and the browser would make its chart anew.
    """

    def __init__(self, key: tuple[Experiment, *tuple[object, ...]], place: DeltaGenerator) -> None:
        self.key, self.place, self.bar = key, place, None
        self.start, self.told = time.monotonic(), 0.0

    def show(self) -> None:
        row = self.place.container(horizontal=True, vertical_alignment="center")
        self.bar = row.progress(0.0, "Propagating")
        experiment, *which = self.key  # a page may show two at once
        row.button("Stop", key=f"stop.{which}", on_click=_stop, args=(experiment,))

    def __call__(self, done: float, text: str) -> bool:
        now = time.monotonic()
        spent = now - self.start
        if self.bar is None and spent > PATIENCE / 4 and spent > PATIENCE * done:
            self.show()
        if self.bar is not None and now - self.told > 0.1:
            self.bar.progress(min(max(done, 0.0), 1.0), text or f"Propagating, {100 * done:.0f} %")
            self.told = now
        return True


@contextmanager
def _sign_of_life(
    key: tuple[Experiment, *tuple[object, ...]], place: DeltaGenerator
) -> Iterator[_Sign]:
    sign = _Sign(key, place)
    yield sign
    sign.place.empty()


@contextmanager
def turn(lane: threading.Semaphore, tell: Callable[[float, str], object]) -> Iterator[None]:
    """Waits for a free place, giving signs of life, and gives it back whatever happens."""
    while not lane.acquire(timeout=0.1):
        tell(0.0, "Waiting for other visitors' computations")
    try:
        yield
    finally:
        lane.release()


def _stop(experiment: Experiment) -> None:
    state.touch()
    st.session_state["stopped"] = experiment


def stopped(experiment: Experiment) -> bool:
    """Returns whether the person stopped just this experiment."""
    return st.session_state.get("stopped") == experiment


def release() -> None:
    """Lets a stopped experiment run after all."""
    state.touch()
    st.session_state.pop("stopped", None)


def unit_moments(p: Propagation, layer: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns mean and variance of every unit of a hidden layer by the SNN map, or None.

    Each unit has its own omega and tau; its input is the predicted orbit of the layer before.
    Where the theory has no orbit there is no prediction.
    """
    assert p.detail is not None
    mean, variance = p.predicted.unit_mean[layer - 1], p.predicted.unit_variance[layer - 1]
    if not (np.isfinite(mean) and np.isfinite(variance)):
        return None
    omega, tau = p.detail.unit_omega[layer - 1], p.detail.unit_tau[layer - 1]
    return snn_map(p.experiment.network, float(mean), float(variance), omega, tau)
