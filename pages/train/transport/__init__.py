"""Play, Pause, single steps and Stop, and how far the training is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import streamlit as st

from pages.ui import assets, session

__all__ = ["transport"]

_TRANSPORT = assets.component(__file__, "transport")
KEY = "transport"
SPEEDS = {"max": float("inf"), "10": 10.0, "5": 5.0, "2": 2.0, "1": 1.0}


def transport(
    status: Mapping[str, object],
    question: Mapping[str, object],
    steers: bool,
    on_act: Callable[[str, int], None],
    look: Mapping[str, int | None] | None,
    on_look: Callable[[int], None],
) -> float:
    """Draws the buttons that steer a training, for who may, and its progress.

    ``question`` is what the live channel is asked, which tells how the training stands. A click
    goes to the server by that channel. What the channel can't do, or where there is
    none, ``on_act`` does, with the act's name and its number of updates, before the page runs.
    The page also runs where the channel says that the training stands elsewhere than in
    ``status``, as it was drawn. Of a training that rests ``look`` has the step ``at`` which one
    looks, the ``last`` one, and the one that was ``kept`` and can be gone on from; ``on_look`` is
    called with another step. Returns the speed that is chosen, in records a second.
    """
    speed = session.view("speed", list(SPEEDS))

    def acted() -> None:
        session.touch()
        told = st.session_state[KEY].get("act")
        match told:
            case {"what": str(what), "count": int(count), "at": int() | float() as at}:
                # the browser may tell of one click twice
                if at > st.session_state.get("train.acted", 0.0):
                    st.session_state["train.acted"] = at
                    on_act(what, count)

    def hastened() -> None:
        session.touch()
        wanted = st.session_state[KEY].get("speed")
        if wanted in SPEEDS:
            st.session_state[session.key(f"{session.VIEW}speed")] = wanted

    def looked() -> None:
        session.touch()
        wanted = st.session_state[KEY].get("shown")
        if isinstance(wanted, int):
            on_look(wanted)

    data = {
        "status": dict(status),
        "question": dict(question),
        "at": time.monotonic(),
        "steers": steers,
        "look": dict(look) if look else None,
        "speed": speed,
        "speeds": [[name, _label(name)] for name in SPEEDS],
    }
    _TRANSPORT(
        key=KEY,
        data=data,
        on_act_change=acted,
        on_moved_change=session.touch,
        on_speed_change=hastened,
        on_shown_change=looked,
    )
    return SPEEDS[speed]


def _label(speed: str) -> str:
    return "as fast as it can" if speed == "max" else f"{speed} updates/s"
