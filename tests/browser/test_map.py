"""The page Moment map as a person meets it, in a real Chromium."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.charts import FIRST_PLOT, out_of_sight, settled, watch

OpenPage = Callable[..., Page]
SMALL = "/?page=map&width=16&depth=8&batch=16&seeds=2"
LONG = 60_000  # ms that nothing here takes, however busy the machine is


def plane(page: Page) -> Locator:
    return page.locator(".st-key-plane .plotly-view[role=img]")


def opened(page: Page, address: str = SMALL) -> None:
    page.goto(address)
    expect(plane(page).locator(".js-plotly-plot .xtick").first).to_be_attached(timeout=FIRST_PLOT)
    settled(page)


def place(page: Page, mean: float, variance: float) -> tuple[float, float]:
    """Returns where a point of the plane is on the screen."""
    x, y = page.evaluate(
        """([m, v]) => {
          const node = document.querySelector('.st-key-plane .js-plotly-plot');
          const {left, top} = node.getBoundingClientRect();
          const {xaxis, yaxis} = node._fullLayout;
          return [left + xaxis._offset + xaxis.d2p(m), top + yaxis._offset + yaxis.d2p(v)];
        }""",
        [mean, variance],
    )
    return x, y


def test_tau_moves_the_field_while_it_is_dragged(page: Page) -> None:
    opened(page)
    expect(plane(page)).to_have_attribute("aria-label", re.compile("tau 1. One fixed point"))
    address = page.url
    slider = page.get_by_role("slider", name="τ, sum of their squares", exact=True)
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.34 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], middle, steps=6)
    expect(plane(page)).to_have_attribute(
        "aria-label", re.compile(r"tau [23][.\d]* No fixed point"), timeout=LONG
    )
    assert page.url == address  # still held: the page follows once it is let go
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"view\.tau=[23]"), timeout=LONG)


def test_the_plane_stays_in_sight_while_it_is_computed(page: Page) -> None:
    opened(page, "/?page=map")
    watch(page, ".st-key-plane")
    before = plane(page).get_attribute("aria-label") or ""
    for name in ("τ, sum of their squares", "Start: mean", "Start: variance"):
        page.get_by_role("slider", name=name, exact=True).focus()
        page.keyboard.press("ArrowRight")
        expect(plane(page)).not_to_have_attribute("aria-label", before, timeout=LONG)
        settled(page)
        before = plane(page).get_attribute("aria-label") or ""
    assert out_of_sight(page) == 0


def test_a_click_starts_the_orbit_there(page: Page) -> None:
    opened(page)
    page.mouse.click(*place(page, -1.0, 3.0))
    expect(page).to_have_url(
        re.compile(r"view\.mean=-(1|0\.9)\d*&view\.variance=[23]"), timeout=LONG
    )
    expect(plane(page)).to_have_attribute("aria-label", re.compile(r"From mean −(1|0\.9)"))


@pytest.mark.parametrize("axis", ["linear", "log"])
def test_a_box_is_drawn_and_claimed_for(page: Page, axis: str) -> None:
    opened(page, f"{SMALL}&view.axis={axis}")
    page.mouse.move(*place(page, -0.5, 3.0))
    page.mouse.down()
    page.mouse.move(*place(page, 0.5, 0.5), steps=6)
    page.mouse.up()
    expect(page).to_have_url(
        re.compile(
            r"mean_low=-0\.[45].*mean_high=0\.[45].*variance_low=0\.[45].*variance_high=[23]"
        ),
        timeout=LONG,
    )
    page.get_by_role("button", name="Prove it for this box").click()
    expect(page.locator(".st-key-card_own")).to_contain_text("refuted", timeout=LONG)


def test_theorem_1_is_proved_and_can_be_taken_away(page: Page, tmp_path: Path) -> None:
    opened(page)
    card = page.locator(".st-key-card_theorem_1")
    card.get_by_role("button", name="Prove it").click()
    expect(card).to_contain_text("proved", timeout=LONG)
    with page.expect_download(timeout=LONG) as waiting:
        card.get_by_role("button", name="Certificate (JSON)").click()
    path = tmp_path / "certificate.json"
    waiting.value.save_as(path)
    assert json.loads(path.read_text())["certificate"]["holds"] is True


def test_the_designer_to_the_network_and_back(page: Page) -> None:
    opened(page, f"{SMALL}&view.tab=Designer&view.wanted_mean=0.1&view.wanted_variance=1.5")
    page.get_by_role("button", name="Use it above").click()
    expect(plane(page)).to_have_attribute(
        "aria-label", re.compile("attracting: mean 0.1 and variance 1.5"), timeout=LONG
    )
    settled(page)
    page.get_by_role("link", name="Try it in a network").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Propagate", timeout=LONG)
    expect(page).to_have_url(re.compile(r"activation\.alpha=.*data\.mean=0\.5"), timeout=LONG)
    verdict = page.locator(".st-key-verdict")
    expect(verdict).to_be_visible(timeout=LONG)
    settled(page)
    verdict.get_by_role("link", name="See it in the moment map").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Moment map", timeout=LONG)
    expect(plane(page)).to_have_attribute(
        "aria-label", re.compile("From mean 0.4|From mean 0.5"), timeout=LONG
    )


def test_an_activation_of_ones_own_is_drawn_and_a_hostile_one_refused(page: Page) -> None:
    opened(page, f"{SMALL}&activation==1.592537*tanh(z)")
    expect(plane(page)).to_have_attribute(
        "aria-label", re.compile("attracting: mean 0 and variance 1(.0+1)?"), timeout=LONG
    )
    field = page.get_by_role("textbox", name="f(z) =")
    field.fill("__import__('os').system('id')")
    field.press("Enter")
    alert = page.get_by_test_id("stAlertContentError")
    expect(alert).to_contain_text("The last good formula is still in use", timeout=LONG)
    expect(plane(page)).to_have_attribute("aria-label", re.compile("variance 1"))
    field.fill("max(z, 0.1*z)")
    field.press("Enter")
    expect(alert).to_have_count(0, timeout=LONG)
    expect(page).to_have_url(re.compile(r"activation=%3Dmax|activation==max"), timeout=LONG)
