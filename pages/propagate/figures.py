"""One function per figure: a result in, a Plotly figure out.

No Streamlit and no computing of results here, so that a page, a report and a test share them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    Drawing,
    Panel,
)
from pages.ui.text import caption
from snn_core.propagate import QUANTILES, THEOREM_1_OMEGA, THEOREM_1_TAU, Propagation
from snn_core.settings import Experiment
from snn_core.thinning import evenly

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
# Quantiles that are drawn, with their group in the legend.
LEVELS = {0.05: "tails", 0.25: "quarters", 0.5: "middle", 0.75: "quarters", 0.95: "tails"}
STYLES = {
    "middle": {"width": 2.2, "dash": "solid"},
    "quarters": {"width": 1, "dash": "solid"},
    "tails": {"width": 1, "dash": "dot"},
}


def identity(experiment: Experiment, scale: str) -> str:
    """Returns what the figure of a whole result is told from others by, so that none that came by
    the live channel is drawn again by the page. Of one process only."""
    return f"{hash((experiment, scale)):x}"


def moments_by_layer(p: Propagation, scale: str = "auto") -> Drawing:
    """Returns mean and variance over depth, measured and predicted.

    A variance that leaves 1 geometrically is vanishing or exploding activations; seeds that fan
    out while the prediction stays put mean that the network is too narrow for the theory.
    """
    expected, x = p.predicted, np.arange(len(p.layers))
    log = panels.log_scale(scale, p.variance, expected.variance)
    known = bool(np.isfinite(expected.variance_sd).any())
    size = float(panels.median(panels.median(p.variance)))
    shown = []
    for name, is_log, least, colour in (
        ("mean", False, 0.1 * math.sqrt(size), MEAN),
        ("variance", log, 0.2 * size, VARIANCE),
    ):
        measured, theory = getattr(p, name), getattr(expected, name)
        if known:
            low, high = _spread(measured, theory, getattr(expected, f"{name}_sd"), is_log)
        else:
            low, high = panels.extent(_shown(measured, is_log))
        traces = [panels.band(x, low, high, NEUTRAL, "spread", 0.16)]
        traces += _compared(measured, theory, colour, log=is_log)
        alive = np.isfinite(measured).any(axis=0)
        drawn = np.concatenate([measured.ravel(), low[alive], high[alive]])
        axis = _log_ticks(drawn) if is_log else _window(drawn, theory, least)
        title = f"{name.capitalize()} of the activations"
        shown.append(_over_layers(title, traces, p, is_log, axis))
    spread = "±2 sd at this width (theory)" if known else "spread over seeds"
    key = panels.key(spread, "spread", panels.rgba(NEUTRAL, 0.3), width=10)
    drawn = panels.figure(shown, [*_keys(), key], caption=caption(p.experiment))
    drawn["layout"]["meta"]["prefix"] = "depth"
    return drawn


def gradients_by_layer(p: Propagation, scale: str = "auto") -> Drawing:
    """Returns the gradient's variance and mean over depth.

    Read from right to left: the gradient enters at the last layer with variance 1. A straight
    slope on the logarithmic axis is a vanishing or exploding gradient.
    """
    assert p.gradient_variance is not None and p.gradient_mean is not None
    expected = p.predicted.gradient_variance
    log = panels.log_scale(scale, p.gradient_variance, expected)
    variance = _compared(p.gradient_variance, expected, GRADIENT, log=log)
    mean = _compared(p.gradient_mean, None, GRADIENT)
    return panels.figure(
        [
            _over_layers("Variance of the gradient", variance, p, log),
            _over_layers("Mean of the gradient", mean, p),
        ],
        _keys(),
        caption=caption(p.experiment),
    )


def saturation_by_layer(p: Propagation) -> Drawing:
    """Returns saturation, correlation between samples, and what the variance is made of.

    Dead units pass nothing on; a correlation of 1 means that the network maps every input to the
    same output, and then the variance lies between units, not within them.
    """
    assert p.detail is not None
    d, expected = p.detail, p.predicted
    share = _compared(d.saturated, None, SATURATED, "saturated")
    share += _compared(d.dead, None, NEUTRAL, "dead units")
    log = panels.log_scale("auto", d.within, d.between)
    within = _compared(d.within, expected.within, VARIANCE, "within units", "within, ", log)
    between = _compared(d.between, expected.between, UNITS, "between units", "between, ", log)
    parts = [*within[:-1], *between[:-1], within[-1], between[-1]]  # predictions on top
    ticks = _log_ticks(np.concatenate([d.within, d.between])) if log else {}
    shares = f"Share {_coloured('saturated', SATURATED)} and {_coloured('dead', NEUTRAL)}"
    of_parts = f"Variance {_coloured('within', VARIANCE)}, {_coloured('between', UNITS)} units"
    alike = _compared(d.correlation, expected.correlation, CORRELATION)
    return panels.figure(
        [
            _over_layers(shares, share, p, axis={"range": [-0.03, 1.03]}),
            _over_layers("Correlation of two samples", alike, p),
            _over_layers(of_parts, parts, p, log, ticks),
        ],
        _keys(),
        caption=caption(p.experiment),
    )


def _over_layers(
    title: str,
    traces: Sequence[Drawing],
    p: Propagation,
    log: bool = False,
    axis: Drawing | None = None,
) -> Panel:
    """Whole layers only: short networks get one tick a layer, long ones what Plotly chooses."""
    ticks = {"dtick": 1} if len(p.layers) <= 11 else {"nticks": 9}
    return Panel(title, traces, log=log, x_axis=ticks, y_axis=axis)


def _compared(
    measured: np.ndarray,
    expected: np.ndarray | None,
    colour: str,
    name: str = "median",
    part: str = "",
    log: bool = False,
) -> list[Drawing]:
    """The seeds, their middle half and median, and the prediction where there is one."""
    x, shown = np.arange(measured.shape[1]), _shown(measured, log)
    low, middle, high = panels.quartiles(shown)
    traces = [
        panels.band(x, low, high, colour, "middle", 0.2),
        _seed_lines(x, shown, colour),
        panels.line(x, middle, colour, name, "median"),
    ]
    if expected is not None:
        traces.append(panels.predicted(x, _shown(expected, log), f"{part}predicted"))
    return traces


def _seed_lines(x: np.ndarray, values: np.ndarray, colour: str) -> Drawing:
    """Every row of ``(seeds, layers)`` as a faint line, all in one trace."""
    gap = np.full((len(values), 1), np.nan)
    style = {"color": panels.rgba(colour, 0.3 if len(values) <= 16 else 0.15), "width": 1}
    return panels.scatter(
        np.tile(np.append(x.astype(float), np.nan), len(values)),
        panels.drawable(np.hstack([values, gap])).ravel(),
        line=style,
        name="each seed",
        legendgroup="seeds",
    )


def _keys() -> list[Drawing]:
    return [
        panels.key("predicted for wide random networks", "predicted", INK, width=2, dash="dash"),
        panels.key("median of the seeds", "median", width=2.5),
        panels.key("middle half", "middle", panels.rgba(NEUTRAL, 0.5), width=8),
        panels.key("each seed", "seeds", panels.rgba(NEUTRAL, 0.6), width=1),
    ]


def _coloured(text: str, colour: str) -> str:
    return f'<span style="color:{colour}">{text}</span>'


def _shown(values: np.ndarray, log: bool) -> np.ndarray:
    return panels.positive(values) if log else values


def _spread(
    measured: np.ndarray, expected: np.ndarray, sd: np.ndarray, log: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Two standard deviations about the prediction; on a logarithmic axis never down to 0."""
    low, high = expected - STANDARD_DEVIATIONS * sd, expected + STANDARD_DEVIATIONS * sd
    if log:
        middle = panels.median(panels.positive(measured))
        low = np.fmax(low, np.fmin(panels.positive(expected), middle) / 10)
    return low, high


def _window(shown: np.ndarray, expected: np.ndarray, least: float) -> Drawing:
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


def _log_ticks(shown: np.ndarray) -> Drawing:
    """Ticks at decades only, where at least two are in sight."""
    shown = shown[np.isfinite(shown) & (shown > 0)]
    decades = float(np.log10(shown.max() / shown.min())) if len(shown) else 0.0
    return {"dtick": math.ceil(decades / 6)} if decades >= 2 else {}


def distribution_by_layer(p: Propagation) -> Drawing:
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
    tints = ((0, 0), (0.05, 0.04), (1, 0.65))
    heat = {
        "type": "heatmap",
        "x": x,
        "y": np.arange(len(edges)),
        # The root keeps a tail in sight beside a layer half of whose values are exactly 0.
        "z": np.sqrt(share / np.where(peak > 0, peak, 1)).T,
        "customdata": np.stack([middles.T, 100 * share.T], axis=-1),
        "colorscale": [[at, panels.rgba(MEAN, much)] for at, much in tints],
        "showscale": False,
        "hovertemplate": "layer %{x}, value %{customdata[0]:.3g}: %{customdata[1]:.2f} % of them"
        "<extra></extra>",
    }
    lines = []
    for level, group in LEVELS.items():
        values = panels.median(p.detail.quantiles[:, :, QUANTILES.index(level)])
        name = "median" if level == 0.5 else f"{100 * level:g} % quantile"
        at = np.where(np.isfinite(values), _row(values, edges), np.nan)
        line = panels.line(x, at, INK, name, group, **STYLES[group])
        hover = f"{name} %{{customdata:.4g}}<extra></extra>"
        lines.append(line | {"customdata": values, "hovertemplate": hover})
    said = {"middle": "median", "quarters": "25 % and 75 %", "tails": "5 % and 95 %"}
    keys = [panels.key(name, group, INK, **STYLES[group]) for group, name in said.items()]
    title = "Distribution of the activations, every layer to its own peak"
    rows = {"showgrid": False, "range": [0, len(edges) - 1]} | _value_ticks(edges)
    panel = _over_layers(title, [heat, *lines], p, axis=rows)
    drawn = panels.figure([panel], keys, hover="closest", caption=caption(p.experiment))
    drawn["layout"]["xaxis"]["showgrid"] = False
    return drawn


def _row(values: np.ndarray | float, edges: np.ndarray) -> np.ndarray:
    """Where values stand among the bins."""
    return np.asarray(np.interp(values, edges, np.arange(len(edges))))


def _value_ticks(edges: np.ndarray) -> Drawing:
    """Returns round tick values, where they stand in the histogram, none closer than 5 bins."""
    top = math.floor(math.log10(np.abs(edges[[0, -1]]).max()))
    sizes = [f * 10.0**k for f in (1, 5, 2) for k in range(top, top - 40, -1)]
    kept: dict[float, float] = {}
    for value in (0.0, *(sign * size for size in sizes for sign in (1, -1))):
        at = float(_row(value, edges))
        far = all(abs(at - other) >= 5 for other in kept.values())
        if edges[0] <= value <= edges[-1] and far:
            kept[value] = at
    # A zoom made on another set of bins means nothing on this one.
    names = [f"{value:g}".replace("-", "−") for value in kept]
    ticks = {"tickvals": list(kept.values()), "ticktext": names}
    return ticks | {"uirevision": f"{edges[0]:.3g} {edges[-1]:.3g}"}


def units_of_layer(
    p: Propagation, layer: int, expected: tuple[np.ndarray, np.ndarray] | None
) -> Drawing:
    """Returns the units of one hidden layer: omega against tau, and each unit's own moments.

    ``layer`` counts from 1; ``expected`` is the SNN map's ``(mean, variance)`` of every unit for
    its own omega and tau, ``(seeds, units)`` each. Points far from the diagonal are units whose
    input is not what the map assumes: one normal law for all.
    """
    assert p.detail is not None
    omega, tau = p.detail.unit_omega[layer - 1], p.detail.unit_tau[layer - 1]
    mean, variance = p.detail.unit_mean[layer], p.detail.unit_variance[layer]
    line = {"color": INK, "width": 2.5}
    label = {"text": "Theorem 1", "textposition": "top center", "yanchor": "bottom"}
    box = panels.box(THEOREM_1_OMEGA, THEOREM_1_TAU, line=line, layer="above", label=label)
    cloud = _cloud(omega, tau, "omega %{x:.3f}, tau %{y:.3f}")
    title = "Units against Theorem 1's box"
    shown = [Panel(title, [cloud], "omega = Σ w", "tau = Σ w²", shapes=[box])]
    if expected is None:
        dots = _cloud(mean, variance, "mean %{x:.4g}, variance %{y:.4g}")
        what = "channel" if p.layers[layer].startswith("conv") else "unit"
        shown.append(Panel(f"Every {what} over the data", [dots], "mean", "variance"))
    else:
        x = "predicted from its own omega, tau"
        for what, ours, theirs in zip(
            ("Mean", "Variance"), (mean, variance), expected, strict=True
        ):
            dots = _cloud(theirs, ours, "predicted %{x:.4g}, measured %{y:.4g}")
            ends = np.array(panels.extent(np.concatenate([dots["x"], dots["y"]])))
            diagonal = panels.predicted(ends, ends, "as predicted")
            shown.append(Panel(f"{what} of each unit", [dots, diagonal], x, "measured"))
    said = f"Layer {layer}. {caption(p.experiment)}"
    return panels.figure(shown, hover="closest", caption=said)


def _cloud(x: np.ndarray, y: np.ndarray, hover: str) -> Drawing:
    """A dot for every unit, or for few enough of them."""
    drawn = evenly(x.size, MOST_POINTS)
    x, y = (panels.drawable(np.ravel(values)[drawn]) for values in (x, y))
    marker = {"color": panels.rgba(UNITS, 0.3), "size": 4}
    return panels.scatter(x, y, hover, mode="markers", marker=marker)
