"""The page Moment map: it follows its controls and its link, proves, designs and never breaks."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from pages.moment_map import proofs
from pages.ui import page_settings
from snn_core.theory.moments.designer import solve_selu
from tests.pages.test_pages import ROOT, chart, healthy, link, opened, set_number

MAP = ROOT / "pages" / "moment_map" / "page.py"
SMALL = {"depth": "4", "width": "16", "batch": "16", "seeds": "2"}


def at_map(**query: str) -> AppTest:
    return opened(SMALL | {f"view.{k[5:]}" if k.startswith("view_") else k: v
                           for k, v in query.items()}, MAP)  # fmt: skip


def press(at: AppTest, key: str) -> AppTest:
    (button,) = (b for b in at.button if b.key == key)
    return healthy(button.click().run())


def text(at: AppTest) -> str:
    return " ".join(m.value for m in (*at.markdown, *at.caption))


def traces(at: AppTest, key: str = "plane") -> dict[str, Mapping[str, Any]]:
    return {trace["name"]: trace for trace in chart(at, key)["figure"]["data"]}


def test_it_opens_with_selus_fixed_point() -> None:
    at = at_map()
    assert "One fixed point, attracting: mean 0 and variance 1." in chart(at, "plane")["alt"]
    assert "shrinks by 22 % each layer" in text(at)
    assert {"basin", "one layer", "orbit of the map", "measured, median of the seeds"} <= set(
        traces(at)
    )


def test_its_state_is_in_the_link_and_the_link_opens_it() -> None:
    at = at_map()
    for name, value in (("tau", 1.25), ("omega", 0.3), ("mean", -0.4)):
        at = set_number(at, f"view.{name}", value)
    at = opened(link(at) | {"view.tab": "Designer"}, MAP)
    at = set_number(at, "view.keep", 0.9)
    assert {k: v for k, v in link(at).items() if k.startswith("view.")} == {
        "view.tau": "1.25",
        "view.omega": "0.3",
        "view.mean": "-0.4",
        "view.keep": "0.9",
        "view.tab": "Designer",
    }
    again = opened(link(at), MAP)
    assert chart(again, "plane")["alt"] == chart(at, "plane")["alt"]


def test_reset_puts_back_every_number_and_undo_brings_them_again() -> None:
    opening = at_map()
    moved = {name: f"{(low + usual) / 2:.4g}"
             for name, (low, _, usual) in page_settings.MAP.numbers.items()}  # fmt: skip
    at = opened(SMALL | {f"view.{name}": value for name, value in moved.items()}
                | {"view.axis": "log", "activation": "tanh"}, MAP)  # fmt: skip
    before = link(at)
    at = press(at, "reset")
    assert link(at) == {"view.axis": "log"}  # how it is drawn is no setting
    for name in ("omega", "tau", "mean", "variance"):
        assert chart(at, f"number:map/view.{name}")["value"] == page_settings.MAP.numbers[name][2]
    at = press(at, "undo")
    assert link(at) == before != link(opening)


@pytest.mark.parametrize("name", ["theorem_1", "theorem_2", "theorem_3", "entry"])
def test_theorems_are_proved_at_a_click(name: str) -> None:
    at = press(at_map(), f"prove.{name}")
    assert "green-badge[proved]" in text(at) and "not about a particular network" in text(at)
    assert re.search(r"\d+ boxes, [\d.]+ m?s", text(at))


def legend(at: AppTest, key: str = "plane") -> list[str]:
    return [t["name"] for t in chart(at, key)["figure"]["data"] if t.get("showlegend")]


def test_a_theorem_that_is_looked_at_has_its_domain_on_the_plane() -> None:
    at = at_map()
    assert "theorem 1's domain" in legend(at) and "view.domain" not in link(at)
    at = press(at, "prove.theorem_2")
    assert "theorem 2's domain" in legend(at) and link(at)["view.domain"] == "theorem_2"
    layout = chart(at, "plane")["figure"]["layout"]
    assert 3.0 in [shape["y0"] for shape in layout["shapes"]]
    assert layout["yaxis"]["type"] == "log"  # to 16, which the linear axis does not reach
    at = press(at, "show.theorem_1")
    assert "theorem 1's domain" in legend(at) and "view.domain" not in link(at)
    assert chart(at, "plane")["figure"]["layout"]["yaxis"]["type"] == "linear"
    assert "badge[proved]" in text(at)  # what was proved stays


def test_a_person_reads_one_minus_sign_and_no_computers_exponents() -> None:
    far = {"activation": "relu", "view_mean": "-1.23", "view_omega": "-0.5"}
    for tab in ("Proofs", "Designer", "Mean field"):
        for query in (far, {"view_tau": "1.7"}, {"view_sigma_w": "1.5", "view_wanted_mean": "-1"}):
            at = at_map(view_tab=tab, **query)
            said = (
                f"{text(at)} {chart(at, 'plane')['alt']} {' '.join(w.value for w in at.warning)}"
            )
            assert not re.search(r"(?<![\w/.)])-\d|\de[-+]?\d", said.replace("\\", "")), said


def test_a_proof_waits_for_its_turn_and_gives_it_back() -> None:
    lane, at = proofs._lane(), at_map()
    assert lane.acquire(blocking=False)
    wait = threading.Timer(0.5, lane.release)
    begun = time.monotonic()
    wait.start()
    assert "green-badge[proved]" in text(press(at, "prove.theorem_1"))
    assert time.monotonic() - begun >= 0.5
    assert lane.acquire(blocking=False)
    lane.release()


def test_theorem_1_comes_with_its_sharp_bounds() -> None:
    said = text(press(at_map(), "prove.theorem_1"))
    assert "[−0.031061, 0.067726]" in said and "[0.803711, 1.481575]" in said
    assert "above 0.897609" in said


def test_a_box_of_ones_own_is_proved_refuted_or_not_decided() -> None:
    assert "badge[proved]" in text(press(at_map(), "prove.own"))
    wide = press(at_map(view_variance_high="4"), "prove.own")
    assert "badge[refuted]" in text(wide)
    unknown = press(at_map(activation="mish"), "prove.own")
    assert "No certificate for this activation yet" in text(unknown)
    assert "badge[not decided]" in text(unknown)


def test_a_result_is_not_shown_for_another_box() -> None:
    at = press(at_map(), "prove.own")
    at = set_number(at, "view.tau_high", 1.2)
    assert "badge[" not in text(at)


def test_a_box_that_is_none_says_so() -> None:
    at = press(at_map(view_mean_low="0.5"), "prove.own")
    assert any("mean" in error.value for error in at.error)


def test_the_designer_finds_the_selu_and_the_page_takes_it() -> None:
    at = at_map(view_tab="Designer", view_wanted_mean="0.1", view_wanted_variance="1.5")
    alpha, scale = solve_selu(0.1, 1.5)
    assert f"α = {alpha:.10g}, λ = {scale:.10g}" in text(at)
    at = press(at, "use_design")
    assert "attracting: mean 0.1 and variance 1.5." in chart(at, "plane")["alt"]
    assert float(link(at)["activation.alpha"]) == pytest.approx(alpha)
    at = press(at, "undo")
    assert "activation.alpha" not in link(at)
    assert "attracting: mean 0 and variance 1." in chart(at, "plane")["alt"]


def test_the_designer_says_that_the_official_example_repels() -> None:
    at = at_map(
        view_tab="Designer", view_wanted_mean="-0.1", view_wanted_variance="2", view_omega="1"
    )
    assert "red-badge[repelling]" in text(at) and "1.108" in text(at)


def test_the_designer_says_what_cannot_be() -> None:
    at = at_map(view_tab="Designer", view_wanted_mean="3", view_wanted_variance="0.1")
    assert at.warning and "No SELU keeps mean 3" in at.warning[0].value.replace("\\", "")


def test_the_mean_field_side() -> None:
    at = at_map(view_tab="Mean field")
    assert "χ₁ is 1.0716" in text(at) and "33.6 layers" in text(at)
    assert "edge of chaos" in traces(at, "phases")
    assert "correlation map" in legend(at, "phases")
    at = at_map(view_tab="Mean field", view_sigma_w="1.5")
    assert "Signals explode" in text(at) and "correlation map" not in legend(at, "phases")


@pytest.mark.parametrize(
    "query",
    [
        {"view_omega": "nan", "view_tau": "-1", "view_mean": "1e999", "view_variance": "x"},
        {"view_tau": "0", "view_variance": "0.001"},
        {"view_tau": "4", "view_omega": "2", "view_variance": "100", "view_mean": "3"},
        {"view_axis": "<b>", "view_tab": "none", "view_claim": "all"},
        {"activation": "relu", "view_tau": "2"},
        {"activation": "identity", "view_tab": "Designer"},
        {"activation": "no_such"},
        {"activation": "sigmoid", "view_tab": "Mean field", "view_sigma_w": "0"},
        {"kind": "cnn", "depth": "3"},
    ],
)
def test_no_link_breaks_it(query: dict[str, str]) -> None:
    at = at_map(**query)
    assert chart(at, "plane")["alt"].startswith("Moment map")


@pytest.mark.parametrize("name", sorted(page_settings.MAP.numbers))
def test_every_number_has_a_usual_value_within_its_bounds(name: str) -> None:
    low, high, usual = page_settings.MAP.numbers[name]
    assert low <= usual <= high


@pytest.mark.parametrize(
    ("key", "query"),
    [
        ("plane", {}),
        ("plane", {"view_axis": "log"}),
        ("phases", {"view_tab": "Mean field"}),
        ("phases", {"view_tab": "Mean field", "view_shade": "depth"}),
    ],
)
def test_its_figures_are_plotlys_and_leave_a_narrow_screen_to_the_panels(
    key: str, query: dict[str, str]
) -> None:
    drawn = chart(at_map(**query), key)["figure"]
    assert go.Figure(drawn).layout.coloraxis.colorbar.title.text in ("layers", "χ₁")
    assert drawn["layout"]["meta"]["narrow"]["coloraxis.showscale"] is False
