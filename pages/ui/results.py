"""Calls of the core for the page: kept while they are asked for, stoppable, a few at a time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.ui import session
from pages.ui.live import cache, work
from snn_core.diagnosis import FanIn, fan_in_experiment
from snn_core.propagate import Propagation
from snn_core.settings import Experiment
from snn_core.sweep import Cell, Grid, fill, lay_out

__all__ = [
    "fan_in",
    "fullest",
    "kept",
    "propagation",
    "release",
    "sign_of_life",
    "stopped",
    "turn",
    "variants",
]

_TABS = ((True, False), (False, True))  # what they ask for: gradients, the costlier statistics
Tell = Callable[..., None]  # the share that is done, and what else there is to say
PACE = 0.25  # seconds between two showings of a table that fills
PATIENCE = 1.0  # seconds without a sign of life that nobody minds, judged by the pace so far


@st.cache_resource(show_spinner=False)
def _turn() -> threading.Semaphore:
    """One table at a time in the whole process: it uses every core."""
    return threading.Semaphore(1)


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
    result = work.found(key)
    if result is not None:
        return result
    if stopped(experiment):
        return None
    visitor = _visitor()
    changed = threading.Event()
    under_way = work.ask(visitor, key, lambda each: changed.set())
    try:
        with sign_of_life(place, f"sign {key[1:]}", _stop, experiment) as tell:
            while not under_way.over.wait(0.05):
                tell(under_way.share)
    finally:
        work.leave(visitor)
    if under_way.failure is not None:
        raise under_way.failure
    return under_way.result


def _visitor() -> str:
    """Who waits: this session's script, apart from its live channel."""
    context = get_script_run_ctx()
    return f"script {context.session_id if context else threading.get_ident()}"


def fullest(p: Propagation) -> Propagation:
    """Returns the result with the gradients and the costlier statistics, as far as they are kept.

    They are those of the same networks: a tab that was looked at has measured them.
    """
    backward, detail = (work.found((p.experiment, *which)) for which in _TABS)
    if backward is not None:
        gradients = {f: getattr(backward, f) for f in ("gradient_mean", "gradient_variance")}
        p = replace(p, **gradients)
    return p if detail is None else replace(p, detail=detail.detail)


def variants(
    experiment: Experiment, show: Callable[[Grid, Sequence[Cell]], None]
) -> tuple[Grid, tuple[Cell, ...]] | None:
    """Returns the table of the experiment's variants, or None when the person stopped it.

    ``show`` is called with the cells that are there a few times a second until all are.
    """

    def make(tell: Tell) -> tuple[Grid, tuple[Cell, ...]]:
        layout, cells, shown = lay_out(experiment), [], -math.inf
        for cell in fill(layout, tell):
            cells.append(cell)
            if time.monotonic() - shown > PACE and len(cells) < len(layout.cells):
                show(layout, cells)
                shown = time.monotonic()
        return layout, tuple(cells)

    return _alone((experiment, "variants"), experiment, "variants", make)


def fan_in(
    activation: str, parameters: tuple[tuple[str, float], ...], mean: float, shown: Experiment
) -> FanIn | None:
    """Returns the experiment on fan-in, or None when the person stopped it on this page."""

    def make(tell: Tell) -> FanIn:
        own = dict(parameters)
        return fan_in_experiment(activation, mean=mean, progress=tell, activation_parameters=own)

    return _alone(("fan_in", activation, parameters, mean), shown, "fan_in", make)


def _alone(key: Hashable, shown: Experiment, what: str, make: Callable[[Tell], Any]) -> Any:  # noqa: ANN401
    """What ``make`` returns, kept by that key; None where it is stopped for what is shown."""
    place = st.empty()
    found = cache.results().get(key)
    if found is not None or stopped(shown):
        return found
    with sign_of_life(place, f"sign {what}", _stop, shown) as tell, turn(_turn(), tell):
        return kept(key, lambda: make(tell))


def kept(key: Hashable, make: Callable[[], Any]) -> Any:  # noqa: ANN401  what make returns
    """Returns what ``make`` returned for that key, while there is room for it."""
    found = cache.results().get(key)
    if found is None:
        found = make()
        cache.results().put(key, found)
    return found


@contextmanager
def sign_of_life(
    place: DeltaGenerator, key: str, stop: Callable[..., None], *args: object
) -> Iterator[Tell]:
    """Gives what shows a progress bar and a button that stops, once they are needed.

    Their place is there also for what is known already: else whatever follows would have another
    place than before, and the browser would make its chart anew.
    """
    start, told, bar = time.monotonic(), 0.0, None

    def tell(done: float, text: str = "") -> None:
        nonlocal told, bar
        now = time.monotonic()
        spent, said = now - start, text or f"Propagating, {100 * done:.0f} %"
        if bar is None and spent > PATIENCE / 4 and spent > PATIENCE * done:
            row = place.container(horizontal=True, vertical_alignment="center", key=key)
            bar = row.progress(0.0, said)
            row.button("Stop", key=f"stop.{key}", on_click=stop, args=args)
        if bar is not None and now - told > 0.1:
            bar.progress(min(max(done, 0.0), 1.0), said)
            told = now

    yield tell
    place.empty()


@contextmanager
def turn(lane: threading.Semaphore, tell: Tell) -> Iterator[None]:
    """Waits for a free place, giving signs of life, and gives it back whatever happens."""
    while not lane.acquire(timeout=0.1):
        tell(0.0, "Waiting for other visitors' computations")
    try:
        yield
    finally:
        lane.release()


def _stop(experiment: Experiment) -> None:
    session.touch()
    st.session_state["stopped"] = experiment


def stopped(experiment: Experiment) -> bool:
    """Returns whether the person stopped just this experiment."""
    return st.session_state.get("stopped") == experiment


def release() -> None:
    """Lets a stopped experiment run after all."""
    session.touch()
    st.session_state.pop("stopped", None)
