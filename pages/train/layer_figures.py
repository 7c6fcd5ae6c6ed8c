"""One function per figure of a training at one step: layers, decisions, distributions.

As in `figures`: records in, a figure as Plotly's JSON out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote

import numpy as np

from pages.train.arm_traces import (
    SHARES,
    Curve,
    arms,
    curves_panel,
    heading,
    keys,
    letter,
    marks,
    of_seeds,
)
from pages.ui import panels
from pages.ui.panels import ARMS, GRADIENT, INK, MEAN, UNITS, VARIANCE, Drawing, Panel
from snn_core.train import ArmSnapshot, Boundary, Histogram, Histograms, Snapshot, series

__all__ = ["boundaries", "gradients", "histogram", "record_at", "saturation"]

CLASSES = (MEAN, VARIANCE, GRADIENT, UNITS)  # one colour a class
SEEDS = ("median of the seeds", "all seeds")
DOT, RIM = 6, 1  # pixels: a dot from side to side, and its edge in ink
# Colour alone would not do: dots are round or square, and have an eye or not.
CAPS, EYES = ("round", "square", "round", "square"), (False, False, True, True)


def gradients(history: Sequence[Snapshot], at: int | None = None) -> Drawing:
    """Returns the gradient's size and the relative size of the updates, layer by layer.

    A line that falls to the left is a gradient that vanishes on its way back: the lower layers
    hardly learn. An update of some 1e-3 of the weight is usual; one near 1 overwrites it.
    """
    sizes, growth = [], []
    for arm in arms(history):
        record = record_at(history, arm, at)
        size = _rms(record.gradient_mean, record.gradient_variance)
        sizes.append(_over_layers(arm, size, 0))
        x, mean = series(history, arm, "gradient_mean")
        whole = _rms(mean, series(history, arm, "gradient_variance")[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = whole[:, :, 1] / whole[:, :, -1]
        growth.append(replace(of_seeds(arm, x, ratio), band=None))
    updates = [c for c in _by_layer(history, at, "update_ratio", 1) if np.isfinite(c.y).any()]
    title = "Gradient at layer 1 / at the last"
    return panels.figure(
        [
            curves_panel("Gradient of each layer's output (rms)", sizes, log=True),
            curves_panel("Update / weight, norms", updates, log=True),
            curves_panel(title, growth, "step", log=True, shapes=marks(at)),
        ],
        keys(history, *SEEDS),
    )


def _rms(mean: np.ndarray | None, variance: np.ndarray | None) -> np.ndarray:
    assert mean is not None and variance is not None  # of a record with statistics
    return np.hypot(mean, np.sqrt(variance))


def saturation(history: Sequence[Snapshot], at: int | None = None) -> Drawing:
    """Returns the share of saturated activations and of dead units, layer by layer.

    A dead unit passes on neither signal nor gradient, whatever the input.
    """
    saturated, dead = (_by_layer(history, at, name, 1) for name in ("saturated", "dead"))
    return panels.figure(
        [
            curves_panel("Saturated activations, share", saturated, bounds=SHARES),
            curves_panel("Dead units, share", dead, bounds=SHARES),
        ],
        keys(history, *SEEDS),
    )


def _by_layer(history: Sequence[Snapshot], at: int | None, name: str, first: int) -> list[Curve]:
    """A quantity of every arm's last record over the layers; the first one has that number."""
    return [
        _over_layers(arm, getattr(record_at(history, arm, at), name), first)
        for arm in arms(history)
    ]


def _over_layers(arm: int, values: np.ndarray, first: int) -> Curve:
    return of_seeds(arm, np.arange(first, first + values.shape[1]), values.T)


def record_at(history: Sequence[Snapshot], arm: int, at: int | None) -> ArmSnapshot:
    """Returns an arm's last record with statistics up to a step; the first record has them."""
    each = (snapshot.arms[arm] for snapshot in reversed(history))
    return next(r for r in each if r.mean is not None and (at is None or r.step <= at))


def boundaries(found: Sequence[Boundary], titles: Sequence[str]) -> Drawing:
    """Returns what every arm decides over the plane, and rows of the training part.

    The stronger a class's colour, the surer the network is of it, on average over the seeds.
    """
    plain = {"showgrid": False}
    shown = [
        Panel(
            heading(title),
            _decision(boundary),
            "first feature",
            "" if arm else "second feature",
            x_axis=plain,
            y_axis=plain,
            images=[_dots(boundary)],
        )
        for arm, (boundary, title) in enumerate(zip(found, titles, strict=True))
    ]
    return panels.low(panels.figure(shown, hover="closest"))


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
    known = [(arm, each) for arm, each in enumerate(found) if each is not None]
    weights = [_steps(arm, each.weights) for arm, each in known]
    activations = [_steps(arm, each.activations) for arm, each in known]
    return panels.figure(
        [
            Panel(f"Weights of layer {layer}", weights, "weight", "density", log=True),
            Panel(f"Activations of layer {layer}", activations, "activation", log=True),
        ],
        [panels.key(f"arm {letter(a)}", letter(a), ARMS[a], width=2) for a, _ in known],
        hover="closest",
    )


def _steps(arm: int, found: Histogram) -> Drawing:
    name, style = letter(arm), {"color": ARMS[arm], "width": 1.8, "shape": "hv"}
    density = panels.positive(np.append(found.density, found.density[-1:]))
    said = f"{name}: %{{x:.3g}}, density %{{y:.3g}}"
    return panels.scatter(found.edges, density, said, name=name, legendgroup=name, line=style)
