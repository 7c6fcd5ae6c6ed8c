"""Panels side by side in one Plotly figure, and the line styles that every figure shares.

One visual language: a colour belongs to a quantity, whatever the figure, or to an arm of a
training, which also has its letter; a prediction is dashed in ink; one seed is faint, the median
is solid, the middle half of the seeds is a band.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "ARMS",
    "CORRELATION",
    "Drawing",
    "GRADIENT",
    "INK",
    "MEAN",
    "NEUTRAL",
    "PALETTE",
    "Panel",
    "SATURATED",
    "UNITS",
    "VARIANCE",
    "band",
    "box",
    "drawable",
    "extent",
    "figure",
    "low",
    "key",
    "line",
    "log_scale",
    "median",
    "positive",
    "predicted",
    "quartiles",
    "rgba",
    "scatter",
]

# The light palette, in the order of config.toml's chartCategoricalColors; the chart component
# exchanges it for the theme's own.
PALETTE = (
    *("#0072B2", "#D55E00", "#008F68", "#B0568B", "#8A6D00", "#2F7FAE", "#5B5B5B"),
    *("#4B3FA7", "#C2185B", "#00796B", "#7A5C20"),
)
MEAN, VARIANCE, GRADIENT, UNITS, CORRELATION, SATURATED, NEUTRAL, *ARMS = PALETTE
INK = "#16202B"
Drawing = dict[str, Any]  # a piece of a figure, as Plotly's JSON has it
Ends = tuple[float, float]
DECADES = 1.0  # a span from which a linear axis hides the small values
HEIGHT = 400
BETWEEN_ROWS = 0.14  # of the height, for the titles
NARROW = {"margin.l": 46, "margin.t": 30, "legend.y": -0.11, "legend.yanchor": "top"}


@dataclass(frozen=True)
class Panel:
    """One pair of axes: its words, its traces and what they need."""

    title: str
    traces: Sequence[Drawing]
    x: str = "layer"
    y: str = ""  # where the title does not say it already
    log: bool = False
    x_axis: Drawing | None = None
    y_axis: Drawing | None = None
    shapes: Sequence[Drawing] = ()
    images: Sequence[Drawing] = ()


def figure(
    panels: Sequence[Panel],
    keys: Sequence[Drawing] = (),
    hover: str = "x unified",
    rows: int = 1,
    caption: str = "",
) -> Drawing:
    """Returns the panels row by row; one below the other on a narrow screen, by
    ``layout.meta.narrow``. Panels that stand in one column have one x axis. ``caption`` says what
    the figure is of, where it leaves the page.

    As Plotly's JSON has it, unchecked: a figure follows a hand, and checking takes longer than
    making it. The tests check.
    """
    count, columns = len(panels), len(panels) // rows
    gap = 0.11 if any(panel.y for panel in panels) else 0.07
    width = (1 - gap * (columns - 1)) / columns
    height = (1 - BETWEEN_ROWS * (rows - 1)) / rows
    traces = list(keys)
    layout: Drawing = {"annotations": [], "shapes": [], "images": []}
    narrow: Drawing = {"height": 225 * count + 110} | NARROW
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        x, y = (str(at + 1) if at else "" for at in (column, index))
        left, bottom = column * (width + gap), (rows - 1 - row) * (height + BETWEEN_ROWS)
        top = bottom + height
        x_axis, y_axis = _axes(panel, x, y)
        if hover == "x unified":
            value = "%{x:,d}" if "ticksuffix" in x_axis else "%{x}"  # a format leaves the unit out
            x_axis["unifiedhovertitle"] = {"text": f"{panel.x} {value}"}
        layout[f"yaxis{y}"] = y_axis | ({"domain": [bottom, top]} if rows > 1 else {})
        if row == rows - 1:
            layout[f"xaxis{x}"] = x_axis | {"domain": [left, left + width]}
            narrow[f"xaxis{x}.domain"] = [0.0, 1.0]
        layout["annotations"].append(_title(panel.title, left, top))
        highest = 1 - index / count
        lowest = highest - (1 if index == count - 1 else 0.7) / count
        narrow[f"yaxis{y}.domain"] = [lowest, highest]
        titled = row == rows - 1 and "title" in x_axis
        if titled and index < count - 1 and panel.x == panels[-1].x:  # the lowest says it for all
            narrow[f"xaxis{x}.title.text"] = ""
        narrow |= {f"annotations.{index}.x": 0.0, f"annotations.{index}.y": highest}
        traces += [trace | {"xaxis": f"x{x}", "yaxis": f"y{y}"} for trace in panel.traces]
        layout["shapes"] += [_placed(shape, x, y) for shape in panel.shapes]
        layout["images"] += [_placed(image, x, y) for image in panel.images]
    layout |= {
        "height": HEIGHT,
        "margin": {"l": 52, "r": 14, "t": 64 if keys else 30, "b": 44},
        "hovermode": hover,
        "showlegend": bool(keys),
        "legend": {"orientation": "h", "x": 0, "y": 1.12, "yanchor": "bottom"},
        "meta": {"palette": list(PALETTE), "ink": INK, "narrow": narrow, "caption": caption},
    }
    return {"data": traces, "layout": layout}


def _placed(shape: Drawing, x: str, y: str) -> Drawing:
    """A shape or image on its panel's axes; one that says "domain" spans the panel that way."""
    refs = {
        f"{axis}ref": f"{axis}{at}" + (" domain" if shape.get(f"{axis}ref") == "domain" else "")
        for axis, at in (("x", x), ("y", y))
    }
    return shape | refs


def _axes(panel: Panel, x: str, y: str) -> tuple[Drawing, Drawing]:
    shared = {"automargin": False, "ticks": "outside", "ticklen": 3, "zeroline": False}
    shared |= {"exponentformat": "power"}
    horizontal = shared | {"anchor": f"y{y}"} | (panel.x_axis or {})
    vertical = shared | {
        "anchor": f"x{x}",
        # A zoom made on a linear axis means nothing on a logarithmic one, so it is dropped then.
        "type": "log" if panel.log else "linear",
        "uirevision": "log" if panel.log else "linear",
    }
    # For a title's place every redraw measures all labels, even of a title without words; an axis
    # whose labels say what they are has none.
    if "ticksuffix" not in horizontal:
        horizontal["title"] = {"text": panel.x, "standoff": 6, "font": {"size": 13}}
    if panel.y:
        vertical["title"] = {"text": panel.y, "standoff": 4, "font": {"size": 13}}
    return horizontal, vertical | (panel.y_axis or {})


def _title(text: str, left: float, top: float) -> Drawing:
    place = {"xref": "paper", "yref": "paper", "x": left, "y": top}
    return place | {
        "text": f"<b>{text}</b>",
        "showarrow": False,
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 4,
    }


def rgba(colour: str, opacity: float) -> str:
    """Returns ``rgba(r, g, b, opacity)`` for a ``#rrggbb`` colour."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:g})"


def scatter(x: object, y: object, hover: str = "", **attributes: object) -> Drawing:
    """Returns a trace without an entry in the legend: a line, unless ``mode`` says otherwise.

    ``hover`` is Plotly's template of what is said of a point; without one nothing is.
    """
    said = {"hovertemplate": f"{hover}<extra></extra>"} if hover else {"hoverinfo": "skip"}
    drawn = {"type": "scatter", "mode": "lines", "x": x, "y": y, "showlegend": False}
    return drawn | said | attributes


def key(name: str, group: str, colour: str = NEUTRAL, **style: object) -> Drawing:
    """Returns a legend entry that stands for every trace of its group and switches them."""
    line = {"color": colour, **style}
    entry = {"type": "scatter", "mode": "lines", "x": [None], "y": [None], "showlegend": True}
    return entry | {"name": name, "legendgroup": group, "line": line}


def line(
    x: np.ndarray, y: np.ndarray, colour: str, name: str, group: str, **style: object
) -> Drawing:
    """Returns one line that shows its values on hover; gaps where they are not finite."""
    drawn = scatter(x, drawable(y), f"{name} %{{y:.4g}}", name=name, legendgroup=group)
    return drawn | {"line": {"color": colour, "width": 2.5, **style}}


def predicted(x: np.ndarray, y: np.ndarray, name: str) -> Drawing:
    """Returns the dashed line that always means a prediction."""
    return line(x, y, INK, name, "predicted", width=2, dash="dash")


def band(
    x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, group: str, opacity: float
) -> Drawing:
    """Returns the area between two curves, where both are finite."""
    known = np.isfinite(low) & np.isfinite(high)
    tint = rgba(colour, opacity)
    return scatter(
        # Plotly can't send an empty array, hence the lone gap where nothing is known.
        np.concatenate([x[known], x[known][::-1]]) if known.any() else [None],
        np.concatenate([low[known], high[known][::-1]]) if known.any() else [None],
        fill="toself",
        fillcolor=tint,
        line={"width": 0, "color": tint},
        legendgroup=group,
    )


def box(across: Ends, along: Ends, **style: object) -> Drawing:
    """Returns the rectangle between two ends on the x axis and two on the y axis."""
    (x0, x1), (y0, y1) = across, along
    return {"type": "rect", "x0": x0, "x1": x1, "y0": y0, "y1": y1} | style


def quartiles(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the quartiles over the finite seeds of every layer, NaN where there are none."""
    if values.size and np.isfinite(values).all():
        return tuple(np.quantile(values, (0.25, 0.5, 0.75), axis=0))
    return tuple(_quantiles(values, (0.25, 0.5, 0.75), 0))


def median(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Returns the median over the finite seeds, which are an axis; NaN where there are none."""
    if values.size and np.isfinite(values).all():
        return np.median(values, axis)
    return _quantiles(values, (0.5,), axis)[0]


def _quantiles(values: np.ndarray, levels: Sequence[float], axis: int) -> np.ndarray:
    """Quantiles of the finite values, ``(levels, ...)``; NaN where there are none.

    By one sort, since NumPy's own loop over the slices takes a hundred times as long.
    """
    known = np.isfinite(values)
    count = known.sum(axis, keepdims=True)
    if not count.any():
        return np.full((len(levels), *count.squeeze(axis).shape), np.nan)
    ordered = np.sort(np.where(known, values, np.inf), axis)
    ordered[np.isinf(ordered)] = 0.0
    found = []
    for level in levels:
        place = level * np.maximum(count - 1, 0)
        low = place.astype(int)
        below, above = (
            np.take_along_axis(ordered, at, axis) for at in (low, np.ceil(place).astype(int))
        )
        found.append(np.where(count > 0, below + (above - below) * (place - low), np.nan))
    return np.stack(found).squeeze(axis + 1)


def extent(values: np.ndarray, axis: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns the smallest and the largest of the finite seeds; NaN where there are none."""
    known = np.isfinite(values)
    low = np.where(known, values, np.inf).min(axis, initial=np.inf)
    high = np.where(known, values, -np.inf).max(axis, initial=-np.inf)
    return drawable(low), drawable(high)


def positive(values: np.ndarray) -> np.ndarray:
    """Returns the values with gaps where a logarithmic axis has no place for them."""
    return np.where(values > 0, values, np.nan)


def drawable(values: np.ndarray) -> np.ndarray:
    """Returns the values with gaps for infinities; a browser has no use for those."""
    values = np.asarray(values, dtype=float)
    return np.where(np.isfinite(values), values, np.nan)


def log_scale(scale: str, *values: np.ndarray) -> bool:
    """Returns whether the axis is logarithmic: as asked, or where the values span decades."""
    if scale != "auto":
        return scale == "log"
    together = np.concatenate([np.ravel(v) for v in values])
    positive = together[np.isfinite(together) & (together > 0)]
    if not len(positive):
        return False
    return bool(np.log10(positive.max()) - np.log10(positive.min()) >= DECADES)


def low(drawn: Drawing) -> Drawing:
    """Makes a figure so low that another one fits below it on a laptop's screen."""
    drawn["layout"]["height"] = 300
    drawn["layout"]["meta"]["least"] = 0.3  # of the window's height, see view.js
    return drawn
