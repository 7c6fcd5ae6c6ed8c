"""The entry point: ``streamlit run app.py``."""

from __future__ import annotations

import streamlit as st

from pages.ui import warm_up

app = st.App("pages/frame.py", lifespan=warm_up.lifespan)
