"""The page Propagate in a headless Chromium, server and browser on the same cores.

Targets at the default setting: from a key press on the depth slider to the changed plot 150 ms in
the median and 250 ms at the 90th percentile; at least 5 updates a second while a slider is
dragged; the first plot within 6 s of a request to a server that has just started, within 3 s of
one that is warm; at most 600 MB of resident memory after 100 changes, and no more after 1,000.

    python -m benchmarks.the_figure_follows_the_hand [--changes 1000]
"""

from __future__ import annotations

import argparse
import math
import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from benchmarks.the_train_page_redraws_five_times_a_second import server_of
from tests.browser.charts import settled
from tests.browser.chromium import FLAGS, install
from tests.browser.server import serve

PLOT = ".st-key-moments .js-plotly-plot"
LINE = f"{PLOT} path.js-line"
PRESSES = 40
WAIT = 10.0  # seconds, after which a first plot is there
# Counts redraws, and tells when the first one after a moment was.
WATCH = f"""() => {{
  const node = document.querySelector('{PLOT}');
  window.draws = [];
  node.on('plotly_afterplot', () => window.draws.push(performance.now()));
}}"""
PRESS = """async ([plot, key]) => {
  const deep = (root) => [...root.querySelectorAll('*')].flatMap(
    (each) => [each, ...(each.shadowRoot ? deep(each.shadowRoot) : [])]);
  const range = deep(document).find((each) => each.type === 'range');
  range.focus();
  const begun = performance.now();
  range.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  range.value = Number(range.value) + (key === 'ArrowRight' ? 1 : -1);
  range.dispatchEvent(new Event('input', { bubbles: true }));
  range.dispatchEvent(new Event('change', { bubbles: true }));
  const stop = range.getAttribute('aria-valuetext');
  const end = () => document.querySelector(plot)._fullLayout.xaxis.range[1];
  while (Math.abs(end() / stop - 1) > 0.05) {
    if (performance.now() - begun > 10000) return NaN;
    await new Promise(requestAnimationFrame);
  }
  return performance.now() - begun;
}"""


def first_plot(playwright: Playwright, address: str) -> float:
    """Returns the seconds from the request to the first drawn plot, in a browser of its own.

    Nobody looks into that browser meanwhile: while a debugger is attached, Chromium's V8 parses
    every script again for each stack trace, and the chart library takes twice as long to load.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        flags = [*FLAGS, "--headless", "--window-size=1280,800", f"--user-data-dir={folder}"]
        command = [install(), *flags, "--remote-debugging-port=0", address]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(WAIT)
            port = (Path(folder) / "DevToolsActivePort").read_text().split()[0]
            browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
            page = next(p for c in browser.contexts for p in c.pages if p.url.startswith(address))
            drawn = page.evaluate("performance.getEntriesByName('drawn moments')[0]?.startTime")
            browser.close()
        finally:
            process.terminate()
            process.wait()
    return math.nan if drawn is None else drawn / 1000


def first_plot_attached(browser: Browser, address: str) -> float:
    """Returns the same as a debugger sees it, from the request to the first line."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator(LINE).first.wait_for(state="attached", timeout=90_000)
    seconds = time.perf_counter() - begun
    context.close()
    return seconds


def resident(process: int) -> float:
    """Returns a process's resident memory in MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def pressed(page: Page) -> list[float]:
    """Returns the milliseconds from each key press to the changed plot, deeper and back."""
    found = []
    for index in range(PRESSES):
        key = "ArrowRight" if index % 4 < 2 else "ArrowLeft"
        found.append(page.evaluate(PRESS, [PLOT, key]))
        page.wait_for_timeout(600)
        settled(page)  # the whole result is there, the next press finds it at rest
    return found


def dragged(page: Page, name: str, seconds: float = 3.0) -> float:
    """Returns the redraws a second while a slider is dragged to and fro."""
    slider = page.get_by_role("slider", name=name, exact=True)
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.4 * box["width"], middle)
    page.mouse.down()
    page.wait_for_timeout(300)
    page.evaluate("window.draws = []")
    begun = time.perf_counter()
    while (spent := time.perf_counter() - begun) < seconds:
        page.mouse.move(box["x"] + (0.3 + 0.3 * abs((spent % 2) - 1)) * box["width"], middle)
        page.wait_for_timeout(16)
    count = page.evaluate("window.draws.length")
    page.mouse.up()
    page.wait_for_timeout(1500)
    return count / spent


def changed(page: Page, start: int, end: int) -> None:
    """Makes changes of the weights' factor, each to a new value, none the default."""
    field = page.get_by_role("spinbutton", name="Weight variance factor, exactly")
    for index in range(start, end):
        value = f"{1.1 + 0.0002 * (index + 1):.4f}"
        settled(page)  # a field that is drawn anew while it is filled takes both texts
        field.fill(value)
        field.press("Enter")
        page.wait_for_url(re.compile(f"weight_factor={value.rstrip('0')}"), timeout=30_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--changes", type=int, default=100)
    changes = parser.parse_args().changes
    log = Path(tempfile.mkdtemp()) / "server.log"
    with sync_playwright() as playwright, serve(log) as address:
        browser = playwright.chromium.launch(executable_path=install(), args=list(FLAGS))
        print(
            f"first plot, server just started: {first_plot(playwright, address):.1f} s (target 6)"
        )
        for how, plots in (
            ("", [first_plot(playwright, address) for _ in range(5)]),
            (
                " and a debugger attached",
                [first_plot_attached(browser, address) for _ in range(5)],
            ),
        ):
            print(f"first plot, server warm{how}: median {statistics.median(plots):.1f} s, "
                  f"longest {max(plots):.1f} s (target 3)")  # fmt: skip
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.locator(LINE).first.wait_for(state="attached", timeout=90_000)
        page.wait_for_timeout(3000)
        page.evaluate(WATCH)
        each = pressed(page)
        deeper, back = each[0::4] + each[1::4], each[2::4] + each[3::4]
        for name, some in (("to a new depth", each[:2]), ("deeper", deeper), ("back", back)):
            print(f"  {name}: median {statistics.median(some):.0f} ms, longest {max(some):.0f} ms")
        times = sorted(each)
        ninth = times[int(0.9 * len(times))]
        print(f"key press on depth to changed plot: median {statistics.median(times):.0f} ms "
              f"(target 150), 90th percentile {ninth:.0f} ms (target 250)")  # fmt: skip
        for name in ("Depth", "Width", "Weight variance factor", "α"):
            print(f"dragging {name}: {dragged(page, name):.1f} updates a second (target 5)")
        server = server_of(address)
        page.goto(address)  # the drags have left another setting
        page.locator(LINE).first.wait_for(state="attached", timeout=90_000)
        for start in range(0, changes, 100):
            end = min(start + 100, changes)
            changed(page, start, end)
            print(f"server's resident memory after {end} changes of the default setting: "
                  f"{resident(server):.0f} MB (target 600)", flush=True)  # fmt: skip
        browser.close()


if __name__ == "__main__":
    main()
