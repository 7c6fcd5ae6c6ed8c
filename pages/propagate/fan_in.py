"""The experiment on fan-in: what a layer makes of a mean that all its inputs share."""

from __future__ import annotations

from pages.propagate import pin_figures
from pages.ui import notices, results, views
from pages.ui.chart import plotly_view
from pages.ui.text import option_name
from snn_core.diagnosis import FanIn
from snn_core.settings import Experiment
from snn_core.wording import amount

__all__ = ["ask", "draw"]

MEANS = ("0.5", "0", "0.1", "0.25", "1", "2")
CLAIM = (
    "A mean that all inputs share shifts the units' own means, **however many inputs there are**."
)
ABOUT = (
    "A unit sees that mean times its omega, the sum of its weights. For LeCun normal weights "
    "omega has a standard deviation of 1 at any fan-in: more inputs don't average the shift away. "
    "Centralizing every unit makes omega 0, and the shift is gone; centralizing the layer removes "
    "only what all units share. What does fall with the fan-in is the scatter of tau, and that of "
    "the pooled mean from one network to the next."
)


def ask(shown: Experiment) -> FanIn | None:
    """Draws the choice of the inputs' mean; returns the experiment, None where it is stopped."""
    mean = views.choose("mean", "Mean of the inputs", MEANS, "Of every input; the variance is 1.")
    net = shown.network
    return results.fan_in(net.activation, net.activation_parameters, float(mean), shown)


def draw(found: FanIn) -> None:
    """Draws the experiment."""
    names = [option_name("constraint", name) for name in found.constraints]
    plotly_view(pin_figures.by_fan_in(found, names), "fan_in", _alt(found, names))
    notices.explained(
        CLAIM,
        ABOUT,
        f"{option_name('activation', found.activation)}, LeCun normal weights, after one layer; "
        f"{found.networks.min():.0f} to {found.networks.max():.0f} networks a fan-in, batch "
        f"{found.batch}. Bars: two standard errors.",
    )


def _alt(found: FanIn, names: list[str]) -> str:
    first, last = found.fan_ins[[0, -1]]
    each = "; ".join(
        f"{name}: {amount(row[0])} at fan-in {first:.0f}, {amount(row[-1])} at {last:.0f}"
        for name, row in zip(names, found.unit_spread[..., 0], strict=True)
    )
    return f"Standard deviation over units of the units' own means, against fan-in. {each}."
