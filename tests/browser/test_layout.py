"""Where things stand on the page, and that they stay there."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.charts import alternative, drawn, hero, numbers, settled
from tests.browser.test_accessibility import violations

OpenPage = Callable[..., Page]
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


def test_no_notice_and_no_progress_moves_the_figure_and_a_stop_restores_it(page: Page) -> None:
    page.goto("/?width=64&depth=8&no_such_setting=1")
    drawn(page)
    before = numbers(page)
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
    page.wait_for_timeout(1000)  # nor does what was stopped come after all
    assert numbers(page) == before

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
    expect(page).to_have_url(re.compile(r"/train\?.*b\.activation=relu"))
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


FIGURE = """chart => {
  const look = (css) => getComputedStyle(chart.querySelector(css));
  return {
    width: chart.clientWidth / innerWidth,
    height: chart.clientHeight / innerHeight,
    text: parseFloat(look('.xtick text').fontSize),
    line: Math.max(...[...chart.querySelectorAll('.scatterlayer .js-line')].map(
      (line) => parseFloat(getComputedStyle(line).strokeWidth))),
  };
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_large_mode_enlarges_text_lines_and_figure_on_every_page(
    open_page: OpenPage, scheme: str
) -> None:
    page = open_page(viewport={"width": 1366, "height": 768}, color_scheme=scheme)
    page.goto("/?width=64&depth=8")
    said = drawn(page)
    usual = hero(page).evaluate(FIGURE)
    page.get_by_role("button", name="Large size").click()
    expect(page).to_have_url(re.compile(r"view\.size=large"), timeout=LONG)
    page.wait_for_function(
        "size => getComputedStyle(document.querySelector('.st-key-hero .xtick text')).fontSize"
        " !== size",
        arg=f"{usual['text']}px",
    )
    settled(page)
    large = hero(page).evaluate(FIGURE)
    assert large["text"] == 1.5 * usual["text"] and large["line"] == 1.5 * usual["line"]
    assert large["width"] > 0.9 > usual["width"] and large["height"] > usual["height"]
    assert alternative(page) == said
    expect(hero(page)).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("slider", name="Depth")).to_be_hidden()
    page.get_by_role("button", name="Controls").click()
    page.get_by_role("slider", name="Depth").press("ArrowRight")
    drawn(page, "depth 12")
    assert violations(page) == []
    page.get_by_role("link", name="Moment map", exact=True).click()
    back = page.get_by_role("button", name="Normal size")
    expect(page.get_by_role("heading", level=1)).to_have_text("Moment map", timeout=LONG)
    expect(back).to_be_visible()
    settled(page)
    assert violations(page) == []
    back.click()
    expect(page.get_by_role("slider", name="τ, sum of their squares")).to_be_visible(timeout=LONG)
    expect(page).not_to_have_url(re.compile("size"))


def test_the_figure_alone_fills_the_window(page: Page) -> None:
    page.goto("/?width=64&depth=8")
    said = drawn(page)
    page.get_by_role("button", name="Share").click()
    link = page.get_by_role("link", name="Figure only").get_attribute("href")
    assert link is not None and "embed=true" in link
    page.goto(link)
    assert drawn(page) == said
    assert hero(page).evaluate(FIGURE)["height"] >= 0.75
    expect(page.locator(".st-key-verdict")).to_be_in_viewport(ratio=1)
    for gone in (page.get_by_role("slider"), page.get_by_role("heading"), page.get_by_role("tab")):
        assert gone.locator("visible=true").count() == 0
    page.goto("/train?embed=true&depth=2&width=16&seeds=1")
    expect(hero(page).first).to_be_visible(timeout=LONG)
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible(timeout=LONG)
    assert page.get_by_role("button").locator("visible=true").count() <= 2  # Pause, PNG
    expect(page).to_have_url(re.compile("embed=true.*job=|job=.*embed=true"), timeout=LONG)
