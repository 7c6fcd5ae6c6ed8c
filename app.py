"""The entry point: ``streamlit run app.py``."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from starlette.middleware import Middleware

from pages.ui import assets, visitor, warm_up
from pages.ui.live import channel


def answers() -> Mapping[str, channel.Answer]:
    """Returns who answers what is asked over the live channel; brings torch, hence so late."""
    warm_up.done()  # two threads that import the core at once can wait for each other
    from pages.moment_map import live as moment_map
    from pages.propagate import live as propagate
    from pages.train import live as train

    return {
        "map": moment_map.answer,
        "propagate": propagate.answer,
        "steer": train.steer,
        "train": train.answer,
    }


app = st.App(
    "pages/frame.py",
    lifespan=warm_up.lifespan,
    routes=[channel.route(answers), assets.ROUTE],
    middleware=[Middleware(visitor.Recognize), Middleware(assets.Preload)],
)
