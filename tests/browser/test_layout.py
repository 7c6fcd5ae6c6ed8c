"""Where things stand on the page, and that they stay there."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.charts import drawn, hero, settled

LONG = 30_000
TOPS = """chart => {
  const main = document.querySelector('.stMain');
  window.tops = new Set();
  const look = () => {
    window.tops.add(chart.getBoundingClientRect().top + main.scrollTop);
    requestAnimationFrame(look);
  };
  look();
}"""


def enter(page: Page, name: str, value: str) -> None:
    field = page.get_by_role("spinbutton", name=f"{name}, exactly")
    field.fill(value)
    field.press("Enter")


def test_no_notice_and_no_progress_moves_the_figure(page: Page) -> None:
    page.goto("/?width=64&depth=8&no_such_setting=1")
    drawn(page)
    hero(page).evaluate(TOPS)
    page.get_by_role("button", name="Dismiss").click()
    alert, stop = page.get_by_test_id("stAlert"), page.get_by_role("button", name="Stop")
    expect(alert).to_have_count(0, timeout=LONG)
    enter(page, "Depth", "512")
    enter(page, "Width", "600")  # takes some 20 s
    stop.click(timeout=LONG)
    expect(alert).to_contain_text("Stopped", timeout=LONG)
    settled(page)
    expect(alert).to_be_in_viewport(ratio=1)
    assert len(page.evaluate("[...window.tops]")) == 1

    page.set_viewport_size({"width": 390, "height": 844})
    expect(alert).to_be_in_viewport(ratio=1)  # below the screen's edge, were it not for its notice
    hero(page).evaluate(TOPS)
    page.get_by_role("button", name="Propagate after all").click()
    stop.click(timeout=LONG)
    expect(stop).to_have_count(0, timeout=LONG)
    settled(page)
    expect(alert).to_contain_text(re.compile("Stopped"))
    assert len(page.evaluate("[...window.tops]")) == 1
