"""Figures of the moment map: the plane of moments, the activation, phases, correlations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from pages.ui import panels
from pages.ui.panels import CORRELATION, GRADIENT, INK, MEAN, NEUTRAL, UNITS, VARIANCE, Panel
from snn_core.activations import Activation
from snn_core.theory.correlation import CorrelationCurve
from snn_core.theory.field import Orbit, VectorField
from snn_core.theory.fixed_points import FixedPoint
from snn_core.theory.mean_field import Phase
from snn_core.wording import amount

__all__ = [
    "activation_graph",
    "activation_keys",
    "layers_scale",
    "phases",
    "plane",
    "plane_keys",
    "shaded",
]

Drawing = dict[str, Any]
Box = tuple[tuple[float, float], tuple[float, float]]  # of means, of variances
REACH = 0.35  # of an arrow, as a share of the way that one layer goes
LONGEST, HEAD = 0.06, 0.022  # of an arrow and of its head, as a share of the plane's size
EDGE = 0.03  # how far from the edge stands what lies beyond it, as a share of the plane's size
LOG_TICKS = {
    "tickvals": [0.01, 0.03, 0.1, 0.3, 1, 3, 10],
    "ticktext": ["0.01", "0.03", "0.1", "0.3", "1", "3", "10"],
}
MARKS = {"attracting": "circle", "repelling": "x", "neutral": "diamond"}
DEEPEST = 3  # decades of a depth scale
CHAOS = 0.3  # decades of chi_1 to either side of the edge that have a colour of their own


def plane(
    field: VectorField,
    layers: np.ndarray,
    arrows: VectorField,
    points: Sequence[FixedPoint],
    predicted: Orbit,
    measured: np.ndarray | None,
    log: bool,
    domain: Sequence[Box] = (),
    own: Box | None = None,
) -> Panel:
    """Returns the plane of mean and variance with where a layer takes its points.

    Args:
        field, layers: The grid ``(V, M)`` and the layers needed from there to the fixed point.
        arrows: A coarser grid.
        points: The fixed points; one beyond the plane is an arrow at its edge, with its numbers.
        measured: ``(seeds, 2, layers + 1)``: mean and variance, averaged over a layer's units.
        domain: The boxes of means and variances that a theorem is about.
        own: The person's box of means and variances, which a claim can be asked for.
    """
    m, v = field.mean_axis, field.variance_axis
    shade = {
        "type": "heatmap",
        "name": "basin",
        "x": m,
        "y": v,
        "z": layers,
        "coloraxis": "coloraxis",
        "hovertemplate": "mean %{x:.3g}, variance %{y:.3g}<br>%{z} layers to the fixed point"
        "<extra></extra>",
    }
    traces = [shade, _arrows(arrows, log)]
    if measured is not None:
        traces += [
            _path(mean, variance, panels.rgba(UNITS, 0.35), "one seed", width=1)
            for mean, variance in measured
        ]
        mean, variance = np.nanmedian(measured, axis=0)
        traces.append(_path(mean, variance, UNITS, "measured, median of the seeds", marker=4))
    traces.append(
        _path(predicted.mean, predicted.variance, INK, "orbit of the map", dash="dash", marker=5)
    )
    window = _Window((float(m[0]), float(m[-1])), (float(v[0]) if log else 0.0, float(v[-1])), log)
    traces += [_fixed_point(p, window) for p in points]
    boxes = [_box(box, {"color": GRADIENT, "width": 2}) for box in domain]
    if own is not None and own not in domain:
        boxes.append(_box(own, {"color": CORRELATION, "width": 2, "dash": "dot"}))
    ends = window.variance
    return Panel(
        "Where layers take mean and variance",
        traces,
        "mean",
        "variance",
        log=log,
        x_axis={"range": list(window.mean)},
        y_axis={"range": [float(np.log10(end)) for end in ends]} | LOG_TICKS
        if log
        else {"range": list(ends)},
        shapes=boxes,
    )


def _box(box: Box, line: Drawing) -> Drawing:
    (m_low, m_high), (v_low, v_high) = box
    corners = {"x0": m_low, "x1": m_high, "y0": v_low, "y1": v_high}
    return corners | {"type": "rect", "line": line}


def _colorbar(title: str) -> Drawing:
    """Between the two panels."""
    size = {"size": 12}
    place = {"thickness": 10, "len": 0.8, "x": 0.45, "xanchor": "left"}
    return place | {"title": {"text": title, "font": size}, "tickfont": size, "outlinewidth": 0}


def shaded(figure: Drawing, scale: Drawing) -> Drawing:
    """Returns the figure with the scale of its shade between the panels, where they have room."""
    figure["layout"]["coloraxis"] = scale
    figure["layout"]["meta"]["narrow"]["coloraxis.showscale"] = False
    return figure


def layers_scale() -> Drawing:
    """Returns the colours of the plane: the fewer layers, the stronger."""
    return {
        "cmin": 0,
        "cmax": 40,
        "colorscale": [[0, panels.rgba(MEAN, 0.6)], [1, panels.rgba(MEAN, 0.06)]],
        "colorbar": _colorbar("layers"),
    }


def plane_keys(drawn: Panel, domain: str) -> list[Drawing]:
    """Returns the legend of what is drawn in the plane; ``domain`` names the theorem's boxes."""
    names = {str(trace["name"]) for trace in drawn.traces}
    lines = {str(shape["line"]["color"]) for shape in drawn.shapes}
    keys = [
        ("orbit of the map", "orbit of the map" in names,
         {"line": {"color": INK, "dash": "dash", "width": 2}}),
        ("network, units averaged", "one seed" in names, {"line": {"color": UNITS, "width": 2}}),
        (domain, GRADIENT in lines, {"line": {"color": GRADIENT, "width": 2}}),
        ("your box", CORRELATION in lines,
         {"line": {"color": CORRELATION, "width": 2, "dash": "dot"}}),
        *((f"{kind} fixed point", f"{kind} fixed point" in names,
           {"mode": "markers", "marker": _marker(kind)}) for kind in MARKS),
    ]  # fmt: skip
    return [_key(name, look) for name, there, look in keys if there]


def _key(name: str, look: Drawing) -> Drawing:
    bare = {"type": "scatter", "x": [None], "y": [None], "mode": "lines", "name": name}
    return bare | {"hoverinfo": "skip", "showlegend": True} | look


def _marker(kind: str) -> Drawing:
    line = {"color": INK, "width": 2}
    colour = VARIANCE if kind == "attracting" else INK
    return {"symbol": MARKS[kind], "size": 11, "color": colour, "line": line}


def _mark(x: float, y: float, look: Drawing, hover: str) -> Drawing:
    return {
        "type": "scatter",
        "x": [x],
        "y": [y],
        "mode": "markers",
        "marker": look,
        "showlegend": False,
        "name": hover.partition("<br>")[0],
        "hovertemplate": f"{hover}<extra></extra>",
    }


def _path(
    mean: np.ndarray,
    variance: np.ndarray,
    colour: str,
    name: str,
    width: float = 2,
    dash: str = "solid",
    marker: int = 0,
) -> Drawing:
    seen = np.isfinite(mean) & np.isfinite(variance)
    return {
        "type": "scatter",
        "x": mean[seen],
        "y": variance[seen],
        "text": [str(k) for k in np.flatnonzero(seen)],
        "mode": "lines+markers" if marker else "lines",
        "line": {"color": colour, "width": width, "dash": dash},
        "marker": {"size": marker, "color": colour},
        "name": name,
        "showlegend": False,
        "hovertemplate": f"{name}<br>layer %{{text}}: mean %{{x:.4g}}, variance %{{y:.4g}}"
        "<extra></extra>",
    }


class _Window(NamedTuple):
    """The ends of the plane's axes; shares of it are 0 to 1 from its lower left corner."""

    mean: tuple[float, float]
    variance: tuple[float, float]
    log: bool

    def share(self, mean: ArrayLike, variance: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Returns where a mean and a variance stand, as shares of the plane."""
        low, high = self._up(np.array(self.variance))
        across = (np.asarray(mean) - self.mean[0]) / (self.mean[1] - self.mean[0])
        return across, (self._up(np.asarray(variance)) - low) / (high - low)

    def place(self, across: ArrayLike, along: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Returns the mean and the variance that stand there."""
        low, high = self._up(np.array(self.variance))
        mean = self.mean[0] + np.asarray(across) * (self.mean[1] - self.mean[0])
        variance = low + np.asarray(along) * (high - low)
        return mean, np.exp(variance) if self.log else variance

    def _up(self, variance: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(variance, 1e-12)) if self.log else variance


def _arrows(field: VectorField, log: bool) -> Drawing:
    """Arrows that point the way of one layer, much shortened; all are one path to the browser."""
    m, v = field.mean_axis, field.variance_axis
    window = _Window((float(m[0]), float(m[-1])), (float(v[0]), float(v[-1])), log)
    tail = np.stack(window.share(*(grid.ravel() for grid in np.meshgrid(m, v))))
    with np.errstate(all="ignore"):
        way = np.stack(window.share(field.next_mean.ravel(), field.next_variance.ravel())) - tail
        length = np.hypot(*way)
        way *= np.minimum(REACH, LONGEST / np.maximum(length, 1e-12))
    tip = tail + way
    size = np.maximum(np.hypot(*way), 1e-12)
    back = way / size * np.minimum(HEAD, size)
    side = 0.45 * np.stack([-back[1], back[0]])
    path = [tail, tip, tip - back + side, tip - back - side, tip, np.full_like(tip, np.nan)]
    x, y = window.place(*(np.stack([at[axis] for at in path], 1).ravel() for axis in (0, 1)))
    colour = panels.rgba(NEUTRAL, 0.85)
    return {
        "type": "scatter",
        "x": x,
        "y": y,
        "mode": "lines",
        "line": {"color": colour, "width": 1.2},
        "fill": "toself",
        "fillcolor": colour,
        "hoverinfo": "skip",
        "showlegend": False,
        "name": "one layer",
    }


def _fixed_point(point: FixedPoint, window: _Window) -> Drawing:
    """A mark where the point is; an arrow at the edge, and its numbers, where it lies beyond."""
    name = f"{point.kind} fixed point"
    said = f"mean {amount(point.mean)}, variance {amount(point.variance)}"
    hover = {"hovertemplate": f"{name}<br>{said}<extra></extra>"}
    across, along = (float(share) for share in window.share(point.mean, point.variance))
    if 0.0 <= across <= 1.0 and 0.0 <= along <= 1.0:
        return _mark(point.mean, point.variance, _marker(point.kind), name) | hover
    symbol, text = (
        ("triangle-up", "bottom center") if along > 1.0
        else ("triangle-down", "top center") if along < 0.0
        else ("triangle-right", "middle left") if across > 1.0
        else ("triangle-left", "middle right")
    )  # fmt: skip
    if text.endswith("center") and not 0.25 < across < 0.75:  # else the words would be cut off
        text = text.replace("center", "right" if across <= 0.25 else "left")
    beyond = [f"mean {amount(point.mean, 3)}"] if not 0.0 <= across <= 1.0 else []
    beyond += [f"variance {amount(point.variance, 3)}"] if not 0.0 <= along <= 1.0 else []
    x, y = window.place(*np.clip([across, along], EDGE, 1.0 - EDGE))
    edge = _mark(float(x), float(y), _marker(point.kind) | {"symbol": symbol}, name) | hover
    return edge | {
        "mode": "markers+text",
        "text": [f"<b>{', '.join(beyond)}</b>"],
        "textposition": text,
        "textfont": {"color": INK},
    }


def activation_graph(act: Activation, mean: float, variance: float) -> Panel:
    """Returns the activation, its slope, and the Gaussian of what comes in under it."""
    spread = max(variance, 1e-12) ** 0.5
    reach = max(4.0, abs(mean) + 3 * spread)
    z = np.linspace(-reach, reach, 241)
    t = torch.from_numpy(z)
    density = np.exp(-0.5 * np.square((z - mean) / spread))
    f, slope = act.fn(t).numpy(), act.derivative(t).numpy()
    low = float(np.nanmin([f.min(), slope.min(), -1.0]))
    high = float(min(np.nanmax([f.max(), slope.max(), 1.2]), reach))
    under = {
        "type": "scatter",
        "x": z,
        "y": low + density * 0.35 * (high - low),
        "mode": "lines",
        "line": {"width": 0},
        "fill": "tozeroy" if low >= 0 else "none",
        "name": "distribution of z",
        "hoverinfo": "skip",
        "showlegend": False,
    }
    ground = under | {"y": np.full(z.size, low)}
    under |= {"fill": "tonexty", "fillcolor": panels.rgba(NEUTRAL, 0.25)}
    return Panel(
        "The activation f, its slope, and its input z",
        [
            ground,
            under,
            _curve(z, f, MEAN, "f(z)"),
            _curve(z, slope, VARIANCE, "f'(z)", dash="dot"),
            _curve(z, z, panels.rgba(INK, 0.4), "z", width=1),
        ],
        "z, before the activation",
        x_axis={"range": [-reach, reach]},
        y_axis={"range": [low, high], "uirevision": act.name},
    )


def activation_keys() -> list[Drawing]:
    """Returns the legend of the activation's graph."""
    return [
        _key("f(z)", {"line": {"color": MEAN, "width": 2}}),
        _key("slope f'(z)", {"line": {"color": VARIANCE, "width": 2, "dash": "dot"}}),
        _key("distribution of z", {"line": {"color": panels.rgba(NEUTRAL, 0.5), "width": 8}}),
    ]


def _curve(
    x: np.ndarray, y: np.ndarray, colour: str, name: str, dash: str = "solid", width: float = 2
) -> Drawing:
    return {
        "type": "scatter",
        "x": x,
        "y": y,
        "mode": "lines",
        "line": {"color": colour, "width": width, "dash": dash},
        "name": name,
        "showlegend": False,
        "hovertemplate": f"z %{{x:.3g}}: {name} = %{{y:.4g}}<extra></extra>",
    }


def phases(
    sigma_w: np.ndarray,
    sigma_b: np.ndarray,
    found: Phase,
    edge: np.ndarray,
    curve: CorrelationCurve,
    here: tuple[float, float],
    depths: bool,
    caption: str = "",
) -> Drawing:
    """Returns order and chaos over the scales of weights and biases, and the correlation map.

    The shade is that of chi_1, or of the ``depths`` that a correlation reaches.
    """
    settles = (found.q > 0) & np.isfinite(found.q)
    chart = {
        "type": "heatmap",
        "name": "phases",
        "x": sigma_w,
        "y": sigma_b,
        "customdata": np.stack([found.chi_1, found.q, found.depth_scale_c], -1),
        "text": np.where(found.q == 0, "signals vanish", np.where(settles, "", "explode")),
        "hovertemplate": "σ_w %{x:.3g}, σ_b %{y:.3g} %{text}<br>χ₁ %{customdata[0]:.4g}, length "
        "%{customdata[1]:.4g}<br>correlations settle within %{customdata[2]:.3g} layers"
        "<extra></extra>",
        "z": np.where(settles, _depths(found) if depths else _chaos(found), np.nan),
        "coloraxis": "coloraxis",
    }
    border = _curve(edge, sigma_b, INK, "edge of chaos", dash="dash")
    border |= {"hovertemplate": "edge of chaos: σ_w %{x:.5g} at σ_b %{y:.3g}<extra></extra>"}
    look = {"symbol": "circle", "size": 11, "color": GRADIENT, "line": {"color": INK}}
    place = _mark(*here, look, "here<br>σ_w %{x:.4g}, σ_b %{y:.4g}")
    c = curve.correlation
    after = _curve(c, curve.next_correlation, CORRELATION, "next correlation")
    after |= {"hovertemplate": "c %{x:.3g} becomes %{y:.4g}<extra></extra>"}
    marks = [
        _mark(p.correlation, p.correlation, _marker(p.kind), f"{p.kind}<br>slope {p.slope:.4g}")
        for p in curve.points
        if np.isfinite(p.correlation)
    ]
    drawn = panels.figure(
        [
            Panel(
                "Order and chaos",
                [chart, border, place],
                "σ_w, scale of the weights",
                "σ_b, scale of the biases",
                x_axis={"range": [float(sigma_w[0]), float(sigma_w[-1])]},
                y_axis={"range": [float(sigma_b[0]), float(sigma_b[-1])]},
            ),
            Panel(
                "Correlation of two inputs, one layer on",
                [_curve(c, c, panels.rgba(INK, 0.4), "c", width=1), after, *marks],
                "correlation c",
                "next c",
                x_axis={"range": [-1.02, 1.05]},
                y_axis={"range": [-1.02, 1.05]},
            ),
        ],
        _phase_keys(edge, curve),
        hover="closest",
        caption=caption,
    )
    drawn["layout"]["meta"]["narrow"]["height"] = 680
    return shaded(drawn, _depths_scale() if depths else _chaos_scale())


def _phase_keys(edge: np.ndarray, curve: CorrelationCurve) -> list[Drawing]:
    keys = [
        ("edge of chaos, χ₁ = 1", edge, {"color": INK, "dash": "dash", "width": 2}),
        ("correlation map", curve.next_correlation, {"color": CORRELATION, "width": 2}),
    ]
    return [_key(name, {"line": look}) for name, values, look in keys if np.isfinite(values).any()]


def _chaos(found: Phase) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.clip(np.log10(found.chi_1), -CHAOS, CHAOS)


def _chaos_scale() -> Drawing:
    ends = [panels.rgba(MEAN, 0.8), panels.rgba(NEUTRAL, 0.05), panels.rgba(VARIANCE, 0.8)]
    ticks = {"tickvals": [-CHAOS, 0, CHAOS], "ticktext": ["≤ 0.5", "1", "≥ 2"]}
    return {
        "cmin": -CHAOS,
        "cmax": CHAOS,
        "colorscale": [[0.5 * k, colour] for k, colour in enumerate(ends)],
        "colorbar": _colorbar("χ₁") | ticks,
    }


def _depths(found: Phase) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.clip(np.log10(found.depth_scale_c), 0, DEEPEST)


def _depths_scale() -> Drawing:
    ticks = {"tickvals": [0, 1, 2, 3], "ticktext": ["1", "10", "100", "≥ 1000"]}
    return {
        "cmin": 0,
        "cmax": DEEPEST,
        "colorscale": [[0, panels.rgba(CORRELATION, 0.05)], [1, panels.rgba(CORRELATION, 0.9)]],
        "colorbar": _colorbar("layers") | ticks,
    }
