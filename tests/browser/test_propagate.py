"""The page Propagate as a person meets it, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.charts import alternative, drawn, hero, numbers, plotly, settled
from tests.browser.server import serve

OpenPage = Callable[..., Page]


def press(page: Page, slider: str, key: str) -> None:
    """Presses a key on a slider, as a person without a mouse does."""
    handle = page.get_by_role("slider", name=re.compile(rf"^{slider}\b"))
    handle.focus()
    page.keyboard.press(key)


def alerts(page: Page) -> list[str]:
    """Returns the texts of the warnings and errors on the page."""
    return page.get_by_test_id("stAlert").all_inner_texts()


def test_the_first_plot_needs_no_click(page: Page) -> None:
    page.goto("/")
    said = drawn(page)
    assert "depth 32, 8 seeds" in said
    assert re.search(
        r"variance at the last layer: measured median (0\.9|1\.0)\d*, predicted 1\b", said
    )
    lines = numbers(page)
    # Every layer from the input to the last, of the median and of the prediction.
    assert sum(len(line) == 33 and None not in line for line in lines) >= 4
    assert alerts(page) == []
    expect(page).to_have_url(re.compile(r"/$"))


def test_a_slider_moves_the_plot_and_the_address_from_the_keyboard(page: Page) -> None:
    page.goto("/?width=64")
    drawn(page, "depth 32")
    plotly(page).evaluate("node => node.mark = 'the same node'")
    press(page, "Depth", "ArrowRight")
    said = drawn(page, re.compile(r"depth (3[3-9]|4\d)"))
    depth = int(re.search(r"depth (\d+)", said)[1])
    expect(page).to_have_url(re.compile(rf"depth={depth}\b.*width=64|width=64.*depth={depth}\b"))
    assert max(len(line) for line in numbers(page) if None not in line) >= depth + 1
    press(page, "Depth", "ArrowLeft")
    drawn(page, "depth 32")
    expect(page).not_to_have_url(re.compile("depth="))  # only what differs from the default
    assert plotly(page).evaluate("node => node.mark") == "the same node"


def test_an_emptied_number_comes_back(page: Page) -> None:
    page.goto("/?width=64&depth=8&weight_factor=1.5")
    before = drawn(page, "depth 8")
    for name, value in (("Weight variance factor, exactly", "1.5"), ("Depth, exactly", "8")):
        field = page.get_by_role("spinbutton", name=name)
        field.fill("")
        field.press("Tab")
        expect(page.get_by_role("spinbutton", name=name)).to_have_value(value)
        settled(page)
    assert drawn(page) == before
    page.get_by_role("spinbutton", name="Depth, exactly").fill("11")
    page.keyboard.press("Enter")
    drawn(page, "depth 11")


def test_new_weights_change_the_numbers_and_the_link(page: Page) -> None:
    page.goto("/?depth=8&width=64")
    before = drawn(page, "depth 8")
    page.get_by_role("button", name="New weights").click()
    expect(hero(page)).not_to_have_attribute("aria-label", before)
    expect(page).to_have_url(re.compile("seed=1"))


def test_a_shared_link_shows_the_same_numbers_to_the_last_digit(
    page: Page, open_page: OpenPage, tmp_path: Path
) -> None:
    page.goto("/?width=96&activation=elu&weight_factor=1.3&seed=7")
    drawn(page)
    press(page, "Depth", "ArrowLeft")
    here = drawn(page, "depth 24")
    shown = numbers(page)
    page.get_by_role("button", name="Share").click()
    link = page.get_by_test_id("stCode").inner_text().strip()
    address, _, query = link.partition("?")
    assert page.url.startswith(address) and "page=propagate" in query
    # Another server too: nothing may come from this one's memory.
    with serve(tmp_path / "server.log") as other:
        there = open_page()
        there.goto(f"{other}/?{query}")
        assert drawn(there, "depth 24") == here
        assert numbers(there) == shown
        there.close()  # before its server: an open page would call for it


HOSTILE = {  # what the link says, and what the sentence about it names
    "depth=banana&width=64": ["depth"],
    "width=64&activation=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E": ["activation"],
    "width=64&kind=mlp&initializer=delta_orthogonal": ["delta_orthogonal"],
    "width=64&activation.alpha=" + "9" * 5000: ["alpha"],
    "width=64&depth=-3&seeds=NaN&__class__.__init__=1&no_such_setting=1": [
        *("depth must", "seeds must", "'__class__", "'no_such_setting"),
    ],
}


def test_a_hostile_link_leaves_the_page_working_and_says_so(page: Page) -> None:
    page.on("dialog", lambda dialog: pytest.fail(f"the link ran a script: {dialog.message}"))
    for query, names in HOSTILE.items():
        page.goto(f"/?{query}")
        assert "depth 32, 8 seeds" in drawn(page), query  # the default for that setting ...
        expect(page).to_have_url(re.compile(r"\?width=64$"))  # ... and for no other
        sentences = page.get_by_test_id("stAlert").locator("li").all_inner_texts()
        assert len(sentences) == len(names), query
        for name in names:
            assert sum(name in sentence[:60] for sentence in sentences) == 1, query
        assert max(map(len, sentences)) < 600, query
        assert page.locator("img[src=x]").count() == 0
        press(page, "Depth", "ArrowLeft")
        drawn(page, "depth 24")


def test_a_zoom_survives_a_change_of_setting(page: Page) -> None:
    page.goto("/?width=64")
    drawn(page)
    axis = "node => node._fullLayout.xaxis.range.map(x => Math.round(1000 * x))"
    whole = plotly(page).evaluate(axis)
    box = plotly(page).locator(".nsewdrag").first.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], middle, steps=5)
    page.mouse.up()
    page.wait_for_function(f"([node, whole]) => ({axis})(node)[0] != whole[0]", arg=[
        plotly(page).element_handle(), whole,
    ])  # fmt: skip
    zoomed = plotly(page).evaluate(axis)
    before = alternative(page)
    page.get_by_role("button", name="New weights").click()
    expect(hero(page)).not_to_have_attribute("aria-label", before)
    drawn(page)
    assert plotly(page).evaluate(axis) == zoomed != whole


def test_every_tab_draws_its_figure(page: Page) -> None:
    page.goto("/?width=64&depth=8")
    drawn(page)
    tabs = page.get_by_role("tab").all_inner_texts()
    tabs = [name for name in tabs if "×" not in name]  # a table, not a figure
    assert len(tabs) == 5
    for name in tabs:
        page.get_by_role("tab", name=name).click()
        panel = page.get_by_role("tabpanel", name=name)
        figure = panel.locator(".plotly-view[role=img]")
        expect(figure).to_have_attribute("aria-label", re.compile(r"\d"), timeout=60_000)
        expect(figure.locator(".js-plotly-plot .xtick").first).to_be_attached(timeout=60_000)
        settled(page)
    assert alerts(page) == []


def test_a_setting_too_large_for_the_machine_is_refused_before_it_is_tried(page: Page) -> None:
    page.goto("/?depth=512&width=4096&seeds=64&batch=4096")
    refusal = page.get_by_test_id("stAlert").first
    expect(refusal).to_contain_text(re.compile(r"GB|GiB|MB|MiB|hours|minutes"), timeout=90_000)
    page.get_by_role("button", name="Reset").click()
    assert "depth 32, 8 seeds" in drawn(page)
    assert alerts(page) == []


def luminance(colour: str) -> float:
    """Returns the relative luminance (WCAG) of ``rgb(r, g, b)``."""
    channels = [int(c) / 255 for c in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_chart_follows_the_theme(open_page: OpenPage, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    page.goto("/?width=64")
    drawn(page)
    background = page.get_by_test_id("stApp").evaluate("e => getComputedStyle(e).backgroundColor")
    assert (luminance(background) < 0.05) == (scheme == "dark")
    paper = (
        hero(page).locator(".main-svg").first.evaluate("e => getComputedStyle(e).backgroundColor")
    )
    assert paper == background
    inks = (
        plotly(page)
        .locator(".xtick text, .annotation-text")
        .evaluate_all("all => all.map(e => getComputedStyle(e).fill)")
    )
    lines = (
        plotly(page)
        .locator(".scatterlayer .js-line")
        .evaluate_all(
            "all => all.map(e => getComputedStyle(e)).filter(s => s.strokeOpacity == 1)"
            ".filter(s => parseFloat(s.strokeWidth) >= 2).map(s => s.stroke)"
        )
    )
    assert inks and lines

    def contrast(colour: str) -> float:
        dim, bright = sorted((luminance(colour), luminance(background)))
        return (bright + 0.05) / (dim + 0.05)

    assert min(map(contrast, inks)) >= 4.5
    assert min(map(contrast, lines)) >= 3.0
