"""The present setting under every constraint with every activation, a small curve each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.propagate import verdict
from pages.propagate.cell_grid import cell_grid
from pages.ui import results, session
from pages.ui.panels import median
from pages.ui.text import option_name
from snn_core.diagnosis import KINDS, diagnose
from snn_core.settings import Experiment
from snn_core.sweep import Cell, Grid
from snn_core.wording import brief

__all__ = ["ask", "draw"]

NARROWEST = 0.5  # decades of variance to either side of 1 that every cell's axis has
WIDEST = 6.0
WAITING = "…"
WORDS = (
    "The variance of every layer on one logarithmic axis: measured in colour, predicted dashed, "
    "the faint line at 1. Choose a cell to set the page up so; Undo brings your setting back."
)


Found = tuple[DeltaGenerator, Grid, Sequence[Cell]]  # where it is drawn, and what


def ask(experiment: Experiment) -> Found | None:
    """Draws the cells as they come; returns the whole table, None where it is stopped."""
    place = st.empty()
    found = results.variants(experiment, partial(_draw, place))
    if found is None:
        place.empty()
        return None
    return place, *found


def draw(found: Found) -> None:
    """Draws the table."""
    _draw(*found)


def _draw(place: DeltaGenerator, layout: Grid, cells: Sequence[Cell]) -> None:
    """Draws the cells that are there; the others have their place."""
    together = np.concatenate([np.zeros(1), *(_decades(cell) for cell in cells)])
    high = float(np.clip(np.abs(together).max(), NARROWEST, WIDEST))
    rows = [option_name("constraint", name) for name in layout.rows]
    columns = [option_name("activation", name) for name in layout.columns]
    waiting = layout.cells[len(cells) :]
    drawn = [_drawn(cell, high) for cell in cells]
    drawn += [{"id": _id(cell), "problem": WAITING} for cell in waiting]
    # A key is drawn with once in a run of the script.
    key = f"variants {len(cells)}" if waiting else "variants"
    with place.container():
        cell_grid(key, WORDS, rows, columns, drawn, partial(_open, tuple(cells)))
        if layout.reduced:
            st.caption(layout.reduced)


def _decades(cell: Cell) -> np.ndarray:
    """The logarithms of all variances that a cell shows."""
    p = cell.propagation
    if p is None:
        return np.zeros(0)
    values = np.concatenate([median(p.variance), p.predicted.variance])
    return np.log10(values[np.isfinite(values) & (values > 0)])


def _drawn(cell: Cell, high: float) -> dict[str, Any]:
    name = f"{option_name('activation', cell.column)}, {option_name('constraint', cell.row)}"
    p = cell.propagation
    if p is None:
        return {"id": _id(cell), "problem": cell.problem.partition(".")[0] + "."}
    found, measured = diagnose(p, repairs=False), median(p.variance)
    return {
        "id": _id(cell),
        "label": f"{name}: {verdict.short(found)}",
        "text": f"{KINDS[found.kind]} · {brief(float(measured[-1]))}",
        "measured": _logs(measured),
        "predicted": _logs(p.predicted.variance),
        "low": -high,
        "high": high,
        "here": cell.present,
    }


def _id(cell: Cell) -> str:
    return f"{cell.row} {cell.column}"


def _logs(values: np.ndarray) -> list[float | None]:
    return [
        round(float(np.log10(v)), 3) if np.isfinite(v) and v > 0 else None for v in values.tolist()
    ]


def _open(cells: Sequence[Cell], chosen: str) -> None:
    """Takes over the constraint and the activation of the cell that was chosen."""
    for cell in cells:
        if _id(cell) == chosen:
            session.load_preset(constraint=cell.row, activation=cell.column)
