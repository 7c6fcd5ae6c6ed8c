"""Figures of several settings at once: pins side by side, and the experiment on fan-in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pages.ui import panels
from pages.ui.panels import ARMS, INK, Drawing, Panel
from pages.ui.text import caption, option_name
from snn_core.diagnosis import FanIn
from snn_core.propagate import Propagation

__all__ = ["SHOWN", "by_fan_in", "compared"]

SHOWN = "now"  # what the setting of the page itself is called
COLOURS = (INK, *ARMS)
SYMBOLS = ("circle", "square-open", "diamond-open-dot", "x")  # some lie on one another


def compared(results: Sequence[Propagation], names: Sequence[str], scale: str) -> Drawing:
    """Returns mean and variance over depth of several settings, measured and predicted.

    The first is the page's own. Each has its colour and, at the end of its line, its letter.
    """
    variances = [v for p in results for v in (p.variance, p.predicted.variance)]
    log = panels.log_scale(scale, *variances)
    means, spreads = [], []
    for p, name, colour in zip(results, names, COLOURS, strict=False):
        means += _setting(p.mean, p.predicted.mean, name, colour, False)
        spreads += _setting(p.variance, p.predicted.variance, name, colour, log)
    said = [f"{name}: {caption(p.experiment)}" for p, name in zip(results, names, strict=True)]
    return panels.figure(
        [
            Panel("Mean of the activations", means),
            Panel("Variance of the activations", spreads, log=log),
        ],
        _keys(names, COLOURS),
        caption="\n".join(said),
    )


def _setting(
    measured: np.ndarray, expected: np.ndarray, name: str, colour: str, log: bool
) -> list[Drawing]:
    """One setting's middle half, median, prediction, and the letter at the median's end: colour
    alone would not do."""
    x = np.arange(len(expected))
    if log:
        measured, expected = panels.positive(measured), panels.positive(expected)
    low, middle, high = panels.quartiles(measured)
    last = np.flatnonzero(np.isfinite(middle))[-1:]
    return [
        panels.band(x, low, high, colour, name, 0.14),
        panels.line(x, middle, colour, f"{name}, median", name),
        _prediction(x, expected, name, colour),
        panels.scatter(
            x[last] if len(last) else [None],
            middle[last] if len(last) else [None],
            mode="text",
            text=[f"<b>{name}</b>"],
            textposition="middle right",
            textfont={"color": colour},
            cliponaxis=False,
            legendgroup=name,
        ),
    ]


def by_fan_in(found: FanIn, names: Sequence[str]) -> Drawing:
    """Returns what one layer makes of a shared input mean, against the number of inputs.

    ``names`` are the constraints'. Bars are two standard errors over networks.
    """
    spread = found.unit_spread
    sides = {
        # of a root: the error of the square, divided by twice the root
        "Scatter of the units' own means": (
            spread, found.between_sd / (2 * spread), found.predicted_unit_spread,
        ),
        "Pooled mean": (found.mean, found.mean_sd, found.predicted_mean),
        "Pooled variance": (found.variance, found.variance_sd, found.predicted_variance),
    }  # fmt: skip
    x, shown = found.fan_ins, []
    ticks = {"tickvals": x.tolist(), "ticktext": [f"{n:.0f}" for n in x], "tickangle": 0}
    axis = {"type": "log", "tickfont": {"size": 10}} | ticks
    for title, quantity in sides.items():
        traces = []
        for name, colour, symbol, *rows in zip(names, ARMS, SYMBOLS, *quantity, strict=False):
            measured, sd, expected = (row[:, 0] for row in rows)  # after one layer
            error = panels.drawable(sd * 2.0 / np.sqrt(found.networks))
            traces += [
                panels.scatter(
                    x,
                    panels.drawable(measured),
                    f"{name} %{{y:.4g}}",
                    mode="markers",
                    error_y={"type": "data", "array": error, "width": 2, "color": colour},
                    marker={"color": colour, "size": 8, "symbol": symbol},
                    name=name,
                    legendgroup=name,
                ),
                _prediction(x, expected, name, colour),
            ]
        shown.append(Panel(title, traces, x="fan-in", x_axis=axis))
    said = f"{option_name('activation', found.activation)}, LeCun normal weights, one layer"
    return panels.figure(shown, _keys(names, ARMS), caption=said)


def _prediction(x: np.ndarray, y: np.ndarray, name: str, colour: str) -> Drawing:
    return panels.line(x, y, colour, f"{name}, predicted", name, width=1.5, dash="dash")


def _keys(names: Sequence[str], colours: Sequence[str]) -> list[Drawing]:
    each = zip(names, colours, strict=False)
    return [
        *(panels.key(name, name, colour, width=3) for name, colour in each),
        panels.key("predicted", "theory", width=1.5, dash="dash"),
    ]
