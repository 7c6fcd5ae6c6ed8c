"""The present setting under every constraint with every activation, a small curve each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from pages.propagate import verdict
from pages.propagate.cell_grid import cell_grid
from pages.ui import session
from pages.ui.panels import median
from pages.ui.text import option_name
from snn_core.diagnosis import KINDS
from snn_core.sweep import Cell, Grid
from snn_core.wording import brief

__all__ = ["draw"]

NARROWEST = 0.5  # decades of variance to either side of 1 that every cell's axis has
WIDEST = 6.0
WORDS = (
    "The variance of every layer on one logarithmic axis: measured in colour, predicted dashed, "
    "the faint line at 1. Choose a cell to set the page up so; Undo brings your setting back."
)


def draw(found: tuple[Grid, Sequence[Cell]]) -> None:
    """Draws the table."""
    layout, cells = found
    together = np.concatenate([np.zeros(1), *(_decades(cell) for cell in cells)])
    high = float(np.clip(np.abs(together).max(), NARROWEST, WIDEST))
    rows = [option_name("constraint", name) for name in layout.rows]
    columns = [option_name("activation", name) for name in layout.columns]
    drawn = [_drawn(cell, high) for cell in cells]
    cell_grid("variants", WORDS, rows, columns, drawn, partial(_open, cells))
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
    found, measured = verdict.diagnosis_of(p), median(p.variance)
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
