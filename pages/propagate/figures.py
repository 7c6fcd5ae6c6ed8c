"""One function per figure: a result in, a Plotly figure out.

No Streamlit and no computing of results here, so that a page, a report and a test share them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pages.ui import panels
from pages.ui.panels import (
    CORRELATION,
    GRADIENT,
    INK,
    MEAN,
    NEUTRAL,
    SATURATED,
    UNITS,
    VARIANCE,
    Panel,
)
from pages.ui.text import caption
from snn_core.propagate import QUANTILES, THEOREM_1_OMEGA, THEOREM_1_TAU, Propagation
from snn_core.spec import Experiment

__all__ = [
    "distribution_by_layer",
    "gradients_by_layer",
    "identity",
    "moments_by_layer",
    "saturation_by_layer",
    "units_of_layer",
]

MOST_POINTS = 3000  # of a cloud; more are slow to draw and no clearer
STANDARD_DEVIATIONS = 2


def identity(experiment: Experiment, scale: str) -> str:
    """Returns what the figure of a whole result is told from others by, so that none that came by
    the live channel is drawn again by the page. Of one process only."""
    return f"{hash((experiment, scale)):x}"


def moments_by_layer(p: Propagation, scale: str = "auto") -> dict[str, Any]:
    """Returns mean and variance over depth, measured and predicted.

    A variance that leaves 1 geometrically is vanishing or exploding activations; seeds that fan
    out while the prediction stays put mean that the network is too narrow for the theory.
    """
    x = np.arange(len(p.layers))
    log = panels.log_scale(scale, p.variance, p.predicted.variance)
    known = bool(np.isfinite(p.predicted.variance_sd).any())
    spread = "±2 sd at this width (theory)" if known else "spread over seeds"
    sides, axes = [], []
    sizes = panels.median(p.variance)
    size = float(np.median(sizes[np.isfinite(sizes)])) if np.isfinite(sizes).any() else math.nan
    for colour, measured, expected, sd, is_log, least in (
        (MEAN, p.mean, p.predicted.mean, p.predicted.mean_sd, False, 0.1 * math.sqrt(size)),
        (VARIANCE, p.variance, p.predicted.variance, p.predicted.variance_sd, log, 0.2 * size),
    ):
        low, high = _spread(measured, expected, sd, is_log) if known else _range(measured, is_log)
        sides.append(
            [panels.band(x, low, high, NEUTRAL, "spread", 0.16)]
            + panels.seeds_and_median(x, measured, colour, log=is_log)
            + [panels.predicted(x, _shown(expected, is_log))]
        )
        alive = np.isfinite(measured).any(axis=0)
        shown = np.concatenate([measured.ravel(), low[alive], high[alive]])
        axes.append(_log_ticks(shown) if is_log else _window(shown, expected, least))
    keys = [*_keys(), panels.key(spread, "spread", panels.rgba(NEUTRAL, 0.3), width=10)]
    drawn = panels.figure(
        [
            Panel("Mean of the activations", sides[0], x_axis=_layer_axis(p), y_axis=axes[0]),
            Panel(
                "Variance of the activations",
                sides[1],
                log=log,
                x_axis=_layer_axis(p),
                y_axis=axes[1],
            ),
        ],
        keys,
        caption=caption(p.experiment),
    )
    drawn["layout"]["meta"]["prefix"] = "depth"
    return drawn


def gradients_by_layer(p: Propagation, scale: str = "auto") -> dict[str, Any]:
    """Returns the gradient's variance and mean over depth.

    Read from right to left: the gradient enters at the last layer with variance 1. A straight
    slope on the logarithmic axis is a vanishing or exploding gradient.
    """
    assert p.gradient_variance is not None and p.gradient_mean is not None
    x = np.arange(len(p.layers))
    expected = p.predicted.gradient_variance
    log = panels.log_scale(scale, p.gradient_variance, expected)
    variance = panels.seeds_and_median(x, p.gradient_variance, GRADIENT, log=log)
    variance += [panels.predicted(x, _shown(expected, log))]
    mean = panels.seeds_and_median(x, p.gradient_mean, GRADIENT)
    return panels.figure(
        [
            Panel("Variance of the gradient", variance, log=log, x_axis=_layer_axis(p)),
            Panel("Mean of the gradient", mean, x_axis=_layer_axis(p)),
        ],
        _keys(),
        caption=caption(p.experiment),
    )


def distribution_by_layer(p: Propagation) -> dict[str, Any]:
    """Returns the histogram of every layer as one column of a heat map, with quantile lines.

    Mass piling up at one value is saturation; quantiles that close on a line are a dying network.
    The value axis is the histogram's own: nearly linear about the typical size, logarithmic
    beyond, so that layers that vanish or explode stay in the picture.
    """
    assert p.detail is not None
    x, edges = np.arange(len(p.layers)), p.detail.edges
    share = np.nanmean(np.where(np.isfinite(p.detail.histogram), p.detail.histogram, 0), axis=0)
    peak = share.max(axis=1, keepdims=True)
    middles = np.broadcast_to((edges[1:] + edges[:-1]) / 2, share.shape)
    heat = {
        "type": "heatmap",
        "x": x,
        "y": np.arange(len(edges)),
        # The root keeps a tail in sight beside a layer half of whose values are exactly 0.
        "z": np.sqrt(share / np.where(peak > 0, peak, 1)).T,
        "customdata": np.stack([middles.T, 100 * share.T], axis=-1),
        "colorscale": [
            [k, panels.rgba(MEAN, much)] for k, much in ((0, 0), (0.05, 0.04), (1, 0.65))
        ],
        "showscale": False,
        "hovertemplate": "layer %{x}, value %{customdata[0]:.3g}: %{customdata[1]:.2f} % of them"
        "<extra></extra>",
    }
    lines = []
    for level, group in (
        (0.05, "tails"), (0.25, "quarters"), (0.5, "q0.5"), (0.75, "quarters"), (0.95, "tails"),
    ):  # fmt: skip
        values = panels.median(p.detail.quantiles[:, :, QUANTILES.index(level)])
        name = "median" if level == 0.5 else f"{100 * level:g} % quantile"
        style = {
            "width": 2.2 if level == 0.5 else 1,
            "dash": "dot" if group == "tails" else "solid",
        }
        at = np.interp(values, edges, np.arange(len(edges)))
        line = panels.line(x, np.where(np.isfinite(values), at, np.nan), INK, name, group, **style)
        hover = {
            "customdata": values,
            "hovertemplate": f"{name} %{{customdata:.4g}}<extra></extra>",
        }
        lines.append(line | hover)
    keys = [
        panels.key("median", "q0.5", INK, width=2.2),
        panels.key("25 % and 75 %", "quarters", INK, width=1),
        panels.key("5 % and 95 %", "tails", INK, width=1, dash="dot"),
    ]
    panel = Panel(
        "Distribution of the activations, every layer to its own peak",
        [heat, *lines],
        x_axis=_layer_axis(p) | {"showgrid": False},
        y_axis={"showgrid": False, "range": [0, len(edges) - 1]} | _value_ticks(edges),
    )
    return panels.figure([panel], keys, hover="closest", caption=caption(p.experiment))


def _value_ticks(edges: np.ndarray) -> dict[str, Any]:
    """Returns round tick values, where they stand in the histogram, none closer than 5 bins."""
    top = math.floor(math.log10(np.abs(edges[[0, -1]]).max()))
    sizes = [f * 10.0**k for f in (1, 5, 2) for k in range(top, top - 40, -1)]
    kept: dict[float, float] = {}
    for value in (0.0, *(sign * size for size in sizes for sign in (1, -1))):
        at = float(np.interp(value, edges, np.arange(len(edges))))
        far = all(abs(at - other) >= 5 for other in kept.values())
        if edges[0] <= value <= edges[-1] and far:
            kept[value] = at
    # A zoom made on another set of bins means nothing on this one.
    ticks = {"uirevision": f"{edges[0]:.3g} {edges[-1]:.3g}"}
    return ticks | {
        "tickvals": list(kept.values()),
        "ticktext": [f"{v:g}".replace("-", "−") for v in kept],
    }


def units_of_layer(
    p: Propagation, layer: int, expected: tuple[np.ndarray, np.ndarray] | None
) -> dict[str, Any]:
    """Returns the units of one hidden layer: omega against tau, and each unit's own moments.

    ``layer`` counts from 1; ``expected`` is the SNN map's ``(mean, variance)`` of every unit for
    its own omega and tau, ``(seeds, units)`` each. Points far from the diagonal are units whose
    input is not what the map assumes: one normal law for all.
    """
    assert p.detail is not None
    omega, tau = p.detail.unit_omega[layer - 1], p.detail.unit_tau[layer - 1]
    pick = _sample(omega.size)
    cloud = _cloud(omega, tau, pick, "omega %{x:.3f}, tau %{y:.3f}")
    (left, right), (low, high) = THEOREM_1_OMEGA, THEOREM_1_TAU
    box = {"type": "rect", "x0": left, "x1": right, "y0": low, "y1": high}
    box |= {"line": {"color": INK, "width": 2.5}, "layer": "above"}
    box |= {"label": {"text": "Theorem 1", "textposition": "top center", "yanchor": "bottom"}}
    title = "Units against Theorem 1's box"
    shown = [Panel(title, [cloud], "omega = Σ w", "tau = Σ w²", shapes=[box])]
    if expected is not None:
        measured = (p.detail.unit_mean[layer], p.detail.unit_variance[layer])
        for title, ours, theirs in zip(("Mean", "Variance"), measured, expected, strict=True):
            dots = _cloud(theirs, ours, pick, "predicted %{x:.4g}, measured %{y:.4g}")
            both = np.concatenate([np.ravel(theirs)[pick], np.ravel(ours)[pick]])
            ends = _ends(both)
            diagonal = panels.predicted(ends, ends, "as predicted")
            x = "predicted from its own omega, tau"
            shown.append(Panel(f"{title} of each unit", [dots, diagonal], x, "measured"))
    else:
        mean, variance = p.detail.unit_mean[layer], p.detail.unit_variance[layer]
        dots = _cloud(mean, variance, pick, "mean %{x:.4g}, variance %{y:.4g}")
        what = "channel" if p.layers[layer].startswith("conv") else "unit"
        shown.append(Panel(f"Every {what} over the data", [dots], "mean", "variance"))
    said = f"Layer {layer}. {caption(p.experiment)}"
    return panels.figure(shown, hover="closest", caption=said)


def saturation_by_layer(p: Propagation) -> dict[str, Any]:
    """Returns saturation, correlation between samples, and what the variance is made of.

    Dead units pass nothing on; a correlation of 1 means that the network maps every input to the
    same output, and then the variance lies between units, not within them.
    """
    assert p.detail is not None
    d, x = p.detail, np.arange(len(p.layers))
    share = panels.seeds_and_median(x, d.saturated, SATURATED, "saturated")
    share += panels.seeds_and_median(x, d.dead, NEUTRAL, "dead units")
    alike = panels.seeds_and_median(x, d.correlation, CORRELATION)
    alike += [panels.predicted(x, p.predicted.correlation)]
    log = panels.log_scale("auto", d.within, d.between)
    parts = panels.seeds_and_median(x, d.within, VARIANCE, "within units", log=log)
    parts += panels.seeds_and_median(x, d.between, UNITS, "between units", log=log)
    parts += [
        panels.predicted(x, _shown(p.predicted.within, log), "within, predicted"),
        panels.predicted(x, _shown(p.predicted.between, log), "between, predicted"),
    ]
    axis = _layer_axis(p)
    fixed = {"range": [-0.03, 1.03]}
    return panels.figure(
        [
            Panel(
                f"Share {_coloured('saturated', SATURATED)} and {_coloured('dead', NEUTRAL)}",
                share,
                x_axis=axis,
                y_axis=fixed,
            ),
            Panel("Correlation of two samples", alike, x_axis=axis),
            Panel(
                f"Variance {_coloured('within', VARIANCE)}, {_coloured('between', UNITS)} units",
                parts,
                log=log,
                x_axis=axis,
                y_axis=_log_ticks(np.concatenate([d.within, d.between])) if log else {},
            ),
        ],
        _keys(),
        caption=caption(p.experiment),
    )


def _layer_axis(p: Propagation) -> dict[str, Any]:
    """Whole layers only: short networks get one tick a layer, long ones what Plotly chooses."""
    last = len(p.layers) - 1
    return {"dtick": 1} if last <= 10 else {"nticks": 9}


def _window(shown: np.ndarray, expected: np.ndarray, least: float) -> dict[str, Any]:
    """A linear axis over what is shown, and over the prediction unless that runs far away.

    No narrower than ``least`` to either side of the middle: else the scatter of a network that
    holds its moments would fill the figure like one that does not.
    """
    shown = shown[np.isfinite(shown)]
    if not len(shown) or not np.isfinite(least):
        return {}
    low, high = shown.min(), shown.max()
    reach = 3 * max(high - low, least)
    near = expected[np.isfinite(expected) & (expected > low - reach) & (expected < high + reach)]
    low, high = min([low, *near]), max([high, *near])
    middle, half = (low + high) / 2, max((high - low) / 2, least) * 1.06
    return {"range": [middle - half, middle + half]}


def _log_ticks(shown: np.ndarray) -> dict[str, Any]:
    """Ticks at decades only, where at least two are in sight."""
    shown = shown[np.isfinite(shown) & (shown > 0)]
    decades = float(np.log10(shown.max() / shown.min())) if len(shown) else 0.0
    return {"dtick": math.ceil(decades / 6)} if decades >= 2 else {}


def _keys() -> list[dict[str, Any]]:
    return [
        panels.key("predicted for wide random networks", "predicted", INK, width=2, dash="dash"),
        panels.key("median of the seeds", "median", width=2.5),
        panels.key("middle half", "middle", panels.rgba(NEUTRAL, 0.5), width=8),
        panels.key("each seed", "seeds", panels.rgba(NEUTRAL, 0.6), width=1),
    ]


def _coloured(text: str, colour: str) -> str:
    return f'<span style="color:{colour}">{text}</span>'


def _shown(values: np.ndarray, log: bool) -> np.ndarray:
    return _positive(values) if log else values


def _positive(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, values, np.nan)


def _spread(
    measured: np.ndarray, expected: np.ndarray, sd: np.ndarray, log: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Two standard deviations about the prediction; on a logarithmic axis never down to 0."""
    low, high = expected - STANDARD_DEVIATIONS * sd, expected + STANDARD_DEVIATIONS * sd
    if log:
        floor = np.fmin(_positive(expected), panels.median(_positive(measured))) / 10
        low = np.fmax(low, floor)
    return low, high


def _range(measured: np.ndarray, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """From the smallest to the largest finite seed of every layer."""
    shown = _positive(measured) if log else measured
    low, high = np.full((2, measured.shape[1]), np.nan)
    for index, column in enumerate(shown.T):
        finite = column[np.isfinite(column)]
        if len(finite):
            low[index], high[index] = finite.min(), finite.max()
    return low, high


def _sample(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(int))


def _cloud(x: np.ndarray, y: np.ndarray, pick: np.ndarray, hover: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": panels.drawable(np.ravel(x)[pick]),
        "y": panels.drawable(np.ravel(y)[pick]),
        "marker": {"color": panels.rgba(UNITS, 0.3), "size": 4},
        "showlegend": False,
        "hovertemplate": f"{hover}<extra></extra>",
    }


def _ends(values: np.ndarray) -> np.ndarray:
    finite = values[np.isfinite(values)]
    return np.array([finite.min(), finite.max()]) if len(finite) else np.array([np.nan, np.nan])
