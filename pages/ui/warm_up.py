"""What a server gets ready when it starts, and what it gives back while it runs."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st

__all__ = ["SHOWN", "done", "lifespan"]

TRIM_EVERY = 30.0  # seconds
SHOWN = threading.Event()  # whether a visitor has seen a page, which what can wait waits for
SHOWN_WITHIN = 5.0  # seconds; after that nobody is there who would wait


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """Starts to warm up beside the server, which answers meanwhile."""
    threading.Thread(target=_everything, name="warm-up", daemon=True).start()
    trimming = asyncio.create_task(_trim())
    yield
    trimming.cancel()


def _everything() -> None:
    done()
    SHOWN.wait(SHOWN_WITHIN)
    _train_a_step()


async def _trim() -> None:
    """Gives free memory back to the system, where the C library can.

    What the threads' passes leave lies between what is kept, and would stay with the process:
    after some changes of the default setting 94 of 631 MB. Takes 50 ms then, else less than 1.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    while trim is not None:
        await asyncio.sleep(TRIM_EVERY)
        await asyncio.to_thread(trim, 0)


@st.cache_resource(show_spinner=False)
def done() -> bool:
    """Imports all that a page needs, once per process.

    Returns when that is done, whoever began it. What is there then is taken out of the garbage
    collector, which rests meanwhile: it would look through ever more modules, for a fifth of the
    time. Streamlit may collect after a rerun, and with torch's objects in the heap that costs
    some 170 ms, frozen 7.
    """
    gc.disable()
    try:
        from pages.ui import results  # noqa: F401  brings the core, and with it torch
    finally:
        gc.freeze()
        gc.enable()
    return True


def _train_a_step() -> None:
    """Trains for a step: an optimizer's first one imports another second's worth of torch."""
    from snn_core.settings import Experiment, NetworkSpec, TrainingSpec
    from snn_core.train import train

    network = NetworkSpec(depth=1, width=2, normalization="batch")
    for _ in train(Experiment(network, "moons", seeds=1, training=TrainingSpec(steps=1))):
        pass
    gc.collect()
    gc.freeze()
