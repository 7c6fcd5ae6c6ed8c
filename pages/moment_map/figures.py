"""The figure of the moment map: the plane with its vector field, and the activation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from pages.moment_map import text
from pages.moment_map.plane import MEANS, VARIANCES, Asked, Seen
from pages.ui import panels
from pages.ui.panels import (
    CORRELATION,
    GRADIENT,
    INK,
    MEAN,
    NEUTRAL,
    UNITS,
    VARIANCE,
    Drawing,
    Panel,
)
from snn_core.activations import Activation
from snn_core.propagate import Propagation
from snn_core.theory.moments.fixed_points import FixedPoint
from snn_core.theory.moments.flow import VectorField
from snn_core.wording import amount

__all__ = ["MARKS", "mark", "marker", "moment_map", "shaded"]

REACH = 0.35  # of an arrow, as a share of one layer's step
LONGEST, HEAD = 0.06, 0.022  # of an arrow and of its head, as a share of the plane's size
EDGE = 0.03  # distance from the edge of marks for what lies beyond, as a share of the plane
TICKS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10)  # of a logarithmic variance
MARKS = {"attracting": "circle", "repelling": "x", "neutral": "diamond"}
HEIGHT, NARROW = 470, 880  # pixels
TWO_ROWS = 92  # pixels for the legend; the plane keeps its size where one row is enough


def moment_map(asked: Asked, seen: Seen, p: Propagation | None) -> Drawing:
    """Returns the plane with the steps of one layer, and the activation.

    ``p`` is what was measured from the start, where known. A fixed point beyond the plane is an
    arrow at its edge, with its numbers.
    """
    plane, plane_keys = _plane(asked, seen, p)
    activation, activation_keys = _activation(asked.act, *asked.incoming)
    drawn = panels.figure(
        [plane, activation],
        [*plane_keys, *activation_keys],
        hover="closest",
        caption=text.caption(asked),
    )
    # the fewer layers, the stronger
    shaded(drawn, "layers", (0, 40), [panels.rgba(MEAN, 0.6), panels.rgba(MEAN, 0.06)])
    drawn["layout"] |= {"height": HEIGHT, "dragmode": "select"}
    drawn["layout"]["margin"]["t"] = TWO_ROWS
    drawn["layout"]["meta"]["narrow"]["height"] = NARROW
    drawn["layout"]["legend"]["traceorder"] = "normal"  # a filled curve would reverse it
    return drawn


def shaded(
    drawn: Drawing,
    title: str,
    ends: tuple[float, float],
    colours: Sequence[str],
    **ticks: object,
) -> Drawing:
    """Returns the figure with a scale of its shade between the panels, where there is room."""
    size, (low, high) = {"size": 12}, ends
    bar = {"title": {"text": title, "font": size}, "tickfont": size, "outlinewidth": 0}
    bar |= {"thickness": 10, "len": 0.8, "x": 0.45, "xanchor": "left", **ticks}
    scale = [[at / (len(colours) - 1), colour] for at, colour in enumerate(colours)]
    axis = {"cmin": low, "cmax": high, "colorscale": scale, "colorbar": bar}
    drawn["layout"]["coloraxis"] = axis
    drawn["layout"]["meta"]["narrow"]["coloraxis.showscale"] = False
    return drawn


def _plane(asked: Asked, seen: Seen, p: Propagation | None) -> tuple[Panel, list[Drawing]]:
    """The plane and its legend."""
    shade = {"type": "heatmap", "name": "basin", "coloraxis": "coloraxis"}
    shade |= {"x": seen.means, "y": seen.variances, "z": seen.layers}
    said = "mean %{x:.3g}, variance %{y:.3g}<br>%{z} layers to the fixed point<extra></extra>"
    traces = [shade | {"hovertemplate": said}, _arrows(seen.arrows, asked.log)]
    keys = [panels.key("orbit of the map", "", INK, dash="dash", width=2)]
    if p is not None and p.detail is not None:
        measured = np.stack([p.mean, p.detail.within], axis=1)
        faint = {"color": panels.rgba(UNITS, 0.35), "width": 1}
        traces += [_path(each, "one seed", faint) for each in measured]
        middle = panels.median(measured)
        solid = {"color": UNITS, "width": 2}
        traces.append(_path(middle, "measured, median of the seeds", solid, 4))
        keys.append(panels.key("network, units averaged", "", UNITS, width=2))
    dashed = {"color": INK, "width": 2, "dash": "dash"}
    traces.append(_path(seen.predicted, "orbit of the map", dashed, 5))
    traces += [_fixed_point(point, asked.log) for point in seen.points]
    line = {"color": GRADIENT, "width": 2}
    boxes = [panels.box(*box, line=line) for box in asked.domain]
    keys.append(panels.key(asked.theorem, "", **line))
    if asked.box not in asked.domain:
        own = {"color": CORRELATION, "width": 2, "dash": "dot"}
        boxes.append(panels.box(*asked.box, line=own))
        keys.append(panels.key("your box", "", **own))
    kinds = [kind for kind in MARKS if kind in {point.kind for point in seen.points}]
    for kind in kinds:
        style = {"mode": "markers", "marker": marker(kind)}
        keys.append(panels.key(f"{kind} fixed point", "") | style)
    ticks = {"tickvals": TICKS, "ticktext": [f"{tick:g}" for tick in TICKS]} if asked.log else {}
    ends = VARIANCES[asked.log]
    panel = Panel(
        "What a layer does to mean and variance",
        traces,
        "mean",
        "variance",
        log=asked.log,
        x_axis={"range": MEANS},
        y_axis={"range": np.log10(ends).tolist() if asked.log else ends} | ticks,
        shapes=boxes,
    )
    return panel, keys


def marker(kind: str) -> Drawing:
    """Returns the mark of a fixed point of that kind."""
    colour = VARIANCE if kind == "attracting" else INK
    line = {"color": INK, "width": 2}
    return {"symbol": MARKS[kind], "size": 11, "color": colour, "line": line}


def mark(x: float, y: float, style: Drawing, hover: str) -> Drawing:
    """Returns a mark; its name is the first line of the hover text."""
    name = hover.partition("<br>")[0]
    return panels.scatter([x], [y], hover, mode="markers", marker=style, name=name)


def _path(moments: Iterable[np.ndarray], name: str, line: Drawing, dots: int = 0) -> Drawing:
    """The path of mean and variance through the layers."""
    mean, variance = moments
    known = np.isfinite(mean) & np.isfinite(variance)
    return panels.scatter(
        mean[known],
        variance[known],
        f"{name}<br>layer %{{text}}: mean %{{x:.4g}}, variance %{{y:.4g}}",
        text=[str(k) for k in np.flatnonzero(known)],
        mode="lines+markers" if dots else "lines",
        line=line,
        marker={"size": dots, "color": line["color"]},
        name=name,
    )


def _shares(mean: ArrayLike, variance: ArrayLike, log: bool) -> np.ndarray:
    """The place of a mean and a variance, as shares of the plane from its lower left corner."""
    low, high = (_up(end, log) for end in VARIANCES[log])
    across = (np.asarray(mean) - MEANS[0]) / (MEANS[1] - MEANS[0])
    return np.stack([across, (_up(variance, log) - low) / (high - low)])


def _place(shares: np.ndarray, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the variance at that place: the inverse of `_shares`."""
    low, high = (_up(end, log) for end in VARIANCES[log])
    mean, variance = MEANS[0] + shares[0] * (MEANS[1] - MEANS[0]), low + shares[1] * (high - low)
    return mean, np.exp(variance) if log else variance


def _up(variance: ArrayLike, log: bool) -> np.ndarray:
    return np.log(np.maximum(variance, 1e-12)) if log else np.asarray(variance)


def _arrows(field: VectorField, log: bool) -> Drawing:
    """Arrows in the direction of one layer's step, shorter than it; all in one trace."""
    m, v = np.meshgrid(field.mean_axis, field.variance_axis)
    tail = _shares(m.ravel(), v.ravel(), log)
    with np.errstate(all="ignore"):
        step = _shares(field.next_mean.ravel(), field.next_variance.ravel(), log) - tail
        step *= np.minimum(REACH, LONGEST / np.maximum(np.hypot(*step), 1e-12))
    tip = tail + step
    size = np.maximum(np.hypot(*step), 1e-12)
    back = step / size * np.minimum(HEAD, size)
    side = 0.45 * np.stack([-back[1], back[0]])
    path = [tail, tip, tip - back + side, tip - back - side, tip, np.full_like(tip, np.nan)]
    x, y = _place(np.stack(path, 2).reshape(2, -1), log)
    colour = panels.rgba(NEUTRAL, 0.85)
    line = {"color": colour, "width": 1.2}
    return panels.scatter(x, y, line=line, fill="toself", fillcolor=colour, name="one layer")


def _fixed_point(point: FixedPoint, log: bool) -> Drawing:
    """A mark where the point is; an arrow at the edge, and its numbers, where it lies beyond."""
    said = f"mean {amount(point.mean)}, variance {amount(point.variance)}"
    hover = f"{point.kind} fixed point<br>{said}"
    across, along = _shares(point.mean, point.variance, log)
    right, up = (int(share > 1.0) - int(share < 0.0) for share in (across, along))
    if not right and not up:
        return mark(point.mean, point.variance, marker(point.kind), hover)
    x, y = _place(np.clip([across, along], EDGE, 1.0 - EDGE), log)
    if up:  # across the edge the text would be cut off
        aside = "center" if 0.25 < across < 0.75 else "right" if across <= 0.25 else "left"
        symbol, where = ("up", f"bottom {aside}") if up > 0 else ("down", f"top {aside}")
    else:
        symbol, where = ("right", "middle left") if right > 0 else ("left", "middle right")
    beyond = [f"mean {amount(point.mean, 3)}"] if right else []
    beyond += [f"variance {amount(point.variance, 3)}"] if up else []
    style = marker(point.kind) | {"symbol": f"triangle-{symbol}"}
    return mark(float(x), float(y), style, hover) | {
        "mode": "markers+text",
        "text": [f"<b>{', '.join(beyond)}</b>"],
        "textposition": where,
        "textfont": {"color": INK},
    }


def _activation(act: Activation, mean: float, variance: float) -> tuple[Panel, list[Drawing]]:
    """The activation, its slope and the distribution of its input, with the legend."""
    spread = max(variance, 1e-12) ** 0.5
    reach = max(4.0, abs(mean) + 3 * spread)
    z = np.linspace(-reach, reach, 241)
    t = torch.from_numpy(z)
    density = np.exp(-0.5 * np.square((z - mean) / spread))
    f, slope = act.fn(t).numpy(), act.derivative(t).numpy()
    low = float(np.nanmin([f.min(), slope.min(), -1.0]))
    high = float(min(np.nanmax([f.max(), slope.max(), 1.2]), reach))
    ground, under = (
        panels.scatter(z, y, line={"width": 0}, name="distribution of z")
        for y in (np.full(z.size, low), low + density * 0.35 * (high - low))
    )
    function, dotted = {"color": MEAN, "width": 2}, {"color": VARIANCE, "width": 2, "dash": "dot"}
    thin = {"color": panels.rgba(INK, 0.4), "width": 1}
    panel = Panel(
        "The activation f, its slope, and its input z",
        [
            ground,
            under | {"fill": "tonexty", "fillcolor": panels.rgba(NEUTRAL, 0.25)},
            *(
                panels.scatter(z, y, f"z %{{x:.3g}}: {name} = %{{y:.4g}}", name=name, line=line)
                for y, name, line in (
                    (f, "f(z)", function),
                    (slope, "f'(z)", dotted),
                    (z, "z", thin),
                )
            ),
        ],
        "z, before the activation",
        x_axis={"range": [-reach, reach]},
        y_axis={"range": [low, high], "uirevision": act.name},
    )
    return panel, [
        panels.key("f(z)", "", **function),
        panels.key("slope f'(z)", "", **dotted),
        panels.key("distribution of z", "", panels.rgba(NEUTRAL, 0.5), width=8),
    ]
