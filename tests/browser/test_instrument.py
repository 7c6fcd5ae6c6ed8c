"""What makes the page Propagate an instrument: drag, verdict, repair, traps, pins, downloads."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from snn_core.settings import from_json
from tests.browser.charts import drawn, hero, out_of_sight, plotly, settled, watch

OpenPage = Callable[..., Page]
SMALL = "/?width=64&depth=16&batch=64&seeds=4"
LONG = 60_000  # ms that nothing here takes, however busy the machine is


def slider(page: Page, name: str) -> Locator:
    return page.get_by_role("slider", name=name, exact=True)


def hold(page: Page, name: str, share: float) -> Callable[[float], None]:
    """Takes the slider at its present place; returns what moves it to a share of its length."""
    range_ = slider(page, name)
    range_.scroll_into_view_if_needed()
    box = range_.bounding_box()
    assert box is not None

    def move(to: float) -> None:
        page.mouse.move(box["x"] + to * box["width"], box["y"] + box["height"] / 2, steps=4)

    move(share)
    page.mouse.down()
    return move


def layers(page: Page) -> float:
    """Returns where the layer axis of the figure ends."""
    return plotly(page).evaluate("node => node._fullLayout.xaxis.range[1]")


def verdict(page: Page) -> Locator:
    return page.locator(".st-key-verdict")


def opened(page: Page, address: str = SMALL) -> str:
    page.goto(address)
    said = drawn(page)
    expect(verdict(page)).to_be_visible(timeout=LONG)
    return said


def test_the_figure_follows_a_slider_that_is_held(page: Page) -> None:
    before = opened(page)
    address = page.url
    move = hold(page, "Weight variance factor", 0.5)
    seen = set()
    for share in (0.55, 0.6, 0.65, 0.7):
        move(share)
        expect(hero(page)).not_to_have_attribute("aria-label", before, timeout=LONG)
        before = hero(page).get_attribute("aria-label") or ""
        seen.add(before)
    assert len(seen) == 4 and page.url == address  # the hand has not let go
    page.mouse.up()
    expect(page).to_have_url(re.compile("weight_factor="), timeout=LONG)
    drawn(page, "4 seeds")
    factor = re.search(r"weight_factor=([\d.]+)", page.url)
    field = page.get_by_role("spinbutton", name="Weight variance factor, exactly")
    assert factor is not None and float(field.input_value()) == float(factor[1])


def test_arrow_keys_move_a_slider_and_a_screen_reader_hears_its_value(page: Page) -> None:
    opened(page)
    range_ = slider(page, "Depth")
    assert range_.get_attribute("aria-valuetext") == "16"
    range_.focus()
    page.keyboard.press("ArrowRight")
    assert range_.get_attribute("aria-valuetext") == "24"
    drawn(page, "depth 24, 4 seeds")  # fewer seeds first, then all
    expect(page).to_have_url(re.compile("depth=24"))


def test_charts_live_on_while_what_they_show_is_computed(page: Page) -> None:
    opened(page, "/")  # large enough that its figure comes some time after the run's first words
    every = page.locator(".js-plotly-plot:visible")
    expect(every).to_have_count(2, timeout=LONG)
    every.evaluate_all("nodes => nodes.forEach((node) => { node.mark = 'the same node'; })")
    watch(page, ".st-key-hero")
    for depth in (48, 64):  # neither was computed before
        slider(page, "Depth").focus()
        page.keyboard.press("ArrowRight")
        drawn(page, f"depth {depth}, 8 seeds")
        settled(page)
    marks = every.evaluate_all("nodes => nodes.map((node) => node.mark)")
    assert marks == ["the same node"] * 2
    assert out_of_sight(page) == 0


def test_no_answer_to_an_older_setting_is_drawn_over_a_newer_one(page: Page) -> None:
    """Keys, then a choice that goes another way, while the channel still answers the keys."""
    opened(page, "/?seeds=16&width=64&batch=64&depth=32")
    range_ = slider(page, "Depth")
    range_.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.get_by_role("combobox", name="Activation").click()
    page.get_by_role("option", name="tanh", exact=True).click()
    expect(page).to_have_url(re.compile("activation=tanh"), timeout=LONG)
    said = drawn(page, "depth 96, 16 seeds")
    settled(page)
    page.wait_for_timeout(1500)
    assert hero(page).get_attribute("aria-label") == said
    address = page.url
    fresh = page.context.new_page()
    fresh.goto(address)
    assert drawn(fresh, "depth 96") == said and "depth=96" in address


def test_a_figure_that_the_channel_brought_is_not_drawn_again_by_the_page(page: Page) -> None:
    opened(page)
    slider(page, "Depth").focus()
    page.keyboard.press("ArrowRight")
    drawn(page, "depth 24, 4 seeds")
    plotly(page).evaluate(
        "node => { window.draws = 0; node.on('plotly_afterplot', () => { window.draws += 1; }); }"
    )
    expect(page).to_have_url(re.compile("depth=24"), timeout=LONG)
    settled(page)
    page.wait_for_timeout(300)
    assert page.evaluate("window.draws") == 0


def test_where_the_channel_is_blocked_the_page_follows_all_the_same_and_says_so(
    page: Page,
) -> None:
    page.route_web_socket(re.compile("/live$"), lambda socket: socket.close())
    opened(page)
    place = page.locator(".st-key-moments")
    said = place.get_by_text("The live channel can't be opened")
    expect(said).to_be_visible(timeout=LONG)
    slider(page, "Depth").focus()
    page.keyboard.press("ArrowRight")
    drawn(page, "depth 24, 4 seeds")
    expect(page).to_have_url(re.compile("depth=24"), timeout=LONG)


def test_a_lost_channel_comes_back_by_itself(page: Page) -> None:
    page.add_init_script("""
      const Socket = window.WebSocket; window.sockets = [];
      window.WebSocket = class extends Socket {
        constructor(...given) { super(...given); window.sockets.push(this); }
      };
    """)
    opened(page)
    lost = "s => /live$/.test(s.url) && s.readyState === WebSocket.OPEN"
    page.wait_for_function(f"window.sockets.some({lost})")
    page.evaluate(f"window.sockets.find({lost}).close()")
    page.wait_for_function(f"window.sockets.some({lost})")
    before = page.url
    move = hold(page, "Weight variance factor", 0.5)
    said = hero(page).get_attribute("aria-label") or ""
    move(0.6)
    expect(hero(page)).not_to_have_attribute("aria-label", said, timeout=LONG)
    assert page.url == before  # by the channel, not by the page
    page.mouse.up()


NO_DEPTH = {
    "3.7": "whole number", "9999": "From 1 to 512", "abc": "A number", "-1": "From 1",
}  # fmt: skip


def test_a_number_that_will_not_do_is_said_beside_the_field(page: Page) -> None:
    opened(page)
    field = page.get_by_role("spinbutton", name="Depth, exactly")
    for typed, said in NO_DEPTH.items():
        field.fill(typed)
        expect(page.get_by_role("alert").filter(has_text=said)).to_be_visible()
        field.press("Enter")
        assert "depth=16" in page.url
        field.press("Escape")
        expect(field).to_have_value("16")
    field.fill("1e1")
    field.press("Enter")
    drawn(page, "depth 10")
    expect(field).to_have_value("10")
    expect(page).to_have_url(re.compile("depth=10"), timeout=LONG)


def test_a_verdict_names_the_cause_and_one_click_repairs_it(page: Page) -> None:
    opened(page, f"{SMALL}&initializer=he_normal")
    expect(verdict(page)).to_contain_text(re.compile("[Ee]xplodes"), timeout=LONG)
    repair = verdict(page).get_by_role("button").first
    assert "LeCun" in repair.inner_text()
    repair.click()
    expect(page).not_to_have_url(re.compile("he_normal"), timeout=LONG)
    expect(verdict(page)).to_contain_text(re.compile("[Hh]olds|settles"), timeout=LONG)
    page.get_by_role("button", name="Undo").click()
    expect(page).to_have_url(re.compile("he_normal"), timeout=LONG)


def test_a_trap_is_one_click_and_so_is_the_way_back(page: Page) -> None:
    opened(page)
    page.get_by_role("button", name="Break it").click()
    page.get_by_role("button", name=re.compile("He .*SELU|SELU .*He")).click()
    expect(page).to_have_url(re.compile("he_normal"), timeout=LONG)
    expect(verdict(page)).to_contain_text(re.compile("[Ee]xplodes"), timeout=LONG)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Undo").click()
    expect(page).to_have_url(re.compile("depth=16"), timeout=LONG)
    drawn(page, "depth 16, 4 seeds")


def test_pins_are_drawn_together_travel_in_the_link_and_can_be_removed(
    page: Page, open_page: OpenPage
) -> None:
    opened(page)
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page).to_have_url(re.compile("pin.a="), timeout=LONG)
    page.get_by_role("spinbutton", name="Weight variance factor, exactly").fill("1.5")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("weight_factor=1.5"), timeout=LONG)
    settled(page)
    figure = page.locator(".st-key-compared .plotly-view[role=img]")
    expect(figure).to_have_attribute("aria-label", re.compile(r"now: .*A: "), timeout=LONG)
    table = page.get_by_role("table").filter(has_text="Verdict")
    expect(table.get_by_role("row", name=re.compile("^now 1.5 "))).to_be_visible()
    expect(table.get_by_role("row", name=re.compile("^A 1 "))).to_be_visible()
    page.get_by_role("button", name="Share").click()
    link = page.get_by_test_id("stCode").inner_text().strip()
    there = open_page()
    there.goto("/?" + link.partition("?")[2])
    drawn(there)
    expect(there.locator(".st-key-compared .plotly-view[role=img]")).to_have_attribute(
        "aria-label", figure.get_attribute("aria-label") or "-", timeout=LONG
    )
    there.get_by_role("button", name="Remove A").click()
    expect(there).not_to_have_url(re.compile("pin.a="), timeout=LONG)
    expect(there.locator(".st-key-compared")).to_have_count(0)


def test_a_cell_of_the_table_opens(page: Page) -> None:
    opened(page, "/?width=16&depth=4&batch=16&seeds=2")
    page.get_by_role("tab", name="Constraint × activation").click()
    table = page.get_by_role("table").filter(has_text="logarithmic axis")
    cells = table.get_by_role("button")
    expect(cells.nth(47)).to_be_visible(timeout=60_000)  # all: the table is drawn anew as it fills
    table.get_by_role("button", name=re.compile("^ReLU, Centralize every unit")).click()
    expect(page).to_have_url(
        re.compile("activation=relu.*constraint=centralize_unit"), timeout=LONG
    )


def test_the_table_fills_cell_by_cell(page: Page) -> None:
    opened(page, "/?width=256&depth=48&batch=128&seeds=4")
    page.get_by_role("tab", name="Constraint × activation").click()
    table = page.get_by_role("table").filter(has_text="logarithmic axis")
    expect(table.get_by_role("button").first).to_be_visible(timeout=LONG)
    assert table.get_by_text("…", exact=True).count() > 0  # its other cells have their place
    expect(table.get_by_role("button").nth(47)).to_be_visible(timeout=60_000)
    assert table.get_by_text("…", exact=True).count() == 0


def saved(page: Page, name: str, tmp_path: Path) -> Path:
    with page.expect_download(timeout=60_000) as waiting:
        page.get_by_role("button", name=name).click()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_what_is_taken_away_opens(page: Page, open_page: OpenPage, tmp_path: Path) -> None:
    said = opened(page)
    page.get_by_role("button", name="Download").click()
    rows = list(csv.DictReader(saved(page, "Numbers (CSV)", tmp_path).open()))
    assert len(rows) == 4 * 17  # seeds, layers with the input
    whole = json.loads(saved(page, "Numbers and settings", tmp_path).read_text())
    (result,) = whole["results"]
    settings = result["settings"]
    text = settings if isinstance(settings, str) else json.dumps(settings)
    assert from_json(text).network.depth == 16
    html = saved(page, "Figure (HTML", tmp_path)
    assert "http" not in re.sub(r"<script.*?</script>", "", html.read_text(), flags=re.S)
    there = open_page()
    there.goto(html.as_uri())
    expect(there.locator("path.js-line").first).to_be_attached(timeout=LONG)
    assert said[:40] in there.locator("p").first.inner_text()
    assert "SELU, LeCun normal (untruncated), depth 16" in there.locator("p").last.inner_text()
    page.keyboard.press("Escape")
    picture = saved(page, "Save the figure moments as PNG", tmp_path)
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 10_000


def test_gradients_that_a_tab_has_measured_are_in_the_table(page: Page, tmp_path: Path) -> None:
    opened(page)
    page.get_by_role("button", name="Download").click()
    first = csv.DictReader(saved(page, "Numbers (CSV)", tmp_path).open())
    assert "gradient_variance" not in (first.fieldnames or ())
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Gradients").click()
    expect(page.locator(".st-key-gradients .plotly-view[role=img]")).to_be_visible(timeout=LONG)
    settled(page)
    page.get_by_role("button", name="Download").click()
    rows = list(csv.DictReader(saved(page, "Numbers (CSV)", tmp_path).open()))
    assert all(float(row["gradient_variance"]) > 0 for row in rows)


PICTURE = """() => {
  const whole = window.Plotly.downloadImage;
  window.Plotly.downloadImage = async (figure, options) => {
    window.Plotly.downloadImage = whole;
    const asSvg = {...options, format: 'svg', imageDataOnly: true};
    const svg = await window.Plotly.toImage(figure, asSvg);
    const drawn = new DOMParser().parseFromString(svg, 'image/svg+xml');
    window.taken = {
      size: [options.width, options.height],
      words: [...drawn.querySelectorAll('text')].map((text) => text.textContent),
      web: [...document.fonts].map(({family}) => family.replaceAll('"', ''))
        .filter((family) => svg.includes(family)),
    };
  };
}"""


@pytest.mark.parametrize("width", [1280, 390])
def test_a_picture_has_its_caption_and_its_whole_legend(open_page: OpenPage, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 900})
    page.goto(SMALL)
    drawn(page)
    page.evaluate(PICTURE)
    page.get_by_role("button", name="Save the figure moments as PNG").click()
    page.wait_for_function("window.taken")
    taken = page.evaluate("window.taken")
    assert taken["size"][0] == 1200  # whatever the screen
    assert taken["web"] == []  # an image has no web fonts: words measured in one were cut off
    assert (
        "SELU, LeCun normal (untruncated), depth 16, width 64, 4 seeds, batch 64"
        in (taken["words"])
    )
    for key in ("predicted for wide random networks", "each seed", "±2 sd at this width (theory)"):
        assert key in taken["words"]


def test_a_forged_pin_is_said_and_the_page_works(page: Page) -> None:
    opened(page, SMALL + "&pin.a=depth%3Dx&pin.z=1&pin.b=" + "a%3D1%26" * 200)
    sentences = page.get_by_test_id("stAlert").first.inner_text()
    assert "pin.a: depth must be a whole number" in sentences and "pin.z" in sentences


def test_everything_can_be_done_by_keyboard_alone(page: Page) -> None:
    opened(page)
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Pin":
            break
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("pin.a="), timeout=LONG)
