"""Figures of several settings at once: pins side by side, and the experiment on fan-in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pages.ui import panels
from pages.ui.panels import ARMS, INK, Panel
from pages.ui.text import caption, option_name
from snn_core.probes import FanIn
from snn_core.propagate import Propagation

__all__ = ["by_fan_in", "compared"]

SHOWN = "now"  # what the setting of the page itself is called


def compared(results: Sequence[Propagation], names: Sequence[str], scale: str) -> dict[str, Any]:
    """Returns mean and variance over depth of several settings, measured and predicted.

    The first is the page's own. Each has its colour and, at the end of its line, its letter.
    """
    log = panels.log_scale(
        scale, *(values for p in results for values in (p.variance, p.predicted.variance))
    )
    sides: list[list[dict[str, Any]]] = [[], []]
    for p, name, colour in zip(results, names, (INK, *ARMS), strict=False):
        x = np.arange(len(p.layers))
        for side, measured, expected, positive in (
            (sides[0], p.mean, p.predicted.mean, False),
            (sides[1], p.variance, p.predicted.variance, log),
        ):
            shown = np.where(measured > 0, measured, np.nan) if positive else measured
            theory = np.where(expected > 0, expected, np.nan) if positive else expected
            low, middle, high = panels.quartiles(shown)
            side += [
                panels.band(x, low, high, colour, name, 0.14),
                panels.line(x, middle, colour, f"{name}, median", name),
                panels.line(x, theory, colour, f"{name}, predicted", name, width=1.5, dash="dash"),
                _label(x, middle, name, colour),
            ]
    keys = [
        panels.key(name, name, colour, width=3)
        for name, colour in zip(names, (INK, *ARMS), strict=False)
    ]
    keys.append(panels.key("predicted", "theory", width=1.5, dash="dash"))
    return panels.figure(
        [
            Panel("Mean of the activations", sides[0]),
            Panel("Variance of the activations", sides[1], log=log),
        ],
        keys,
        caption="\n".join(
            f"{name}: {caption(p.experiment)}" for p, name in zip(results, names, strict=True)
        ),
    )


def by_fan_in(found: FanIn, names: Sequence[str]) -> dict[str, Any]:
    """Returns what one layer makes of a shared input mean, against the number of inputs.

    ``names`` are the constraints'. Bars are two standard errors over networks.
    """
    x = found.fan_ins
    sides: list[list[dict[str, Any]]] = [[], [], []]
    error = 2.0 / np.sqrt(found.networks)
    spread = found.unit_spread[..., 0]
    for index, (name, colour) in enumerate(zip(names, ARMS, strict=False)):
        for side, measured, sd, expected in (
            # of a root: the error of the square, divided by twice the root
            (sides[0], spread[index], found.between_sd[index, :, 0] / (2 * spread[index]),
             found.predicted_unit_spread[index, :, 0]),
            (sides[1], found.mean[index, :, 0], found.mean_sd[index, :, 0],
             found.predicted_mean[index, :, 0]),
            (sides[2], found.variance[index, :, 0], found.variance_sd[index, :, 0],
             found.predicted_variance[index, :, 0]),
        ):  # fmt: skip
            side += [
                _dots(x, measured, sd * error, colour, name, index),
                panels.line(
                    x, expected, colour, f"{name}, predicted", name, width=1.5, dash="dash"
                ),
            ]
    axis = {"type": "log", "tickvals": x.tolist(), "ticktext": [f"{n:.0f}" for n in x],
            "tickangle": 0, "tickfont": {"size": 10}}  # fmt: skip
    keys = [
        panels.key(name, name, colour, width=3) for name, colour in zip(names, ARMS, strict=False)
    ]
    keys.append(panels.key("predicted", "theory", width=1.5, dash="dash"))
    titles = ("Scatter of the units' own means", "Pooled mean", "Pooled variance")
    return panels.figure(
        [
            Panel(title, side, x="fan-in", x_axis=dict(axis))
            for title, side in zip(titles, sides, strict=True)
        ],
        keys,
        caption=f"{option_name('activation', found.activation)}, LeCun normal weights, one layer",
    )


def _dots(
    x: np.ndarray, y: np.ndarray, error: np.ndarray, colour: str, name: str, index: int
) -> dict[str, Any]:
    """Measured points; every constraint has its own symbol, since some lie on one another."""
    symbols = ("circle", "square-open", "diamond-open-dot", "x")
    return {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": panels.drawable(y),
        "error_y": {"type": "data", "array": panels.drawable(error), "width": 2, "color": colour},
        "marker": {"color": colour, "size": 8, "symbol": symbols[index % len(symbols)]},
        "name": name,
        "legendgroup": name,
        "showlegend": False,
        "hovertemplate": f"{name} %{{y:.4g}}<extra></extra>",
    }


def _label(x: np.ndarray, y: np.ndarray, name: str, colour: str) -> dict[str, Any]:
    """The letter at the end of a line: colour alone would not do."""
    known = np.flatnonzero(np.isfinite(y))
    at = known[-1:]
    return {
        "type": "scatter",
        "mode": "text",
        "x": x[at] if len(at) else [None],
        "y": y[at] if len(at) else [None],
        "text": [f"<b>{name}</b>"],
        "textposition": "middle right",
        "textfont": {"color": colour},
        "cliponaxis": False,
        "legendgroup": name,
        "showlegend": False,
        "hoverinfo": "skip",
    }
