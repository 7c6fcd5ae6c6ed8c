"""Links from one page to another, each with the setting that it opens."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from streamlit.errors import StreamlitAPIException

__all__ = ["MAP", "PROPAGATE", "TRAIN", "page_link"]

MAP = "moment_map/page.py"
PROPAGATE = "propagate/page.py"
TRAIN = "train/page.py"


def page_link(page: str, label: str, query: Mapping[str, str], help: str) -> None:
    """Draws the link to a page at that query; nothing where a page runs without the others."""
    try:
        st.page_link(
            page, label=label, icon=":material/arrow_forward:", query_params=query, help=help
        )
    except StreamlitAPIException:
        return
