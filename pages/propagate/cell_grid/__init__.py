"""A table of small curves, each a button: pick one to open it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from pages.ui import assets

__all__ = ["cell_grid"]

_GRID = assets.component(__file__, "cell_grid", "<div class='grid'></div>")


def cell_grid(
    key: str,
    caption: str,
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Sequence[Mapping[str, Any]],
    on_pick: Callable[[str], None],
) -> None:
    """Draws the table; ``on_pick`` is called with the id of a cell that is chosen.

    ``cells`` are in reading order, each with ``id``, ``label`` for a screen reader, ``text`` of a
    word or two, and either ``measured`` and ``predicted``, lists of logarithms or None, drawn
    between ``low`` and ``high``, or a ``problem`` that says why there is nothing. ``here`` marks
    the present one.
    """

    def pick() -> None:
        said = st.session_state.get(key)
        found = said.get("picked") if isinstance(said, Mapping) else None
        if isinstance(found, str):
            on_pick(found)

    data = {"caption": caption, "rows": rows, "columns": columns, "cells": cells}
    _GRID(key=key, data=data, on_picked_change=pick)
