"""The page Train as a person meets it, in a real Chromium."""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from safetensors.numpy import load_file

from tests.browser.charts import FIRST_PLOT, settled
from tests.browser.server import serve

OpenPage = Callable[..., Page]
SMALL = "arms=2&data=moons&depth=3&width=16&seeds=2&b.activation=relu&b.initializer=he_normal"
ENDLESS = SMALL + "&steps=100000"
LONG = 60_000  # ms


def figure(page: Page, key: str = "curves") -> Locator:
    return page.locator(f".st-key-{key} .plotly-view[role=img]")


def opened(page: Page, query: str = SMALL) -> None:
    page.goto(f"/?page=train&{query}")
    expect(figure(page)).to_have_attribute("aria-label", re.compile("step 0"), timeout=FIRST_PLOT)
    expect(figure(page).locator(".js-plotly-plot .xtick").first).to_be_attached(timeout=LONG)
    settled(page)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=re.compile(rf"^{re.escape(name)}\b")).first.click()


def step(page: Page) -> int:
    """Returns the newest step that the curves know."""
    said = figure(page).get_attribute("aria-label") or ""
    found = re.search(r"up to step (\d+)", said)
    return int(found[1]) if found else 0


def reach(page: Page, least: int) -> int:
    """Waits until the curves have come to a step; returns where they are."""
    end = time.monotonic() + LONG / 1000
    while step(page) < least:
        assert time.monotonic() < end, f"stands at step {step(page)}"
        page.wait_for_timeout(50)
    return step(page)


def progress(page: Page) -> Locator:
    return page.locator(".st-key-transport .said")


def rests(page: Page, said: str = "paused") -> None:
    """Waits until the progress says so and the curves have come to its step."""
    expect(progress(page)).to_contain_text(said, timeout=LONG)
    settled(page)
    # a record may still be under way, and the curves are drawn in turn with the other figures
    end = time.monotonic() + LONG / 1000
    while f"Step {step(page):,} of" not in progress(page).inner_text():
        assert time.monotonic() < end, progress(page).inner_text()
        page.wait_for_timeout(100)


def accuracy(page: Page) -> list[float]:
    said = figure(page).get_attribute("aria-label") or ""
    return [float(value) for value in re.findall(r"accuracy (\d+(?:\.\d+)?)", said)]


def test_play_moves_the_curves_and_the_accuracy_rises(page: Page) -> None:
    opened(page, ENDLESS)
    before = accuracy(page)
    node = figure(page).locator(".js-plotly-plot")
    node.evaluate("node => node.mark = 'the same node'")
    press(page, "Play")
    reach(page, 200)
    press(page, "Pause")
    rests(page)
    page.wait_for_timeout(4000)  # the record that was under way, and a look at rest after it
    at = step(page)
    assert at >= 200 and len(accuracy(page)) == 2
    assert min(accuracy(page)) > max(0.9, *before)
    assert node.evaluate("node => node.mark") == "the same node"
    drawn = node.evaluate(
        "node => Math.max(...node._fullData.flatMap(t => Array.from(t.x || [])))"
    )
    assert drawn == at  # the browser holds what the server said, delta after delta
    page.wait_for_timeout(4000)
    assert step(page) == at
    expect(page.get_by_role("cell", name=re.compile("learn")).first).to_be_visible()


def test_no_click_is_lost_while_it_learns(page: Page) -> None:
    """Clicks that meet a run of the page."""
    opened(page, ENDLESS)
    tabs = ("Histograms", "Orbits")
    for index in range(6):
        press(page, "Play")
        page.wait_for_timeout(70 * index)
        name = tabs[index % 2]
        page.get_by_role("tab", name=name).click()
        page.wait_for_timeout(400 - 70 * index)
        press(page, ("Pause", "Stop")[index // 2 % 2])
        said = ("paused", "stopped")[index // 2 % 2]
        expect(progress(page)).to_contain_text(said, timeout=LONG)
        expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")


GONE = """() => {
  window.gone = [];
  for (const key of ["curves", "heat"]) {
    const there = () => document.querySelector(`.st-key-${key} .js-plotly-plot`);
    const node = there();
    new MutationObserver(() => there() === node || window.gone.push(key))
      .observe(document.body, { subtree: true, childList: true });
  }
}"""


def test_no_chart_goes_while_the_page_runs(page: Page) -> None:
    opened(page, ENDLESS)
    expect(figure(page, "heat").locator(".js-plotly-plot")).to_be_attached(timeout=LONG)
    page.evaluate(GONE)
    for _ in range(12):
        press(page, "+1")
        page.wait_for_timeout(400)
    assert page.evaluate("gone") == []
    press(page, "Play")
    reach(page, 200)
    page.wait_for_timeout(6000)
    assert page.evaluate("gone") == []


def test_keys_play_pause_and_step(page: Page) -> None:
    opened(page, ENDLESS)
    page.get_by_role("heading", name="Train", exact=True).click()
    page.keyboard.press("1")
    reach(page, 1)
    rests(page)
    assert step(page) == 1
    page.keyboard.press("2")
    reach(page, 11)
    rests(page)
    assert step(page) == 11
    page.keyboard.press("p")
    reach(page, 30)
    page.keyboard.press("p")
    rests(page)
    page.keyboard.press("b")
    expect(figure(page)).to_have_attribute("aria-label", re.compile("step 0"), timeout=LONG)
    page.keyboard.press("x")
    rests(page, "stopped")


def test_a_zoom_survives_while_it_learns(page: Page) -> None:
    opened(page, ENDLESS)
    press(page, "+100")
    reach(page, 100)
    rests(page)
    node = figure(page).locator(".js-plotly-plot")
    box = node.locator(".nsewdrag").first.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.2 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], middle, steps=5)
    page.mouse.up()
    page.wait_for_function(
        "node => node._fullLayout.xaxis.range[0] > 5", arg=node.element_handle()
    )
    zoomed = node.evaluate("node => node._fullLayout.xaxis.range")
    press(page, "Play")
    reach(page, 160)
    assert node.evaluate("node => node._fullLayout.xaxis.range") == zoomed
    press(page, "Stop")
    rests(page, "stopped")


def test_the_rate_changes_while_it_learns(page: Page) -> None:
    opened(page, ENDLESS)
    press(page, "Play")
    at = reach(page, 20)
    field = page.get_by_role("spinbutton", name="Learning rate")
    field.fill("0.123")
    field.press("Enter")
    expect(page).to_have_url(re.compile(r"learning_rate=0\.123"))
    assert reach(page, at + 30) > at
    expect(page.get_by_test_id("stAlert")).to_have_count(0)
    press(page, "Stop")
    rests(page, "stopped")


def test_scrub_rewind_and_go_on(page: Page) -> None:
    opened(page, ENDLESS)
    press(page, "+100")
    reach(page, 100)
    rests(page)
    slider = page.get_by_role("slider", name=re.compile("^Step shown"))
    slider.focus()
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("PageUp")  # by tenths
    page.wait_for_timeout(1000)  # the slider tells what it was left at
    settled(page)
    back = page.get_by_role("button", name=re.compile(r"^Go on from step \d+"))
    expect(back).to_be_visible(timeout=LONG)
    to = int(re.search(r"\d+", back.inner_text())[0])
    assert 0 < to < 100
    back.click()
    expect(back).to_have_count(0, timeout=LONG)
    settled(page)
    assert step(page) == to // 10 * 10
    press(page, "Play")
    reach(page, 120)
    press(page, "Stop")
    rests(page, "stopped")


def test_it_goes_on_while_the_person_is_elsewhere(page: Page) -> None:
    opened(page, ENDLESS)
    press(page, "Play")
    at = reach(page, 20)
    navigation = page.get_by_test_id("stTopNavLink")
    navigation.get_by_text("Propagate").click()
    expect(figure(page, "moments")).to_have_attribute(
        "aria-label", re.compile("Mean and variance"), timeout=LONG
    )
    expect(page.get_by_text(re.compile("Your training goes on"))).to_be_visible(timeout=LONG)
    page.wait_for_timeout(1000)
    navigation.get_by_text("Train", exact=True).click()
    assert reach(page, at + 20) > at
    expect(page).to_have_url(re.compile("b.activation=relu"))
    expect(page.get_by_role("button", name=re.compile("^Pause"))).to_be_visible()
    press(page, "Stop")
    rests(page, "stopped")


def test_what_is_unfolded_stays_so_for_another_arm_and_after_another_page(page: Page) -> None:
    opened(page)
    more = page.locator(".st-key-train-view-more_arm-shown")
    summary, inside = more.locator("summary"), more.get_by_role("combobox").first
    expect(summary).to_be_visible()
    expect(inside).to_have_count(0)
    summary.press("Enter")
    expect(inside).to_be_visible(timeout=LONG)
    expect(summary).to_be_focused()
    expect(page).to_have_url(re.compile(r"view\.more_arm=open"))
    page.locator(".st-key-train-view-arm").get_by_text("B", exact=True).click()
    expect(page).to_have_url(re.compile(r"view\.arm=b"), timeout=LONG)
    settled(page)
    expect(inside).to_be_visible()
    navigation = page.get_by_test_id("stTopNavLink")
    navigation.get_by_text("Propagate").click()
    expect(figure(page, "moments")).to_be_visible(timeout=LONG)
    settled(page)
    expect(page.locator(".st-key-propagate-view-more-shown summary")).to_be_visible()
    navigation.get_by_text("Train", exact=True).click()
    expect(inside).to_be_visible(timeout=LONG)
    summary.click()
    expect(inside).to_have_count(0, timeout=LONG)
    expect(page).not_to_have_url(re.compile("more_arm"), timeout=LONG)


def test_a_reload_finds_the_running_training(page: Page) -> None:
    opened(page, ENDLESS)
    press(page, "Play")
    at = reach(page, 20)
    page.reload()
    assert reach(page, at + 10) > at
    expect(page.get_by_role("button", name=re.compile("^Pause"))).to_be_visible(timeout=LONG)
    expect(page).to_have_url(re.compile("job="))
    press(page, "Stop")
    rests(page, "stopped")
    expect(page).not_to_have_url(re.compile("job="))


def test_an_address_lets_others_watch_and_the_owner_steers_also_after_a_reload(
    open_page: OpenPage,
) -> None:
    owner = open_page()
    opened(owner, ENDLESS)
    press(owner, "Play")
    reach(owner, 20)
    expect(owner).to_have_url(re.compile("job="))
    watcher = open_page()
    watcher.goto(owner.url)
    expect(figure(watcher)).to_be_attached(timeout=LONG)
    expect(watcher.get_by_text("only they can steer it")).to_be_visible(timeout=LONG)
    seen = reach(watcher, 20)
    assert reach(watcher, seen + 20) > seen  # it watches
    watcher.get_by_role("heading", name="Train", exact=True).click()
    for key in "pbnx123":
        watcher.keyboard.press(key)
    settled(watcher)
    for name in ("Play", "Pause", "Back to step 0", "New weights", "Stop", "+1"):
        expect(watcher.get_by_role("button", name=name, exact=True)).to_have_count(0)
    at = step(owner)
    assert reach(owner, at + 20) > at
    owner.reload()
    expect(owner.get_by_role("button", name=re.compile("^Pause"))).to_be_visible(timeout=LONG)
    expect(owner.get_by_text("only they can steer it")).to_have_count(0)
    press(watcher, "Train it yourself")
    expect(watcher.get_by_text("only they can steer it")).to_have_count(0, timeout=LONG)
    expect(watcher.get_by_role("button", name=re.compile("^Pause"))).to_be_visible(timeout=LONG)
    expect(progress(watcher)).to_contain_text("Step", timeout=LONG)
    at = step(owner)
    assert reach(owner, at + 20) > at
    for page in (owner, watcher):
        press(page, "Stop")
        rests(page, "stopped")


def test_a_dropped_connection_is_taken_up_again(page: Page) -> None:
    page.add_init_script(
        "const W = WebSocket; window.sockets = [];"
        "window.WebSocket = class extends W { constructor(...a) { super(...a);"
        " sockets.push(this); } };"
    )
    opened(page, ENDLESS)
    press(page, "Play")
    at = reach(page, 20)
    page.evaluate("sockets.forEach(socket => socket.close())")
    assert reach(page, at + 50) > at
    press(page, "Stop")
    rests(page, "stopped")


def test_a_closed_tab_pauses_its_training_at_once(open_page: OpenPage) -> None:
    """Another tab with the same address looks whether it moved; the lease itself has its tests."""
    first = open_page()
    opened(first, f"{ENDLESS}&view.speed=1")  # one record, ten steps, a second
    press(first, "Play")
    reach(first, 20)
    expect(first).to_have_url(re.compile("job="))
    address, at = first.url, step(first)
    second = first.context.new_page()  # a tab of the same browser, whose owner it is
    first.close()
    closed = time.monotonic()
    time.sleep(10)
    second.goto(address)
    expect(figure(second)).to_be_attached(timeout=LONG)
    seen = reach(second, at)
    would_be = at + 10 * (time.monotonic() - closed)
    assert seen < would_be - 60
    assert reach(second, seen + 20) > seen  # and here it goes on
    press(second, "Stop")
    rests(second, "stopped")


def test_tabs_draw_while_it_learns(page: Page) -> None:
    opened(page, ENDLESS)
    press(page, "Play")
    for name in ("Boundary", "Histograms", "Omega and tau", "Gradients"):
        page.get_by_role("tab", name=name).click()
        panel = page.get_by_role("tabpanel", name=name)
        expect(panel.locator(".js-plotly-plot .xtick").first).to_be_attached(timeout=LONG)
        reach(page, step(page) + 30)
        expect(panel.locator(".plotly-view[role=img]").first).to_have_attribute(
            "aria-label", re.compile(r"\d|Decision boundary of A")
        )
    press(page, "Stop")
    rests(page, "stopped")
    assert page.get_by_test_id("stAlert").count() == 0


def test_what_is_downloaded_can_be_opened(page: Page, tmp_path: Path) -> None:
    opened(page)
    press(page, "+10")
    reach(page, 10)
    rests(page)
    page.get_by_role("button", name="Download", exact=True).click()
    found = {}
    for label in ("Curves", "Layers", "Everything", "Weights of A"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=re.compile(f"^{label}")).click()
        file = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(file)
        found[label] = file
    rows = list(csv.DictReader(found["Curves"].open()))
    assert {row["arm"] for row in rows} and {row["step"] for row in rows} == {"0", "10"}
    assert len(list(csv.DictReader(found["Layers"].open()))) == 2 * 2 * 2 * 4
    assert json.loads(found["Everything"].read_text())
    weights = load_file(found["Weights of A"])
    assert weights["seed0.layer1.weight"].shape == (16, 2)


def test_at_a_laptops_width_the_table_fits_and_a_change_is_told_where_it_is_made(
    open_page: OpenPage,
) -> None:
    page = open_page(viewport={"width": 1366, "height": 768})
    opened(page, ENDLESS + "&arms=4&c.normalization=batch&d.constraint=centralize_unit")
    press(page, "+10")
    reach(page, 10)
    rests(page)
    region = page.get_by_role("region", name="Table of the arms")
    assert region.evaluate("node => node.scrollWidth - node.clientWidth") <= 0
    tops = page.locator(".st-key-transport button").evaluate_all(
        "nodes => nodes.map(n => n.getBoundingClientRect())"
        ".filter(box => box.height > 30).map(box => box.bottom)"
    )
    assert max(tops) - min(tops) < 12  # one row
    field = page.get_by_role("spinbutton", name="Training batch")
    field.fill("32")
    field.press("Enter")
    said = page.get_by_text("They need new networks")
    expect(said).to_be_in_viewport(timeout=LONG)
    expect(field).to_be_in_viewport()


def test_a_hostile_link_leaves_the_page_working(page: Page) -> None:
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    opened(
        page,
        "arms=9&data=gaussian&b.depth=-1&c.x=1&depth=3&width=16&seeds=2&job=../../x"
        "&activation=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&view.tab=%3Cb%3E",
    )
    assert page.locator("img[src=x]").count() == 0
    press(page, "+10")
    reach(page, 10)


def test_without_the_channel_the_page_trains_by_reruns(page: Page) -> None:
    page.route_web_socket(re.compile("/live$"), lambda socket: socket.close())
    opened(page, ENDLESS)
    said = page.locator(".st-key-curves").get_by_text("The live channel can't be opened")
    expect(said).to_be_visible(timeout=LONG)
    press(page, "Play")
    at = reach(page, 20)
    assert reach(page, at + 50) > at
    page.get_by_role("heading", name="Train", exact=True).click()
    page.keyboard.press("p")
    rests(page)
    at = step(page)
    press(page, "+10")
    reach(page, at + 10)


def test_a_server_that_was_killed_comes_back_with_the_setting_and_says_what_is_lost(
    browser: Browser, tmp_path: Path
) -> None:
    page = browser.new_page()
    with serve(tmp_path / "first.log") as address:
        page.goto(f"{address}/?page=train&{ENDLESS}&width=24")
        expect(figure(page)).to_have_attribute("aria-label", re.compile("step 0"), timeout=LONG)
        press(page, "Play")
        reach(page, 20)
        expect(page).to_have_url(re.compile("job="))
    with serve(tmp_path / "second.log", port=int(address.rpartition(":")[2])):
        lost = page.get_by_text("This training is no longer on the server")
        expect(lost).to_be_visible(timeout=FIRST_PLOT)
        expect(page).to_have_url(re.compile("width=24.*b.activation=relu"))
        expect(figure(page)).to_have_attribute("aria-label", re.compile("step 0"), timeout=LONG)
        press(page, "Train it again")
        reach(page, 20)
        expect(lost).to_have_count(0)
        press(page, "Stop")
        rests(page, "stopped")
    page.close()


def test_a_first_record_that_takes_long_is_drawn_when_it_is_there(page: Page) -> None:
    page.goto("/?page=train&arms=2&data=moons&depth=64&width=256&seeds=8&b.activation=relu")
    expect(progress(page)).to_contain_text("Step 0", timeout=FIRST_PLOT)
    expect(figure(page).locator(".js-plotly-plot .xtick").first).to_be_attached(timeout=LONG)
    rests(page)
