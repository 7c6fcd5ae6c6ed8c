"""The first seconds of a first visit: two networks, and a batch that travels through both."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.charts import FIRST_PLOT, settled
from tests.browser.test_accessibility import violations

OpenPage = Callable[..., Page]
LONG = 60_000  # ms that nothing here takes, however busy the machine is


def opening(page: Page) -> Locator:
    return page.locator(".st-key-opening section.contrast")


def in_state(page: Page, state: str) -> Locator:
    """Waits until it moves, has stopped or is done; returns it."""
    expect(opening(page)).to_have_attribute("data-state", state, timeout=FIRST_PLOT)
    return opening(page)


def pictures(page: Page, wait: int = 0) -> list[str]:
    """Returns what both networks look like after so many milliseconds."""
    page.wait_for_timeout(wait)
    return opening(page).locator("canvas").evaluate_all("all => all.map(c => c.toDataURL())")


def test_it_moves_stops_at_a_click_goes_on_and_rests_by_itself(page: Page) -> None:
    page.goto("/")
    shown = in_state(page, "moving")
    assert pictures(page) != pictures(page, 300)
    shown.get_by_role("button", name="Stop").click()
    in_state(page, "stopped")
    assert pictures(page) == pictures(page, 300)
    shown.get_by_role("button", name="Play").press("Enter")
    in_state(page, "moving")
    in_state(page, "done")
    settled(page)
    end = pictures(page)
    assert end == pictures(page, 300)
    expect(shown.locator(".reading").first).to_contain_text("layer 16")
    shown.get_by_role("button", name="Repeat").click()
    in_state(page, "moving")
    assert pictures(page) != end


def test_it_says_its_numbers_in_words_is_hidden_and_shown_again(page: Page) -> None:
    page.goto("/")
    shown = in_state(page, "moving")
    expect(shown.get_by_role("img", name="SELU keeps its signal")).to_be_visible()
    expect(shown.get_by_role("img", name="ReLU loses its signal")).to_be_visible()
    expect(shown.locator(".words")).to_contain_text("with the very same weights")
    again = page.get_by_role("button", name="SELU beside ReLU")
    expect(again).to_have_count(0)
    shown.get_by_role("button", name="Hide").click()
    expect(shown).to_have_count(0, timeout=LONG)
    again.click(timeout=LONG)
    in_state(page, "moving")


def test_out_of_sight_it_waits(page: Page) -> None:
    page.goto("/")
    shown = in_state(page, "done")
    settled(page)
    shown.get_by_role("button", name="Repeat").click()
    page.locator(".stMain").evaluate("main => main.scrollTo(0, main.scrollHeight)")
    expect(shown).not_to_be_in_viewport()
    before = pictures(page, 200)
    assert pictures(page, 500) == before
    in_state(page, "moving")  # it goes on where it was
    page.locator(".stMain").evaluate("main => main.scrollTo(0, 0)")
    in_state(page, "done")
    assert pictures(page) != before


def test_nothing_moves_for_who_asked_for_that(open_page: OpenPage) -> None:
    page = open_page(reduced_motion="reduce")
    page.goto("/")
    shown = in_state(page, "done")
    expect(shown.locator(".reading").first).to_contain_text("layer 16")
    expect(shown.get_by_role("button", name="Hide")).to_be_visible()
    expect(shown.get_by_role("button", name="Repeat")).to_have_count(0)
    assert pictures(page) == pictures(page, 300)


def test_its_place_is_kept_and_a_link_with_settings_has_none(page: Page) -> None:
    page.goto("/")
    in_state(page, "moving")
    place, drawn = (page.locator(".st-key-opening").bounding_box(), opening(page).bounding_box())
    assert place and drawn and place["height"] == drawn["height"]
    page.goto("/?depth=4&width=16&batch=16&seeds=2")
    expect(page.get_by_role("button", name="SELU beside ReLU")).to_be_visible(timeout=FIRST_PLOT)
    expect(opening(page)).to_have_count(0)


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1366, "light")])
def test_it_breaks_no_rule_and_fits(open_page: OpenPage, width: int, scheme: str) -> None:
    page = open_page(viewport={"width": width, "height": 768}, color_scheme=scheme)
    page.goto("/")
    shown = in_state(page, "done")
    settled(page)
    assert violations(page) == []
    assert shown.evaluate("node => node.scrollHeight <= node.clientHeight")
    assert shown.evaluate("node => node.scrollWidth <= node.clientWidth")
