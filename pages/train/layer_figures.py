"""One function per figure of a training at one step: layers, decisions, distributions.

As `training_figures`: records in, a figure as Plotly's JSON out.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import numpy as np

from pages.train.arm_traces import (
    STEPS_AXIS,
    Drawing,
    arm_keys,
    arms,
    band,
    heading,
    letter,
    letters,
    line,
    log_ticks,
    marks,
    over_seeds,
    positive,
    record_at,
)
from pages.ui import panels
from pages.ui.panels import ARMS, GRADIENT, INK, MEAN, NEUTRAL, UNITS, VARIANCE, Panel
from snn_core.train import ArmSnapshot, Boundary, Histograms, Snapshot, series

__all__ = ["boundaries", "gradients", "histogram", "saturation"]

CLASSES = (MEAN, VARIANCE, GRADIENT, UNITS)  # one colour a class
DOT, RIM = 6, 1  # pixels: a dot from side to side, and its edge in ink
# Colour alone would not do: dots are round or square, and have an eye or not.
CAPS, EYES = ("round", "square", "round", "square"), (False, False, True, True)


def _there(values: np.ndarray | None) -> np.ndarray:
    """The values of a record that was picked since it has statistics."""
    assert values is not None
    return values


def gradients(history: Sequence[Snapshot], at: int | None = None) -> Drawing:
    """Returns the gradient's size and the relative size of the updates, layer by layer.

    A line that falls to the left is a gradient that vanishes on its way back: the lower layers
    hardly learn. An update of some 1e-3 of the weight is usual; one near 1 overwrites it.
    """
    shown = _records(history, at)
    size = [
        (i, np.hypot(_there(r.gradient_mean), np.sqrt(_there(r.gradient_variance))))
        for i, r in shown
    ]
    ratios = [(i, _there(r.update_ratio)) for i, r in shown]
    ratio = [(i, values) for i, values in ratios if np.isfinite(values).any()]
    growth, ends = [], []
    for index, colour in arms(history):
        x, variance = series(history, index, "gradient_variance")
        whole = np.hypot(series(history, index, "gradient_mean")[1], np.sqrt(variance))
        with np.errstate(divide="ignore", invalid="ignore"):
            middle = positive(over_seeds(whole[:, :, 1] / whole[:, :, -1])[1])
        growth.append(line(x, middle, colour, letter(index), "median"))
        ends.append((index, x, middle))
    return panels.figure(
        [
            Panel(
                "Gradient of each layer's output (rms)",
                _by_layer(size, 0),
                log=True,
                y_axis=log_ticks(*(values for _, values in size)),
            ),
            Panel(
                "Update / weight, norms",
                _by_layer(ratio, 1),
                log=True,
                y_axis=log_ticks(*(values for _, values in ratio)),
            ),
            Panel(
                "Gradient at layer 1 / at the last",
                [*growth, letters(ends, log=True)],
                "step",
                log=True,
                shapes=marks(at),
                x_axis=STEPS_AXIS,
                y_axis=log_ticks(*(y for *_, y in ends)),
            ),
        ],
        _layer_keys(history),
    )


def saturation(history: Sequence[Snapshot], at: int | None = None) -> Drawing:
    """Returns the share of saturated activations and of dead units, layer by layer.

    A dead unit passes on neither signal nor gradient, whatever the input.
    """
    shown, axis = _records(history, at), {"range": [-0.03, 1.05]}
    saturated = _by_layer([(i, _there(r.saturated)) for i, r in shown], 1, log=False)
    dead = _by_layer([(i, _there(r.dead)) for i, r in shown], 1, log=False)
    return panels.figure(
        [
            Panel("Saturated activations, share", saturated, y_axis=axis),
            Panel("Dead units, share", dead, y_axis=axis),
        ],
        _layer_keys(history),
    )


def _records(history: Sequence[Snapshot], at: int | None) -> list[tuple[int, ArmSnapshot]]:
    """Every arm's last record with statistics up to a step, for those that have one."""
    found = [(index, record_at(history, index, at)) for index, _ in arms(history)]
    return [(index, record) for index, record in found if record is not None]


def _by_layer(
    quantities: Sequence[tuple[int, np.ndarray]], first: int, log: bool = True
) -> list[Drawing]:
    """Arms' ``(seeds, layers)`` over the layers; the first one has that number."""
    traces, ends = [], []
    for arm, values in quantities:
        x = np.arange(first, first + values.shape[1])
        low, middle, high = (positive(v) if log else v for v in over_seeds(values.T))
        traces += [
            *band(x, low, high, ARMS[arm], "seeds"),
            line(x, middle, ARMS[arm], letter(arm), "median"),
        ]
        ends.append((arm, x, middle))
    return [*traces, letters(ends, log=log)] if ends else []


def _layer_keys(history: Sequence[Snapshot]) -> list[Drawing]:
    return [
        *arm_keys(history),
        panels.key("median of the seeds", "median", width=2.5),
        panels.key("all seeds", "seeds", panels.rgba(NEUTRAL, 0.35), width=8),
    ]


def boundaries(found: Sequence[Boundary | None], titles: Sequence[str]) -> Drawing:
    """Returns what every arm decides over the plane, and rows of the training part.

    The stronger a class's colour, the surer the network is of it, on average over the seeds.
    """
    shown = []
    for boundary, title in zip(found, titles, strict=True):
        shown.append(
            Panel(
                heading(title),
                [] if boundary is None else _decision(boundary),
                "first feature",
                "second feature" if not shown else "",
                x_axis={"showgrid": False},
                y_axis={"showgrid": False},
                images=[] if boundary is None else [_dots(boundary)],
            )
        )
    drawn = panels.figure(shown, hover="closest")
    drawn["layout"]["height"] = 380
    return drawn


def _decision(boundary: Boundary) -> list[Drawing]:
    """The colours of the classes; of two the one is as sure as the other is not, so one map."""
    count = boundary.probability.shape[2]
    sure = (boundary.probability * count - 1) / (count - 1)
    if count == 2:
        return [_coloured(boundary, sure[:, :, 0], _tints(1)[::-1] + _tints(0))]
    return [_coloured(boundary, sure[:, :, k], _tints(k)) for k in range(count)]


def _tints(index: int) -> list[str]:
    return [panels.rgba(CLASSES[index], share) for share in (0, 0.55)]


def _coloured(boundary: Boundary, sure: np.ndarray, colours: Sequence[str]) -> Drawing:
    """A heat map of 0 to 1, or where there are colours for it of -1 to 1."""
    low = -1 if len(colours) > 2 else 0
    return {
        "type": "heatmap",
        "x": boundary.x,
        "y": boundary.y,
        "z": np.clip(sure, low, 1).round(3),
        "zmin": low,
        "zmax": 1,
        "showscale": False,
        "colorscale": list(zip((0, 0.5, 0.5, 1) if low else (0, 1), colours, strict=True)),
        "hoverinfo": "skip",
        "zsmooth": "fast",
    }


def _dots(boundary: Boundary) -> Drawing:
    """Rows of the training part, as a picture that Plotly puts over the map and leaves there.

    As traces they were drawn anew with every map, which took almost half of a redraw.
    """
    left, bottom, wide, high = boundary.x[0], boundary.y[0], np.ptp(boundary.x), np.ptp(boundary.y)
    marks = []
    for index, colour in enumerate(CLASSES[: boundary.probability.shape[2]]):
        # A way without length, ended by its cap: a dot of so many pixels, however it is stretched.
        way = "".join(f"M{x:.3f} {-y:.3f}h0" for x, y in boundary.points[boundary.labels == index])
        inks = [(DOT + 2 * RIM, INK), (DOT, colour)] + [(DOT / 3, INK)] * EYES[index]
        marks += [
            f"<path d='{way}' stroke='{panels.rgba(ink, 1)}' stroke-width='{width:.3g}' "
            f"stroke-linecap='{CAPS[index]}' vector-effect='non-scaling-stroke'/>"
            for width, ink in inks
        ]
    picture = (
        "<svg xmlns='http://www.w3.org/2000/svg' preserveAspectRatio='none' "
        f"viewBox='{left:.3f} {-bottom - high:.3f} {wide:.3f} {high:.3f}'>{''.join(marks)}</svg>"
    )
    # The parentheses of a colour stay: by them the chart finds it, so that it follows the theme.
    return {
        "source": "data:image/svg+xml," + quote(picture, safe=" ()=:/',"),
        "x": left,
        "y": bottom,
        "sizex": wide,
        "sizey": high,
        "yanchor": "bottom",
        "sizing": "stretch",
    }


def histogram(found: Sequence[Histograms | None], layer: int) -> Drawing:
    """Returns the distribution of one layer's weights and of its activations, for every arm.

    A spike in the activations is a value at which units pile up: saturation, or dead units.
    """
    sides: list[list[Drawing]] = [[], []]
    for index, (each, colour) in enumerate(zip(found, ARMS, strict=False)):
        if each is None:
            continue
        for side, part in zip(sides, (each.weights, each.activations), strict=True):
            side.append(_steps(part.edges, part.density, colour, letter(index)))
    return panels.figure(
        [
            Panel(f"Weights of layer {layer}", sides[0], "weight", "density", log=True),
            Panel(f"Activations of layer {layer}", sides[1], "activation", log=True),
        ],
        [
            panels.key(f"arm {letter(index)}", letter(index), colour, width=2)
            for index, (each, colour) in enumerate(zip(found, ARMS, strict=False))
            if each is not None
        ],
        hover="closest",
    )


def _steps(edges: np.ndarray, density: np.ndarray, colour: str, name: str) -> Drawing:
    line = panels.line(
        edges,
        positive(np.append(density, density[-1:])),
        colour,
        name,
        name,
        width=1.8,
        shape="hv",
    )
    return line | {"hovertemplate": f"{name}: %{{x:.3g}}, density %{{y:.3g}}<extra></extra>"}
