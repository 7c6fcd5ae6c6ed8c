"""The entry point: ``streamlit run app.py``."""

from __future__ import annotations

import streamlit as st
from starlette.middleware import Middleware

from pages.ui import visitor, warm_up

app = st.App(
    "pages/frame.py",
    lifespan=warm_up.lifespan,
    middleware=[Middleware(visitor.Recognize)],
)
