"""The end of a run, where what was drawn has to leave before anything else begins."""

from __future__ import annotations

import time

__all__ = ["depart"]

ENOUGH = 0.03  # seconds; Streamlit sends what is waiting every 10 ms


def depart() -> None:
    """Waits until what the run has drawn is on its way to the browser.

    To be called last. If a fragment's run began at once, Streamlit would drop what still waits of
    that fragment, and the browser would take its charts away until they are drawn anew.
    """
    time.sleep(ENOUGH)
