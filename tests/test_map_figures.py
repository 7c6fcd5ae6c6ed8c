"""The plane of the moment map: its arrows point the way, and all fixed points are in it."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from pages.moment_map import figures, proofs
from pages.ui import panels
from pages.ui.panels import Panel
from snn_core.activations import activation
from snn_core.theory.field import orbit, vector_field
from snn_core.theory.fixed_points import FixedPoint, describe
from snn_core.theory.search import fixed_points

MEANS = np.linspace(-2.0, 2.0, 13)
VARIANCES = {False: np.linspace(4 / 13, 4.0, 13), True: np.geomspace(0.01, 20.0, 13)}


def drawn(
    name: str = "selu",
    omega: float = 0.0,
    tau: float = 1.0,
    log: bool = False,
    points: tuple[FixedPoint, ...] | None = None,
    measured: np.ndarray | None = None,
    own: figures.Box | None = None,
) -> Panel:
    field = vector_field(name, omega, tau, MEANS, VARIANCES[log])
    if points is None:
        points = fixed_points(name, omega, tau, (-3.0, 3.0), (1e-3, 50.0)).points
    path = orbit(name, (0.5, 2.0), omega, tau, 50)
    shade = np.full((13, 13), np.nan)
    box = [((-0.1, 0.1), (0.8, 1.5))]
    return figures.plane(field, shade, field, points, path, measured, log, box, own)


def trace(panel: Panel, name: str) -> dict[str, np.ndarray]:
    (found,) = (t for t in panel.traces if t["name"] == name)
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
    panel = drawn(points=(point,), log=log)
    mark = panel.traces[-1]
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
    assert go.Figure(panels.figure([panel]))


def legend(panel: Panel) -> list[str]:
    return [key["name"] for key in figures.plane_keys(panel, "theorem 1's domain")]


def test_the_legend_names_what_is_drawn_and_nothing_else() -> None:
    assert legend(drawn()) == ["orbit of the map", "theorem 1's domain", "attracting fixed point"]
    assert "network, units averaged" in legend(drawn(measured=np.ones((2, 2, 5))))
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
