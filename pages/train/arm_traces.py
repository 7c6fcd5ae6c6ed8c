"""Traces of one arm of a training, alike in every figure: its colour, its letter, its seeds.

Traces that grow with the steps only ever get longer: what is sent is what is new.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pages.ui import panels
from pages.ui.panels import ARMS, INK
from snn_core.train import ArmSnapshot, Snapshot
from snn_core.wording import amount

__all__ = [
    "STEPS_AXIS",
    "Drawing",
    "arm_keys",
    "arms",
    "band",
    "heading",
    "letter",
    "letters",
    "line",
    "log_ticks",
    "marks",
    "median",
    "over_seeds",
    "positive",
    "record_at",
]

Drawing = dict[str, Any]
# Plotly finds the range: it forgets a person's zoom where the figure says another range each time.
# There is no step below 0, which it would show about a lone record of step 0.
STEPS_AXIS = {"rangemode": "tozero", "tickformat": ",d", "tickangle": 0, "minallowed": 0} | {
    "ticksuffix": " steps",
    "showticksuffix": "first",  # the last one may stand at the figure's edge
}


def arms(history: Sequence[Snapshot]) -> list[tuple[int, str]]:
    """Returns the index and the colour of every arm."""
    count = len(history[0].arms) if history else 0
    return list(zip(range(count), ARMS, strict=False))


def arm_keys(history: Sequence[Snapshot]) -> list[Drawing]:
    """Returns a legend entry for every arm, by its letter."""
    return [
        panels.key(f"arm {letter(arm)}", f"arm {letter(arm)}", colour, width=4)
        for arm, colour in arms(history)
    ]


def over_seeds(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns smallest, median and largest finite seed of every record; NaN where none is."""
    values = panels.drawable(values.reshape(len(values), -1))
    known = np.isfinite(values)
    low = np.where(known, values, np.inf).min(1, initial=np.inf)
    high = np.where(known, values, -np.inf).max(1, initial=-np.inf)
    return panels.drawable(low), median(values), panels.drawable(high)


def median(values: np.ndarray) -> np.ndarray:
    """Returns the median over axis 1, the seeds, of the finite ones; NaN where there is none."""
    known = np.isfinite(values)
    if known.all():
        return np.median(values, axis=1) if values.size else np.zeros(len(values))
    none = np.logical_not(known.any(axis=1))
    # an empty slice would warn
    kept = np.where(known, values, np.where(none[:, None], 0.0, np.nan))
    return np.where(none, np.nan, np.nanmedian(kept, axis=1))


def letter(arm: int) -> str:
    """Returns what an arm is called in a figure."""
    return "ABCD"[arm]


def line(
    x: np.ndarray,
    y: np.ndarray,
    colour: str,
    name: str,
    group: str,
    width: float = 2.5,
    dash: str = "solid",
) -> Drawing:
    """Returns one arm's line."""
    return panels.line(x, y, colour, name, group, width=width, dash=dash)


def band(
    x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, group: str
) -> list[Drawing]:
    """Returns two lines without ink and the area between; unlike an outline they can grow."""
    edge = {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "line": {"width": 0, "color": colour},
        "legendgroup": group,
        "showlegend": False,
        "hoverinfo": "skip",
    }
    fill = {"fill": "tonexty", "fillcolor": panels.rgba(colour, 0.16)}
    return [edge | {"y": low}, edge | {"y": high} | fill]


def letters(
    curves: Sequence[tuple[int, np.ndarray, np.ndarray]],
    log: bool = False,
    bounds: tuple[float, float] | None = None,
) -> Drawing:
    """Returns the arms' letters at the ends of their lines: colour alone would not do.

    ``curves`` are (arm, x, y); one trace for all, since every trace costs time to draw. Letters
    of lines that end near each other step aside. ``log`` says whether the axis is logarithmic,
    ``bounds`` which range it has; otherwise the lines span it.
    """
    found = [(arm, *_end(x, y)) for arm, x, y in curves]
    return {
        "type": "scatter",
        "mode": "text",
        "x": np.array([x for _, x, _ in found]),
        "y": _apart([y for *_, y in found], [y for *_, y in curves], log, bounds),
        "text": [f"<b>{letter(arm)}</b>" for arm, *_ in found],
        "textposition": "middle right",
        "textfont": {"color": [ARMS[arm] for arm, *_ in found], "size": 14},
        "showlegend": False,
        "hoverinfo": "skip",
        "cliponaxis": False,
    }


ROUNDING = 1e-9  # a range no larger, of its numbers, is none
LETTER = 0.07  # of an axis's range: a letter's height, in a panel of some 250 pixels


def _apart(
    ends: Sequence[float],
    curves: Sequence[np.ndarray],
    log: bool,
    bounds: tuple[float, float] | None,
) -> np.ndarray:
    """The heights of the letters, each as near to its line's end as its neighbours let it."""
    flat = np.concatenate([np.ravel(y) for y in curves] or [np.array([])])
    usable = np.isfinite(flat) & ((flat > 0) | (not log))
    seen = np.log10(flat[usable]) if log else flat[usable]
    with np.errstate(divide="ignore", invalid="ignore"):
        at = np.log10(np.array(ends)) if log else np.array(ends, dtype=float)
    known = np.flatnonzero(np.isfinite(at))
    if len(known) < 2:
        return np.array(ends, dtype=float)
    low, high = bounds or (float(seen.min()), float(seen.max()))
    flat_line = high - low <= ROUNDING * max(abs(high), abs(low))
    gap = LETTER * (1.0 if flat_line else high - low)
    order = known[::-1][np.argsort(at[known[::-1]], kind="stable")]  # A above B where equal
    steps = gap * np.arange(len(order))
    at[order] = _rising(at[order] - steps) + steps
    if bounds:
        at[order] = np.minimum(at[order], high - gap / 2 - steps[::-1])
        at[order] = np.maximum(at[order], low + gap / 2 + steps)
    return 10.0**at if log else at


def _rising(values: np.ndarray) -> np.ndarray:
    """The nearest numbers that never fall: neighbours that do are replaced by their mean."""
    blocks: list[list[float]] = []
    for value in values:
        blocks.append([value])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    return np.array([np.mean(block) for block in blocks for _ in block])


def _end(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    known = np.flatnonzero(np.isfinite(y))
    return (float(x[known[-1]]), float(y[known[-1]])) if len(known) else (np.nan, np.nan)


def marks(at: int | None) -> list[Drawing]:
    """Returns the line across a panel at the step that is looked at, none for the newest."""
    if at is None:
        return []
    place = {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "domain"}
    return [place | {"line": {"color": INK, "width": 1, "dash": "dot"}}]


def heading(name: str) -> str:
    """Returns what fits above a small panel: an arm's letter and activation.

    >>> heading("C · ReLU, he_normal weights, batch normalization")
    'C · ReLU'
    """
    return name.partition(", ")[0]


def log_ticks(*values: np.ndarray) -> Drawing:
    """Returns ticks of a logarithmic axis: 1, 2, 5 over few decades, powers of ten over many.

    They are written out: Plotly's own small digits between the powers say nothing of the decade.
    """
    seen = np.concatenate([np.ravel(v) for v in values] or [np.array([])])
    seen = seen[np.isfinite(seen) & (seen > 0)]
    if not len(seen):
        return {"dtick": 1}
    least, most = float(seen.min()), float(seen.max())
    if most < 2 * least:
        return _written(_even_ticks(least, most), 4)
    low, high = (math.floor(math.log10(least)), math.ceil(math.log10(most)))
    if high - low > 4:
        return {"dtick": math.ceil((high - low) / 6)}
    each = (1, 2, 5) if high - low <= 2 else (1,)
    return _written(
        [factor * 10.0**power for power in range(low - 1, high + 2) for factor in each], 1
    )


def _written(values: Sequence[float], digits: int) -> Drawing:
    return {"tickvals": values, "ticktext": [amount(value, digits) for value in values]}


def _even_ticks(least: float, most: float) -> list[float]:
    """Round numbers a few of which lie between the two, and some on either side."""
    wanted = max(most - least, 0.1 * most) / 3
    unit = 10.0 ** math.floor(math.log10(wanted))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= wanted)
    first, last = math.floor(least / step) - 2, math.ceil(most / step) + 2
    return [step * at for at in range(max(first, 1), last + 1)]


def positive(values: np.ndarray) -> np.ndarray:
    """Returns the values with gaps where a logarithmic axis has no place for them."""
    return np.where(values > 0, values, np.nan)


def record_at(history: Sequence[Snapshot], arm: int, at: int | None) -> ArmSnapshot | None:
    """Returns an arm's last record with statistics up to a step; None where there is none."""
    for snapshot in reversed(history):
        record = snapshot.arms[arm]
        if record.mean is not None and (at is None or record.step <= at):
            return record
    return None
