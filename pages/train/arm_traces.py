"""What every figure of a training draws in the same way: arms as lines, bands and letters.

Traces that grow with the steps only ever get longer: what is sent is what is new.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pages.ui import panels
from pages.ui.panels import ARMS, INK, NEUTRAL, Drawing, Panel
from snn_core.thinning import stride
from snn_core.train import Snapshot
from snn_core.wording import amount

__all__ = [
    "SHARES",
    "STEPS_AXIS",
    "Curve",
    "arms",
    "curves_panel",
    "heading",
    "keys",
    "letter",
    "marks",
    "of_seeds",
    "thinned",
]

# Plotly finds the range: it forgets a person's zoom where the figure says another range each time.
# There is no step below 0, which it would show about a lone record of step 0.
STEPS_AXIS = {"rangemode": "tozero", "tickformat": ",d", "tickangle": 0, "minallowed": 0} | {
    "ticksuffix": " steps",
    "showticksuffix": "first",  # the last one may stand at the figure's edge
}
SHARES = (-0.02, 1.04)  # an axis from 0 to 1
FEW_STEPS = 5  # whose ticks would be fractions
ROUNDING = 1e-9  # a range no larger, of its numbers, is none
LETTER = 0.1  # of an axis's range: a letter's height, in a panel of some 180 pixels


@dataclass(frozen=True)
class Curve:
    """One arm's line, with the lower and the upper edge of its band where it has one.

    ``name`` follows the arm's letter where a point is looked at. One that is ``beside`` the arm's
    own line is thin and dotted, without band and letter.
    """

    arm: int
    x: np.ndarray
    y: np.ndarray
    name: str = ""
    band: tuple[np.ndarray, np.ndarray] | None = None
    beside: bool = False


def of_seeds(arm: int, x: np.ndarray, values: np.ndarray, name: str = "") -> Curve:
    """Returns the median of ``(len(x), seeds)`` with a band from the least to the largest seed."""
    return Curve(arm, x, panels.median(values, 1), name, panels.extent(values, 1))


def curves_panel(
    title: str,
    curves: Sequence[Curve],
    x: str = "layer",
    log: bool = False,
    bounds: tuple[float, float] | None = None,
    shapes: Sequence[Drawing] = (),
) -> Panel:
    """Returns the arms' curves with their letters; ``bounds`` are the ends of a linear axis."""
    traces = [trace for curve in curves for trace in _drawn(curve, log)]
    seen = np.concatenate([trace["y"] for trace in traces] or [np.array([])])
    if curves:
        traces.append(letters([c for c in curves if not c.beside], seen, log, bounds))
    last = max((curve.x[-1] for curve in curves), default=0)
    few = {"dtick": 1} if last < FEW_STEPS else {}  # else two ticks read the same
    return Panel(
        title,
        traces,
        x,
        log=log,
        shapes=shapes,
        x_axis=STEPS_AXIS | few if x == "step" else None,
        y_axis=log_ticks(seen) if log else {"range": bounds} if bounds else None,
    )


def _drawn(curve: Curve, log: bool) -> list[Drawing]:
    """The line, above two lines without ink and the area between; they can grow."""
    shown = panels.positive if log else np.asarray
    colour, name = ARMS[curve.arm], f"{letter(curve.arm)} {curve.name}".strip()
    if curve.beside:
        style = {"width": 1.5, "dash": "dot"}
        return [panels.line(curve.x, shown(curve.y), colour, name, "beside", **style)]
    line = panels.line(curve.x, shown(curve.y), colour, name, "line")
    if curve.band is None:
        return [line]
    low, high = (
        panels.scatter(curve.x, shown(y), line={"width": 0, "color": colour}, legendgroup="band")
        for y in curve.band
    )
    return [low, high | {"fill": "tonexty", "fillcolor": panels.rgba(colour, 0.16)}, line]


def keys(
    history: Sequence[Snapshot],
    line: str,
    band: str = "",
    beside: str = "",
    names: Sequence[str] = (),
) -> list[Drawing]:
    """Returns the legend: the arms, by their letters or names, and what the kinds of lines are."""
    each = [f"arm {letter(arm)}" for arm in arms(history)]
    entries = [
        panels.key(name, arm, colour, width=4)
        for name, arm, colour in zip(names or each, each, ARMS, strict=False)
    ]
    entries.append(panels.key(line, "line", width=2.5))
    if band:
        entries.append(panels.key(band, "band", panels.rgba(NEUTRAL, 0.35), width=8))
    if beside:
        entries.append(panels.key(beside, "beside", width=1.5, dash="dot"))
    return entries


def arms(history: Sequence[Snapshot]) -> range:
    """Returns the numbers of the arms."""
    return range(len(history[0].arms))


def thinned(x: np.ndarray, values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns few enough records; which ones are left does not change when others are added."""
    every = stride(len(x), most)
    return x[::every], values[::every]


def letter(arm: int) -> str:
    """Returns what an arm is called in a figure."""
    return "ABCD"[arm]


def heading(name: str) -> str:
    """Returns what fits above a small panel: an arm's letter and activation.

    >>> heading("C · ReLU, he_normal weights, batch normalization")
    'C · ReLU'
    """
    return name.partition(", ")[0]


def marks(*steps: int | None) -> list[Drawing]:
    """Returns lines across a panel at these steps; none at the newest, which is None."""
    line = {"color": INK, "width": 1, "dash": "dot"}
    place = {"type": "line", "y0": 0, "y1": 1, "yref": "domain", "line": line}
    return [place | {"x0": step, "x1": step} for step in steps if step is not None]


def letters(
    curves: Sequence[Curve],
    seen: np.ndarray,
    log: bool = False,
    bounds: tuple[float, float] | None = None,
) -> Drawing:
    """Returns the arms' letters at the ends of their lines: colour alone would not do.

    One trace for all, since every trace costs time to draw. Letters of lines that end near each
    other step aside. ``log`` says whether the axis is logarithmic, ``bounds`` which range it has;
    otherwise it spans what is ``seen``.
    """
    ends = [_end(curve) for curve in curves]
    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.array([y for _, y in ends], dtype=float)
        at, spanned = (np.log10(y) if log else y for y in (heights, seen))
    spanned = spanned[np.isfinite(spanned)]
    if len(spanned):
        low, high = bounds or (spanned.min(), spanned.max())
        flat = high - low <= ROUNDING * max(abs(high), abs(low), float(log))
        at = _apart(at, LETTER * (1.0 if flat else high - low), bounds)
    return panels.scatter(
        np.array([x for x, _ in ends]),
        10.0**at if log else at,
        mode="text",
        text=[f"<b>{letter(curve.arm)}</b>" for curve in curves],
        textposition="middle right",
        textfont={"color": [ARMS[curve.arm] for curve in curves], "size": 14},
        cliponaxis=False,
    )


def _end(curve: Curve) -> tuple[float, float]:
    known = np.flatnonzero(np.isfinite(curve.y))
    return (
        (float(curve.x[known[-1]]), float(curve.y[known[-1]])) if len(known) else (np.nan, np.nan)
    )


def _apart(at: np.ndarray, gap: float, bounds: tuple[float, float] | None) -> np.ndarray:
    """Heights at least a gap from each other, each as near as its neighbours let it."""
    known = np.flatnonzero(np.isfinite(at))
    order = known[::-1][np.argsort(at[known[::-1]], kind="stable")]  # A above B where equal
    steps = gap * np.arange(len(order))
    at[order] = _rising(at[order] - steps) + steps
    if bounds:
        low, high = bounds
        at[order] = np.minimum(at[order], high - gap / 2 - steps[::-1])
        at[order] = np.maximum(at[order], low + gap / 2 + steps)
    return at


def _rising(values: np.ndarray) -> np.ndarray:
    """The nearest numbers that never fall: neighbours that do are replaced by their mean."""
    blocks: list[list[float]] = []
    for value in values:
        blocks.append([value])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    return np.array([np.mean(block) for block in blocks for _ in block])


def log_ticks(seen: np.ndarray) -> Drawing:
    """Returns ticks of a logarithmic axis: 1, 2, 5 over few decades, powers of ten over many.

    They are written out: Plotly's own small digits between the powers say nothing of the decade.
    """
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
