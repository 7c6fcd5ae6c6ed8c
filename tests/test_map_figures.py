"""The plane of the moment map: its arrows point the way, and all fixed points are in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from pages.moment_map import figures, plane, proofs
from snn_core.activations import activation
from snn_core.propagate import Propagation
from snn_core.theory.moments.fixed_points import FixedPoint, describe
from snn_core.theory.moments.flow import vector_field
from tests.test_figures import RESULTS

MEANS = np.linspace(-2.0, 2.0, 13)
VARIANCES = {False: np.linspace(4 / 13, 4.0, 13), True: np.geomspace(0.01, 20.0, 13)}
DOMAIN = ((-0.1, 0.1), (0.8, 1.5))


def drawn(
    name: str = "selu",
    omega: float = 0.0,
    tau: float = 1.0,
    log: bool = False,
    point: FixedPoint | None = None,
    own: proofs.Box = DOMAIN,
    p: Propagation | None = None,
) -> dict[str, Any]:
    """Returns the figure; of all fixed points only the one that is given."""
    asked = plane.Asked(
        activation(name), omega, tau, (0.5, 2.0), log, own, (DOMAIN,), "theorem 1's domain", True
    )
    seen = plane.seen(asked)
    if point is not None:
        seen = replace(seen, found=replace(seen.found, points=(point,)), limit=None)
    figure = figures.moment_map(asked, seen, p)
    assert go.Figure(figure)
    return figure


def trace(figure: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (t for t in figure["data"] if t["name"] == name and not t.get("showlegend"))
    return found


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    ("name", "omega", "tau"), [("selu", 0.0, 1.0), ("selu", 0.5, 1.2), ("relu", -1.0, 3.0)]
)
def test_every_arrow_points_where_its_layer_leads(
    name: str, omega: float, tau: float, log: bool
) -> None:
    field = vector_field(name, omega, tau, MEANS, VARIANCES[log])
    path = trace(drawn(name, omega, tau, log), "one layer")
    x, y = (np.asarray(path[axis]).reshape(13, 13, 6) for axis in "xy")
    up = np.log if log else np.asarray
    assert np.allclose(x[:, :, 0], MEANS) and np.allclose(y[:, :, 0], VARIANCES[log][:, None])
    ours = np.stack([x[:, :, 1] - x[:, :, 0], up(y[:, :, 1]) - up(y[:, :, 0])])
    ahead = up(np.maximum(field.next_variance, 1e-12))  # a variance of 0 has no logarithm
    layer = np.stack([field.next_mean - MEANS, ahead - up(VARIANCES[log][:, None])])
    assert np.allclose(ours[0] * layer[1], ours[1] * layer[0], atol=1e-9)
    assert ((ours * layer).sum(0) >= 0.0).all()
    assert np.abs(ours).max() > 0.0 and (np.hypot(*ours) <= np.hypot(*layer) + 1e-12).all()
    # the head's two corners lie behind the tip, one to either side
    size = np.array([4.0, float(np.ptp(up(np.append(VARIANCES[log], VARIANCES[log][0]))))])
    way = ours / size[:, None, None]
    for corner in (2, 3):
        back = np.stack([x[:, :, corner] - x[:, :, 1], up(y[:, :, corner]) - up(y[:, :, 1])])
        assert ((back / size[:, None, None] * way).sum(0) <= 1e-12).all()
    assert np.allclose(x[:, :, 4], x[:, :, 1]) and np.isnan(x[:, :, 5]).all()


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    ("mean", "variance", "symbol"),
    [
        (0.5, 1.5, "circle"),
        (0.5, 31.0, "triangle-up"),
        (0.5, 1e-4, "triangle-down"),
        (2.7, 1.5, "triangle-right"),
        (-2.7, 1.5, "triangle-left"),
    ],
)
def test_a_fixed_point_beyond_the_plane_is_an_arrow_at_its_edge_with_its_numbers(
    mean: float, variance: float, symbol: str, log: bool
) -> None:
    if symbol == "triangle-down" and not log:
        symbol = "circle"  # the linear axis begins at 0
    point = describe(activation("selu"), 0.0, 1.0, (mean, variance))
    mark = trace(drawn(point=point, log=log), f"{point.kind} fixed point")
    look = mark["marker"]["symbol"]
    assert look == (symbol if symbol != "circle" else figures.MARKS[point.kind])
    assert -2.0 <= mark["x"][0] <= 2.0 and 0.0 <= mark["y"][0] <= (20.0 if log else 4.0)
    if symbol != "circle":
        numbers = {
            "triangle-up": "variance 31",
            "triangle-down": "variance 0.0001",
            "triangle-right": "mean 2.7",
        }
        assert mark["text"] == [f"<b>{numbers.get(symbol, 'mean −2.7')}</b>"]
        assert f"{point.kind} fixed point<br>mean" in mark["hovertemplate"]


def legend(figure: dict[str, Any]) -> list[str]:
    """Returns what the legend says of the plane; the last three are the activation's."""
    return [key["name"] for key in figure["data"] if key.get("showlegend")][:-3]


def test_the_legend_names_what_is_drawn_and_nothing_else() -> None:
    assert legend(drawn()) == ["orbit of the map", "theorem 1's domain", "attracting fixed point"]
    assert "network, units averaged" in legend(drawn(p=RESULTS["normal"]))
    assert "your box" in legend(drawn(own=((-0.5, 0.5), (0.8, 1.5))))
    assert "your box" not in legend(drawn(own=((-0.1, 0.1), (0.8, 1.5))))
    both = legend(drawn("selu", 0.8, 1.0))
    assert both[-2:] == ["attracting fixed point", "repelling fixed point"]
    assert "fixed point" not in " ".join(legend(drawn("relu")))
    assert "attracting fixed point" in legend(drawn(tau=1.7))  # as an arrow at the edge


def test_every_theorem_has_a_domain_to_draw() -> None:
    for card in proofs.CARDS.values():
        assert card.domains
        for domain in card.domains:
            assert domain.mean[0] < domain.mean[1] and domain.variance[0] < domain.variance[1]
