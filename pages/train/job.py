"""The session's training: started, found again, kept alive while somebody looks."""

from __future__ import annotations

import functools
import gc
import secrets
import threading
import time
import weakref
from collections.abc import Sequence

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages.ui import visitor
from snn_core.cost import CORES
from snn_core.settings import Experiment
from snn_core.train import live
from snn_core.train.live import Training

__all__ = [
    "MOST",
    "adopt",
    "begin",
    "clear_up",
    "current",
    "end",
    "hold",
    "is_busy",
    "is_forgotten",
    "known",
    "page_link",
    "revive",
    "steers",
]

# Trainings that one server holds at once, each with a thread and some 50 MiB of its past; networks
# that there is no room for are refused.
MOST = 24
ROUTINE = 3.0  # seconds between signs of life; a lease lasts 10
SESSION = "training"


@functools.cache
def _shelf() -> weakref.WeakValueDictionary[str, Training]:
    """All trainings of this server that somebody still holds, by their job's unguessable id."""
    return weakref.WeakValueDictionary()


@st.cache_resource(show_spinner=False)
def _owners() -> weakref.WeakKeyDictionary[Training, str]:
    """The secret of the visitor who began it, of every training."""
    return weakref.WeakKeyDictionary()


def steers(training: Training, secret: str | None = None) -> bool:
    """Returns whether that visitor, or this session's, began it; who has its address may watch."""
    owner = _owners().get(training, "")
    who = visitor.key() if secret is None else secret
    return secrets.compare_digest(owner.encode(), who.encode())


@st.cache_resource(show_spinner=False)
def _slots() -> threading.Semaphore:
    """As many trainings run at once as there are cores; the next ones are queued."""
    return threading.Semaphore(CORES)


def _leave(held: list[Training]) -> None:
    _connected().pop(id(held), None)
    for training in held:
        training.job.detach()


@functools.cache
def _connected() -> dict[int, list[Training]]:
    """What every open connection holds, by the list's identity."""
    return {}


@st.cache_resource(scope="session", show_spinner=False, on_release=_leave)
def _held() -> list[Training]:
    """What this connection steers, on whatever page. When it closes, its training pauses at once;
    when it comes back in time, the page's next run lets it go on."""
    _keep_alive()
    held: list[Training] = []
    _connected()[id(held)] = held
    return held


@functools.cache
def _keep_alive() -> threading.Thread:
    """Starts the thread that renews the lease of all that an open connection holds, once."""

    def touch() -> None:
        while True:
            for held in list(_connected().values()):
                for training in list(held):
                    training.job.touch()
            time.sleep(ROUTINE)

    thread = threading.Thread(target=touch, name="leases", daemon=True)
    thread.start()
    return thread


def current() -> Training | None:
    """Returns the session's training, or None."""
    return st.session_state.get(SESSION)


def begin(experiments: Sequence[Experiment]) -> Training:
    """Starts a training, paused, in place of the session's own, which ends, or a watched one.

    Raises:
        ValueError: The server holds as many as it can.
    """
    end()
    busy = sum(training.job.alive for training in list(_shelf().values()))
    if busy >= MOST:
        raise ValueError(
            f"This server already holds {busy} trainings, its limit is {MOST}. One that nobody "
            "watches ends within a minute; try again then."
        )
    training = live.begin(experiments, _slots())
    _owners()[training] = visitor.key()
    return _keep(training)


def known(job: str) -> Training | None:
    """Returns the training of that id, while anybody holds it."""
    return _shelf().get(job)


def adopt(job: str) -> Training | None:
    """Returns the running training of that id, which the session then shows, or None."""
    found = known(job)
    return _keep(found) if found is not None and found.job.alive else None


def clear_up() -> None:
    """Frees, once per visitor, the networks of visitors who are gone.

    Streamlit remembers a session for a while, and the process's first ones for good: they were
    there when `warm_up` took everything out of the garbage collector.
    """
    if "cleared_up" not in st.session_state:
        st.session_state["cleared_up"] = True
        for training in list(_shelf().values()):
            live.forget(training)
        gc.collect()


def is_forgotten(training: Training) -> bool:
    """Returns whether its networks were let go, so that it can't go on."""
    return training.run is None and not training.job.alive


def _keep(training: Training) -> Training:
    st.session_state[SESSION] = training
    _shelf()[training.job.id] = training
    hold()
    return training


def end() -> None:
    """Lets go of the session's training, and ends it unless it is another visitor's."""
    training = st.session_state.pop(SESSION, None)
    if training is not None and steers(training):
        training.job.stop()
        _held().clear()


def hold() -> None:
    """Keeps the session's training alive while its connection is open; a watcher keeps no job."""
    training = current()
    if training is None or not steers(training):
        return
    training.job.touch()
    _held()[:] = [training]


def revive(training: Training) -> None:
    """Lets a training that is over go on from its last checkpoint."""
    live.revive(training)
    _keep(training)


def is_busy(training: Training) -> bool:
    """Returns whether it runs or waits for a place."""
    return training.job.state in ("running", "queued")


def page_link(page: StreamlitPage) -> None:
    """On another page: keeps the session's training alive, and leads back to it."""
    training = current()
    if training is not None and is_busy(training):
        hold()
        st.page_link(page, label="Your training goes on", icon=":material/play_arrow:")
