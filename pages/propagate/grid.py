"""The present setting under every constraint with every activation, a small curve each."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from pages.propagate import verdict
from pages.propagate.cell_grid import cell_grid, picked
from pages.ui import results, session
from pages.ui.panels import median
from pages.ui.text import option_name
from snn_core.probes import KINDS
from snn_core.spec import Experiment
from snn_core.sweep import Cell
from snn_core.wording import brief

__all__ = ["draw"]

NARROWEST = 0.5  # decades of variance to either side of 1 that every cell's axis has
WIDEST = 6.0
WORDS = (
    "The variance of every layer on one logarithmic axis: measured in colour, predicted dashed, "
    "the faint line at 1. Choose a cell to set the page up so; Undo brings your setting back."
)


def draw(shown: Experiment) -> None:
    """Draws the table, with progress and a way to stop while it is computed."""
    found = results.variants(shown)
    if found is None:
        st.info("Stopped.")
        st.button("Compute the table after all", on_click=results.release, key="release_grid")
        return
    layout, cells = found
    spans = [np.log10(v[v > 0]) for cell in cells if (v := _variance(cell)) is not None]
    together = np.concatenate(spans) if spans else np.zeros(1)
    high = float(np.clip(np.abs(together).max(initial=NARROWEST), NARROWEST, WIDEST))
    rows = [option_name("constraint", name) for name in layout.rows]
    columns = [option_name("activation", name) for name in layout.columns]
    drawn = [_drawn(cell, high) for cell in cells]
    cell_grid("variants", WORDS, rows, columns, drawn, partial(_open, list(cells)))
    if layout.reduced:
        st.caption(layout.reduced)


def _variance(cell: Cell) -> np.ndarray | None:
    p = cell.propagation
    if p is None:
        return None
    values = np.concatenate([median(p.variance), p.predicted.variance])
    return values[np.isfinite(values)]


def _drawn(cell: Cell, high: float) -> dict[str, Any]:
    name = f"{option_name('activation', cell.column)}, {option_name('constraint', cell.row)}"
    p = cell.propagation
    if p is None:
        return {"id": _id(cell), "problem": cell.problem.partition(".")[0] + "."}
    found = verdict.diagnosis_of(p)
    return {
        "id": _id(cell),
        "label": f"{name}: {verdict.short(found)}",
        "text": f"{KINDS[found.kind]} · {brief(float(median(p.variance)[-1]))}",
        "measured": _logs(median(p.variance)),
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


def _open(cells: list[Cell]) -> None:
    """Takes over the constraint and the activation of the cell that was chosen."""
    chosen = next((cell for cell in cells if _id(cell) == picked("variants")), None)
    if chosen is None:
        return
    session.load_preset(constraint=chosen.row, activation=chosen.column)
