"""One function per figure of a training over its steps: records in, a figure as Plotly's JSON out.

No Streamlit and no computing of results here. ``history`` is what `snn_core.train.train` yields,
perhaps thinned. The figures are made anew many times a second, so they are plain dicts. ``at`` is
the step that is looked at, None for the newest; an arm that ended before is shown as it ended.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pages.train.arm_traces import (
    SHARES,
    STEPS_AXIS,
    Curve,
    arms,
    curves_panel,
    heading,
    keys,
    marks,
    of_seeds,
    thinned,
)
from pages.ui import panels
from pages.ui.panels import ARMS, INK, MEAN, NEUTRAL, VARIANCE, Drawing, Panel
from snn_core.propagate import THEOREM_1_OMEGA, THEOREM_1_TAU
from snn_core.theory.certificates import THEOREM_1
from snn_core.thinning import evenly
from snn_core.train import Snapshot, series

__all__ = ["curves", "drift", "heat", "orbits"]

MOST_ORBITS = 64  # layers drawn in one panel
MOST_NUMBERS = 9  # of them that have their number; more can't be told apart
MOST_COLUMNS = 160  # of a heat map
LARGEST = 1e3  # loss; guessing has some 2
DECADES = (0.5, 3.0)  # a variance's colours reach at least, at most so far from 1


def curves(
    history: Sequence[Snapshot],
    names: Sequence[str],
    regression: bool = False,
    at: int | None = None,
    changed: Sequence[int] = (),
) -> Drawing:
    """Returns loss and accuracy over the steps, of the training and the validation part.

    A training loss that falls while the validation loss rises is overfitting; both flat at the
    loss of guessing are a network that no gradient reaches. ``changed`` are steps at which a
    person changed something; there stand dotted lines.
    """
    loss = "Squared error" if regression else "Loss (cross entropy in nats)"
    score, bounds = ("R²", None) if regression else ("Accuracy", SHARES)
    crossed = marks(at, *changed)
    drawn = panels.figure(
        [
            curves_panel(loss, _scores(history, "loss"), "step", log=True, shapes=crossed),
            curves_panel(score, _scores(history, "accuracy"), "step", False, bounds, crossed),
        ],
        keys(history, "validation, median of the seeds", "all seeds", "training", names),
    )
    return panels.low(drawn)


def _scores(history: Sequence[Snapshot], what: str) -> list[Curve]:
    # a loss that diverges leaves the picture rather than flatten the rest
    most = LARGEST if what == "loss" else math.inf
    found = []
    for arm in arms(history):
        for part, name in (("validation", "validation"), ("train", "training")):
            x, values = series(history, arm, f"{part}_{what}")
            curve = of_seeds(arm, x, np.where(values < most, values, np.nan), name)
            found.append(replace(curve, band=None, beside=True) if part == "train" else curve)
    return found


def heat(history: Sequence[Snapshot], titles: Sequence[str], at: int | None = None) -> Drawing:
    """Returns heat maps of layer against step for every arm, all arms on one colour scale.

    Above the variance (its colours are logarithmic, and meet at 1), below the mean (they meet at
    0). A colour that comes in from the right is a layer that leaves the fixed point while
    learning; one that grows from bottom to top is a network that amplifies with depth.
    """
    shown, scales = [], {}
    for name, axis in (("variance", "coloraxis"), ("mean", "coloraxis2")):
        log, maps = name == "variance", []
        for arm in arms(history):
            x, values = thinned(*series(history, arm, name), MOST_COLUMNS)
            middle = panels.median(values, 1)
            maps.append(_map(x, np.log10(panels.positive(middle)) if log else middle, name, axis))
        scales[axis] = _scale(np.concatenate([np.ravel(each["z"]) for each in maps]), log)
        depths = [each["z"].shape[1] for each in maps]
        for arm, (each, depth, title) in enumerate(zip(maps, depths, titles, strict=True)):
            # one panel's labels are all's, and a label costs as much time to draw as a layer
            labelled = not arm or len(set(depths)) > 1
            layers = {"dtick": max(1, round(depth / 8)), "showticklabels": labelled}
            if not arm:
                layers |= {"tickprefix": "layer ", "showtickprefix": "last"}
            shown.append(
                Panel(
                    f"{name.capitalize()}: {heading(title)}",
                    [each],
                    x="step",
                    shapes=marks(at),
                    x_axis=STEPS_AXIS | {"rangemode": "normal", "showgrid": False, "nticks": 4},
                    y_axis={"showgrid": False} | layers,
                )
            )
    drawn = panels.figure(shown, hover="closest", rows=2)
    narrow = drawn["layout"]["meta"]["narrow"]
    for row, (axis, scale) in enumerate(scales.items()):
        top = 1 - row * (1 + panels.BETWEEN_ROWS) / 2
        scale["colorbar"] |= {"len": 0.5, "y": top, "yanchor": "top"}
        bar = f"{axis}.colorbar"  # on a narrow screen beside the first panel of the quantity only
        narrow |= {f"{bar}.len": 0.5 / len(titles), f"{bar}.y": 1 - row / 2}
    narrow |= {f"yaxis{index}.showticklabels": True for index in range(2, len(shown) + 1)}
    drawn["layout"] |= scales | {"height": 470}
    drawn["layout"]["margin"] |= {"l": 60, "r": 70}
    narrow["margin.l"] = 60
    return drawn


def _map(x: np.ndarray, z: np.ndarray, name: str, axis: str) -> Drawing:
    value = "10^%{z:.2f}" if name == "variance" else "%{z:.3g}"
    said = f"step %{{x:,d}}, layer %{{y:d}}: {name} {value}<extra></extra>"
    drawn = {"type": "heatmap", "x": x, "z": z, "transpose": True}
    return drawn | {"coloraxis": axis, "hovertemplate": said}


def _scale(values: np.ndarray, log: bool) -> Drawing:
    """The colours, from 0 outwards to the largest deviation of all arms, in coarse steps."""
    reach = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    bar: Drawing = {"thickness": 12, "outlinewidth": 0, "x": 1.01}  # the panels' titles name it
    if log:
        reach = min(max(math.ceil(2 * reach) / 2, DECADES[0]), DECADES[1])
        ticks = np.arange(-math.floor(reach), math.floor(reach) + 1)
        bar |= {"tickvals": ticks, "ticktext": [f"{10.0**t:g}" for t in ticks]}
    else:
        reach = max(math.ceil(4 * reach) / 4, 0.25)
        bar |= {"nticks": 5}
    colours = [[0, MEAN], [0.5, panels.rgba(NEUTRAL, 0.12)], [1, VARIANCE]]
    return {"cmin": -reach, "cmax": reach, "colorbar": bar, "colorscale": colours}


def orbits(history: Sequence[Snapshot], titles: Sequence[str], at: int | None = None) -> Drawing:
    """Returns the way of every layer through the plane of mean and variance while it learns.

    Each line begins where the layer stood before the first update (a small dot) and ends where it
    is now (its number). Lines that leave the box are layers that learning takes away from the
    fixed point.
    """
    label = {"text": "Theorem 1", "textposition": "top left", "yanchor": "bottom"}
    line = {"color": INK, "width": 2}
    domain = panels.box(THEOREM_1.mean, THEOREM_1.variance, line=line, layer="above", label=label)
    shown = []
    for arm, title in zip(arms(history), titles, strict=True):
        upto = [s for s in history if at is None or s.arms[arm].step <= at]
        mean, variance = (
            panels.median(thinned(*series(upto, arm, name), MOST_COLUMNS)[1], 1)
            for name in ("mean", "variance")
        )
        traces = _ways(mean, panels.positive(variance), ARMS[arm])
        named = "" if arm else "variance"
        shown.append(Panel(heading(title), traces, "mean", named, log=True, shapes=[domain]))
    drawn = panels.figure(shown, hover="closest")
    drawn["layout"]["height"] = 380
    return drawn


def _ways(mean: np.ndarray, variance: np.ndarray, colour: str) -> list[Drawing]:
    """Ways of few enough layers of ``(records, layers)``, and of fewer their ends."""
    last = mean.shape[1] - 1
    drawn, layers = (evenly(last + 1, most) for most in (MOST_ORBITS, MOST_NUMBERS))
    traces = []
    for layer in drawn:
        tint = panels.rgba(colour, 0.35 + 0.65 * layer / max(last, 1))
        said = f"layer {layer}: mean %{{x:.3g}}, variance %{{y:.3g}}"
        style = {"line": {"color": tint, "width": 1.5}}
        traces.append(panels.scatter(mean[:, layer], variance[:, layer], said, **style))
    begun, now = ((mean[row, layers], variance[row, layers]) for row in (0, -1))
    numbers = {"text": [f"<b>{layer}</b>" for layer in layers], "cliponaxis": False}
    numbers |= {"textfont": {"color": colour, "size": 13}}
    return [
        *traces,
        panels.scatter(*begun, mode="markers", marker={"color": colour, "size": 5}),
        panels.scatter(*now, mode="text", **numbers),
    ]


def drift(history: Sequence[Snapshot], at: int | None = None) -> Drawing:
    """Returns omega and tau of the units over the steps, against Theorem 1's box.

    The line is the mean over all units of all hidden layers, the band one standard deviation of
    the units to either side; the median over seeds of both. The theorem asks every unit to stay in
    the grey strip of both.
    """
    inside = []
    for arm in arms(history):
        x, share = series(history, arm, "inside")
        inside.append(Curve(arm, x, panels.median(share.mean(2), 1), "inside"))
    omega, tau, crossed = _units(history, "omega"), _units(history, "tau"), marks(at)
    title = "omega = Σ w of the units, and Theorem 1"
    asked = [_strip(THEOREM_1_OMEGA), *crossed], [_strip(THEOREM_1_TAU), *crossed]
    return panels.figure(
        [
            curves_panel(title, omega, "step", shapes=asked[0]),
            curves_panel("tau = Σ w² of the units", tau, "step", shapes=asked[1]),
            curves_panel("Share of units inside both", inside, "step", False, SHARES, crossed),
        ],
        keys(history, "mean over the units", "± 1 sd of the units"),
    )


def _units(history: Sequence[Snapshot], name: str) -> list[Curve]:
    """Mean and standard deviation over the units of all layers, the median over seeds."""
    found = []
    for arm in arms(history):
        x, mean = series(history, arm, name)
        _, spread = series(history, arm, f"{name}_spread")
        middle = panels.median(mean.mean(2), 1)
        width = panels.median(np.sqrt((spread**2).mean(2) + mean.var(2)), 1)
        found.append(Curve(arm, x, middle, name, (middle - width, middle + width)))
    return found


def _strip(bounds: tuple[float, float]) -> Drawing:
    line = {"width": 1, "color": panels.rgba(INK, 0.5)}
    style = {"xref": "domain", "fillcolor": panels.rgba(INK, 0.12), "layer": "below"}
    return panels.box((0, 1), bounds, line=line, **style)
