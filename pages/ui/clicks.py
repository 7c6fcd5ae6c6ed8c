"""A click acts once, though the browser may tell of it twice."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import wraps

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.ui import session

__all__ = ["once"]

REPEATED = 1.0  # seconds within which the browser tells of the same click again, if it does


def once(key: str, act: Callable[..., None]) -> Callable[..., None]:
    """Returns the callback of the button ``key``, which is outside every fragment.

    Where a fragment's clock ticks right after a click, the browser tells of it with the fragment's
    run, and mostly, some milliseconds later, with a run of the page too. The first one counts.
    """

    @wraps(act)
    def acted(*args: object) -> None:
        session.touch()  # also a repeated click is not a new link
        early: dict[str, float] = st.session_state.setdefault("clicked", {})
        context = get_script_run_ctx()
        if context is not None and context.fragment_ids_this_run:
            early[key] = time.monotonic()
            act(*args)
            st.rerun()  # the page, of which only the fragment would run
        elif time.monotonic() - early.pop(key, -math.inf) > REPEATED:
            act(*args)

    return acted
