"""The figure of the mean field: order and chaos, and the correlation map."""

from __future__ import annotations

import numpy as np

from pages.moment_map.figures import mark, marker, shaded
from pages.ui import panels
from pages.ui.panels import CORRELATION, GRADIENT, INK, MEAN, NEUTRAL, VARIANCE, Drawing, Panel
from snn_core.theory.mean_field.correlation import CorrelationCurve
from snn_core.theory.mean_field.phases import Phase

__all__ = ["phases"]

CHAOS = 0.3  # decades of chi_1 on either side of the edge that the colours span
DEEPEST = 3  # decades of a depth scale


def phases(
    sigma_w: np.ndarray,
    sigma_b: np.ndarray,
    found: Phase,
    edge: np.ndarray,
    correlations: CorrelationCurve,
    here: tuple[float, float],
    depths: bool,
    caption: str = "",
) -> Drawing:
    """Returns order and chaos over the scales of weights and biases, and the correlation map.

    The shade is that of chi_1, or of the ``depths`` that a correlation reaches.
    """
    settles = (found.q > 0) & np.isfinite(found.q)
    shade, low, high = (
        (found.depth_scale_c, 0, DEEPEST) if depths else (found.chi_1, -CHAOS, CHAOS)
    )
    with np.errstate(all="ignore"):
        z = np.where(settles, np.clip(np.log10(shade), low, high), np.nan)
    chart = {
        "type": "heatmap",
        "name": "phases",
        "x": sigma_w,
        "y": sigma_b,
        "z": z,
        "customdata": np.stack([found.chi_1, found.q, found.depth_scale_c], -1),
        "text": np.where(found.q == 0, "signals vanish", np.where(settles, "", "explode")),
        "hovertemplate": "σ_w %{x:.3g}, σ_b %{y:.3g} %{text}<br>χ₁ %{customdata[0]:.4g}, length "
        "%{customdata[1]:.4g}<br>correlations settle within %{customdata[2]:.3g} layers"
        "<extra></extra>",
        "coloraxis": "coloraxis",
    }
    dashed, solid = {"color": INK, "width": 2, "dash": "dash"}, {"color": CORRELATION, "width": 2}
    said = "edge of chaos: σ_w %{x:.5g} at σ_b %{y:.3g}"
    border = panels.scatter(edge, sigma_b, said, name="edge of chaos", line=dashed)
    style = {"symbol": "circle", "size": 11, "color": GRADIENT, "line": {"color": INK}}
    place = mark(*here, style, "here<br>σ_w %{x:.4g}, σ_b %{y:.4g}")
    c, after = correlations.correlation, correlations.next_correlation
    diagonal = panels.scatter(c, c, name="c", line={"color": panels.rgba(INK, 0.4), "width": 1})
    said = "c %{x:.3g} becomes %{y:.4g}"
    marks = [
        mark(p.correlation, p.correlation, marker(p.kind), f"{p.kind}<br>slope {p.slope:.4g}")
        for p in correlations.points
        if np.isfinite(p.correlation)
    ]
    keys = [
        ("edge of chaos, χ₁ = 1", edge, dashed),
        ("correlation map", after, solid),
    ]
    drawn = panels.figure(
        [
            Panel(
                "Order and chaos",
                [chart, border, place],
                "σ_w, scale of the weights",
                "σ_b, scale of the biases",
                x_axis={"range": [sigma_w[0], sigma_w[-1]]},
                y_axis={"range": [sigma_b[0], sigma_b[-1]]},
            ),
            Panel(
                "Correlation of two inputs, one layer on",
                [
                    diagonal,
                    panels.scatter(c, after, said, name="next correlation", line=solid),
                    *marks,
                ],
                "correlation c",
                "next c",
                x_axis={"range": [-1.02, 1.05]},
                y_axis={"range": [-1.02, 1.05]},
            ),
        ],
        [
            panels.key(name, "", **style)
            for name, values, style in keys
            if np.isfinite(values).any()
        ],
        hover="closest",
        caption=caption,
    )
    drawn["layout"]["meta"]["narrow"]["height"] = 680
    if depths:
        colours = [panels.rgba(CORRELATION, 0.05), panels.rgba(CORRELATION, 0.9)]
        ticks = {"tickvals": [0, 1, 2, 3], "ticktext": ["1", "10", "100", "≥ 1000"]}
        return shaded(drawn, "layers", (low, high), colours, **ticks)
    colours = [panels.rgba(MEAN, 0.8), panels.rgba(NEUTRAL, 0.05), panels.rgba(VARIANCE, 0.8)]
    ticks = {"tickvals": [-CHAOS, 0, CHAOS], "ticktext": ["≤ 0.5", "1", "≥ 2"]}
    return shaded(drawn, "χ₁", (low, high), colours, **ticks)
