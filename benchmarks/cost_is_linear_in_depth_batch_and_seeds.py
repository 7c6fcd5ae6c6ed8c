"""Cost of a propagation against depth, batch, seeds and width, as a plot and as exponents.

Claim: the time goes with depth, batch and seeds to the power 1 (less where a fixed cost shows)
and with width to the power 2 at most. Every point is relative to the smallest setting of its
axis, in the same interleaved rounds; the whole of `run` is timed, drawing the weights included.
"""

from __future__ import annotations

import argparse
import math
import statistics
from dataclasses import replace
from functools import partial

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from benchmarks.rounds import interleave
from snn_core.cost import estimate
from snn_core.propagate import run
from snn_core.settings import Experiment, NetworkSpec

BASE = Experiment(network=NetworkSpec(depth=32, width=256), batch=256, seeds=4)
AXES = {
    "depth": (16, 32, 64, 128),
    "batch": (128, 256, 512, 1024),
    "seeds": (2, 4, 8, 16),
    "width": (128, 256, 512, 1024),
}


def setting(axis: str, value: int) -> Experiment:
    if axis in ("depth", "width"):
        return replace(BASE, network=replace(BASE.network, **{axis: value}))
    return replace(BASE, **{axis: value})


def exponent(values: tuple[int, ...], costs: list[float]) -> float:
    """The slope of log cost against log value, by least squares."""
    x, y = [math.log(v) for v in values], [math.log(c) for c in costs]
    return statistics.linear_regression(x, y).slope


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--plot", default="cost.html", help="where the plot goes")
    arguments = parser.parse_args()
    figure = make_subplots(rows=1, cols=4, subplot_titles=list(AXES))
    for column, (axis, values) in enumerate(AXES.items(), start=1):
        settings = {str(v): setting(axis, v) for v in values}
        seconds = interleave(
            {name: partial(run, each) for name, each in settings.items()}, arguments.rounds
        )
        first = seconds[str(values[0])]
        relative = [
            statistics.median(a / b for a, b in zip(seconds[str(v)], first, strict=True))
            for v in values
        ]
        guess = [estimate(each).seconds for each in settings.values()]
        guessed = [g / guess[0] for g in guess]
        growth = ", ".join(f"{v}: {r:.2f}x" for v, r in zip(values, relative, strict=True))
        print(f"{axis:6} exponent {exponent(values, relative):.2f}   {growth}")
        off = [statistics.median(seconds[n]) / estimate(e).seconds for n, e in settings.items()]
        print(f"       measured / estimated seconds {', '.join(f'{o:.2f}' for o in off)}")
        for name, y, dash in (("measured", relative, "solid"), ("estimated", guessed, "dash")):
            line = go.Scatter(
                x=values, y=y, name=name, line={("dash"): dash}, showlegend=column == 1
            )
            figure.add_trace(line, row=1, col=column)
    figure.update_xaxes(type="log")
    figure.update_yaxes(type="log", title_text="time, relative to the smallest", col=1)
    figure.write_html(arguments.plot, include_plotlyjs=True)
    print(f"plot: {arguments.plot}")


if __name__ == "__main__":
    main()
