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


def test_a_change_of_page_is_one_step_back(page: Page) -> None:
    page.goto("/?width=64&depth=8")
    said = drawn(page)
    title = page.get_by_role("heading", level=1)
    for name in ("Train", "Moment map"):  # Train writes a long address of its own
        page.get_by_role("link", name=name, exact=True).click()
        expect(title).to_have_text(name, timeout=LONG)
        expect(hero(page).locator(".js-plotly-plot").first).to_be_attached(timeout=LONG)
        settled(page)
    enter(page, "τ, sum of their squares", "1.3")
    expect(page).to_have_url(re.compile(r"/map\?view\.tau=1\.3$"), timeout=LONG)
    settled(page)
    page.go_back()
    expect(page).to_have_url(re.compile(r"/map$"))
    page.go_back()
    expect(title).to_have_text("Train", timeout=LONG)
    expect(page).to_have_url(re.compile(r"/train\?.*c\.normalization=batch"))
    settled(page)
    page.go_back()
    expect(title).to_have_text("Propagate", timeout=LONG)
    assert drawn(page, "depth 8") == said
    expect(page).to_have_url(re.compile(r"/\?.*width=64"))
    page.go_forward()
    page.go_forward()
    expect(title).to_have_text("Moment map", timeout=LONG)
    page.go_forward()
    expect(page).to_have_url(re.compile(r"/map\?view\.tau=1\.3$"), timeout=LONG)
    settled(page)
    tau = page.get_by_role("spinbutton", name="τ, sum of their squares, exactly")
    expect(tau).to_have_value("1.3", timeout=LONG)
