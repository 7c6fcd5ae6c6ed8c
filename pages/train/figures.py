"""One function per figure of a training: records in, a figure as Plotly's JSON out.

No Streamlit and no computing of results here. ``history`` is what `snn_core.train.train` yields,
perhaps thinned. The figures are made anew many times a second, so they are plain dicts. Traces
that grow with the steps only ever get longer: what is sent is what is new. ``at`` is the step
that is looked at, None for the newest; an arm that ended before is shown as it ended.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    median,
    over_seeds,
)
from pages.ui import panels
from pages.ui.panels import ARMS, INK, MEAN, NEUTRAL, VARIANCE, Panel
from snn_core.propagate import THEOREM_1_OMEGA, THEOREM_1_TAU
from snn_core.theory.certificates import THEOREM_1
from snn_core.train import Snapshot, series

__all__ = ["curves", "drift", "heat", "orbits"]

MOST_ORBITS = 64  # layers drawn in one panel
MOST_NUMBERS = 9  # of them that have their number; more can't be told apart
MOST_COLUMNS = 160  # of a heat map
FEW_STEPS = 5  # whose ticks would be fractions
ACCURACY = (-0.02, 1.04)  # the axis
LARGEST = 1e3  # loss; guessing has some 2
DECADES = (0.5, 3.0)  # a variance's colours reach at least, at most so far from 1
DOMAIN = (THEOREM_1.mean, THEOREM_1.variance)


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
    sides = [_curves(history, what, regression) for what in ("loss", "accuracy")]
    score = "R²" if regression else "Accuracy"
    crossed = [*marks(at), *(mark for step in changed for mark in marks(step))]
    few = {"dtick": 1} if history[-1].step < FEW_STEPS else {}  # else two ticks read the same
    bounded = {} if regression else {"range": list(ACCURACY)}
    return panels.figure(
        [
            Panel(
                "Squared error" if regression else "Loss (cross entropy in nats)",
                sides[0],
                x="step",
                log=True,
                shapes=crossed,
                x_axis=STEPS_AXIS | few,
                y_axis=log_ticks(*(t["y"] for t in sides[0])),
            ),
            Panel(
                score,
                sides[1],
                x="step",
                shapes=crossed,
                x_axis=STEPS_AXIS | few,
                y_axis=bounded,
            ),
        ],
        [
            *(
                panels.key(name, f"arm {name[0]}", colour, width=4)
                for name, colour in zip(names, ARMS, strict=False)
            ),
            panels.key("validation, median of the seeds", "validation", width=2.5),
            panels.key("all seeds", "seeds", panels.rgba(NEUTRAL, 0.35), width=8),
            panels.key("training", "training", width=1.5, dash="dot"),
        ],
    )


def _curves(history: Sequence[Snapshot], what: str, regression: bool) -> list[Drawing]:
    traces, ends = [], []
    for index, colour in arms(history):
        x, validation = series(history, index, f"validation_{what}")
        _, training = series(history, index, f"train_{what}")
        if what == "loss":  # a line that diverges leaves the picture rather than flatten the rest
            validation, training = (
                np.where(v < LARGEST, v, np.nan) for v in (validation, training)
            )
        low, middle, high = over_seeds(validation)
        name, seen = letter(index), over_seeds(training)[1]
        traces += [
            *band(x, low, high, colour, "seeds"),
            line(x, middle, colour, f"{name} validation", "validation"),
            line(x, seen, colour, f"{name} training", "training", 1.5, "dot"),
        ]
        ends.append((index, x, middle))
    bounds = ACCURACY if what == "accuracy" and not regression else None
    return [*traces, letters(ends, log=what == "loss", bounds=bounds)]


def heat(history: Sequence[Snapshot], titles: Sequence[str], at: int | None = None) -> Drawing:
    """Returns heat maps of layer against step for every arm, all arms on one colour scale.

    Above the variance (its colours are logarithmic, and meet at 1), below the mean (they meet at
    0). A colour that comes in from the right is a layer that leaves the fixed point while
    learning; one that grows from bottom to top is a network that amplifies with depth.
    """
    shown, scales = [], {}
    for row, name in enumerate(("variance", "mean")):
        log, axis = name == "variance", "coloraxis" + ("2" if row else "")
        found = []
        for index, _ in arms(history):
            x, values = _columns(*series(history, index, name))
            found.append((x, median(values) if values.size else values.reshape(0, 0)))
        scales[axis] = _scale([middle for _, middle in found], log)
        alike = len({middle.shape[1:] for _, middle in found}) == 1
        for column, ((x, middle), title) in enumerate(zip(found, titles, strict=True)):
            # one panel's labels are all's, and a label costs as much time to draw as a layer
            layers = {"dtick": _layer_tick(middle), "showticklabels": not (column and alike)}
            if not column:
                layers |= {"tickprefix": "layer ", "showtickprefix": "last"}
            shown.append(
                Panel(
                    f"{name.capitalize()}: {heading(title)}",
                    [_map(x, middle, name, log, axis)],
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


def _map(x: np.ndarray, middle: np.ndarray, name: str, log: bool, axis: str) -> Drawing:
    value = "10^%{z:.2f}" if log else "%{z:.3g}"
    return {
        "type": "heatmap",
        "x": x,
        "z": np.log10(np.where(middle > 0, middle, np.nan)) if log else middle,
        "transpose": True,
        "coloraxis": axis,
        "hovertemplate": f"step %{{x:,d}}, layer %{{y:d}}: {name} {value}<extra></extra>",
    }


def _columns(x: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Few enough columns; which ones are left does not change when others are added."""
    stride = 1
    while len(x) / stride > MOST_COLUMNS:
        stride *= 2
    return x[::stride], values[::stride]


def _layer_tick(middle: np.ndarray) -> int:
    layers = middle.shape[1] if middle.ndim == 2 else 1
    return max(1, round(layers / 8))


def _scale(values: Sequence[np.ndarray], log: bool) -> Drawing:
    """The colours, from 0 outwards to the largest deviation of all arms, in coarse steps."""
    seen = np.concatenate([np.ravel(v) for v in values]) if values else np.array([])
    seen = seen[np.isfinite(seen) & (seen > 0 if log else np.isfinite(seen))]
    reach = float(np.abs(np.log10(seen) if log else seen).max()) if len(seen) else 0.0
    if log:
        reach = min(max(math.ceil(2 * reach) / 2, DECADES[0]), DECADES[1])
        ticks = np.arange(-math.floor(reach), math.floor(reach) + 1)
        marks = {"tickvals": ticks, "ticktext": [f"{10.0**t:g}" for t in ticks]}
    else:
        reach = max(math.ceil(4 * reach) / 4, 0.25)
        marks = {"nticks": 5}
    bar = {"thickness": 12, "outlinewidth": 0, "x": 1.01}  # the panels' titles name it
    return {
        "cmin": -reach,
        "cmax": reach,
        "colorbar": bar | marks,
        "colorscale": [[0, MEAN], [0.5, panels.rgba(NEUTRAL, 0.12)], [1, VARIANCE]],
    }


def orbits(history: Sequence[Snapshot], titles: Sequence[str], at: int | None = None) -> Drawing:
    """Returns the way of every layer through the plane of mean and variance while it learns.

    Each line begins where the layer stood before the first update (a small dot) and ends where it
    is now (its number). Lines that leave the box are layers that learning takes away from the
    fixed point.
    """
    shown = []
    for index, colour in arms(history):
        upto = [s for s in history if at is None or s.arms[index].step <= at]
        _, means = _columns(*series(upto, index, "mean"))
        _, variances = _columns(*series(upto, index, "variance"))
        traces = _orbits(means, variances, colour) if len(means) else []
        title = heading(titles[index])
        shown.append(
            Panel(
                title,
                traces,
                "mean",
                "variance" if not shown else "",
                log=True,
                shapes=[_domain()],
            )
        )
    drawn = panels.figure(shown or [Panel("", [])], hover="closest")
    drawn["layout"]["height"] = 380
    return drawn


def _orbits(means: np.ndarray, variances: np.ndarray, colour: str) -> list[Drawing]:
    mean, variance = median(means), median(variances)
    variance = np.where(variance > 0, variance, np.nan)
    last = mean.shape[1] - 1
    drawn, layers = (
        np.unique(np.linspace(0, last, min(last + 1, most)).round().astype(int))
        for most in (MOST_ORBITS, MOST_NUMBERS)
    )
    traces = []
    for layer in drawn:
        share = 0.35 + 0.65 * layer / max(last, 1)
        x, y = mean[:, layer], variance[:, layer]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": x,
                "y": y,
                "showlegend": False,
                "line": {"color": panels.rgba(colour, share), "width": 1.5},
                "hovertemplate": f"layer {layer}: mean %{{x:.3g}}, variance %{{y:.3g}}"
                "<extra></extra>",
            }
        )
    ends = {"type": "scatter", "showlegend": False, "hoverinfo": "skip"}
    traces.append(
        ends
        | {
            "mode": "markers",
            "x": mean[0, layers],
            "y": variance[0, layers],
            "marker": {"color": colour, "size": 5},
        }
    )
    traces.append(
        ends
        | {
            "mode": "text",
            "x": mean[-1, layers],
            "y": variance[-1, layers],
            "text": [f"<b>{layer}</b>" for layer in layers],
            "cliponaxis": False,
            "textfont": {"color": colour, "size": 13},
        }
    )
    return traces


def _domain() -> Drawing:
    (left, right), (low, high) = DOMAIN
    return {
        "type": "rect",
        "x0": left,
        "x1": right,
        "y0": low,
        "y1": high,
        "line": {"color": INK, "width": 2},
        "layer": "above",
        "label": {"text": "Theorem 1", "textposition": "top left", "yanchor": "bottom"},
    }


def drift(history: Sequence[Snapshot], at: int | None = None) -> Drawing:
    """Returns omega and tau of the units over the steps, against Theorem 1's box.

    The line is the mean over all units of all hidden layers, the band one standard deviation of
    the units to either side; the median over seeds of both. The theorem asks every unit to stay in
    the grey strip of both.
    """
    sides: list[list[Drawing]] = [[], [], []]
    ends: list[list[tuple[int, np.ndarray, np.ndarray]]] = [[], [], []]
    for index, colour in arms(history):
        for side, end, name in zip(sides, ends, ("omega", "tau"), strict=False):
            x, mean = series(history, index, name)
            _, spread = series(history, index, f"{name}_spread")
            middle, width = _pooled(mean, spread)
            side += [
                *band(x, middle - width, middle + width, colour, "units"),
                line(x, middle, colour, f"{letter(index)} {name}", "mean"),
            ]
            end.append((index, x, middle))
        x, inside = series(history, index, "inside")
        share = median(inside.mean(2)) if inside.size else np.array([])
        sides[2].append(line(x, share, colour, f"{letter(index)} inside", "mean"))
        ends[2].append((index, x, share))
    sides = [[*side, letters(end)] for side, end in zip(sides, ends, strict=True)]
    return panels.figure(
        [
            Panel(
                "omega = Σ w of the units, and Theorem 1",
                sides[0],
                "step",
                shapes=[_strip(THEOREM_1_OMEGA), *marks(at)],
                x_axis=STEPS_AXIS,
            ),
            Panel(
                "tau = Σ w² of the units",
                sides[1],
                "step",
                shapes=[_strip(THEOREM_1_TAU), *marks(at)],
                x_axis=STEPS_AXIS,
            ),
            Panel(
                "Share of units inside both",
                sides[2],
                "step",
                shapes=marks(at),
                x_axis=STEPS_AXIS,
                y_axis={"range": [-0.03, 1.05]},
            ),
        ],
        [
            *arm_keys(history),
            panels.key("mean over the units", "mean", width=2.5),
            panels.key("± 1 sd of the units", "units", panels.rgba(NEUTRAL, 0.35), width=8),
        ],
    )


def _pooled(mean: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over the units of all layers, the median over seeds."""
    if not mean.size:
        return np.array([]), np.array([])
    centre = mean.mean(2)
    width = np.sqrt((spread**2).mean(2) + mean.var(2))
    return median(centre), median(width)


def _strip(bounds: tuple[float, float]) -> Drawing:
    return {
        "type": "rect",
        "x0": 0,
        "x1": 1,
        "xref": "domain",
        "y0": bounds[0],
        "y1": bounds[1],
        "fillcolor": panels.rgba(INK, 0.12),
        "line": {"width": 1, "color": panels.rgba(INK, 0.5)},
        "layer": "below",
    }
