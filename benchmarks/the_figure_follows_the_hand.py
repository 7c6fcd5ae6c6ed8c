"""The page Propagate in a headless Chromium, server and browser on the same cores.

Targets at the default setting, every one never computed before: from a key press on a slider to
the first line changed, the theory, 120 ms in the median and 200 ms at the 90th percentile, 400 ms
at depth 256 and 512; to all seeds, words and the open tab 500 ms; 10 redraws a second while a
slider is dragged; the first plot, a driver attached, within 2.4 s of a request to a warm server
and 4 s to one that has just started; at most 600 MB of resident memory after 100 changes, and no
more after 1,000. Beside them: an empty Streamlit page, and the bare products of one seed.

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
from benchmarks.twenty_visitors_share_a_small_server import bare
from tests.browser.charts import settled
from tests.browser.chromium import FLAGS, install
from tests.browser.server import serve

PLOT = ".st-key-moments .js-plotly-plot"
LINE = f"{PLOT} path.js-line"
WAIT = 10.0  # seconds, after which a first plot is there
PRESSES = 10  # of each slider
WORDS = ".st-key-verdict"
# Notes every redraw of the figure at the top: when, and what its lines of theory are.
WATCH = f"""() => {{
  const node = document.querySelector('{PLOT}');
  const groups = ['predicted', 'spread'];
  const theory = () => JSON.stringify(node.data.filter((t) => groups.includes(t.legendgroup))
    .map((t) => Array.from(t.y || [], (y) => y)));
  window.draws = [];
  window.theory = theory();
  node.on('plotly_afterplot', () => {{
    const now = theory();
    window.draws.push([performance.now(), now !== window.theory]);
    window.theory = now;
  }});
  const read = () => [
    node.closest('[role=img]').getAttribute('aria-label'),
    document.querySelector('{WORDS}')?.textContent,
    document.querySelector('.st-key-distribution [role=img]')?.getAttribute('aria-label'),
  ];
  window.read = read;
  window.until = (before) => new Promise((done) => {{
    const begun = performance.now();
    const look = () => {{
      const now = read();
      if (now.every((text, at) => text && text !== before[at])) done(performance.now());
      else if (performance.now() - begun > 15000) done(NaN);
      else requestAnimationFrame(look);
    }};
    look();
  }});
}}"""


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


def pressed(page: Page, name: str, presses: int = PRESSES) -> tuple[list[float], list[float]]:
    """Returns, of real key presses on a slider, the milliseconds to the first line changed, and to
    all seeds, words and the open tab."""
    first, whole = [], []
    slider = page.get_by_role("slider", name=name, exact=True)
    slider.focus()
    for _ in range(presses):
        page.evaluate("window.draws = []; window.before = window.read()")
        begun = page.evaluate("performance.now()")
        page.keyboard.press("ArrowRight")
        end = page.evaluate("window.until(window.before)")
        draws = [at for at, changed in page.evaluate("window.draws") if changed]
        first.append(draws[0] - begun if draws else math.nan)
        whole.append(end - begun)
        settled(page)
        page.wait_for_timeout(300)
    return first, whole


def told(name: str, found: list[float], targets: str) -> None:
    times = sorted(t for t in found if not math.isnan(t)) or [math.nan]
    print(f"{name}: median {statistics.median(times):.0f} ms, 90th percentile "
          f"{times[int(0.9 * len(times))]:.0f} ms ({targets}), {len(times)} of {len(found)}",
          flush=True)  # fmt: skip


def empty_page(playwright: Playwright) -> float:
    """Returns the seconds to the text of a Streamlit page that has nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "empty.py"
        script.write_text("import streamlit\nstreamlit.write('here')\n")
        with serve(Path(folder) / "server.log", script) as address:
            browser = playwright.chromium.launch(executable_path=install(), args=list(FLAGS))
            found = []
            for _ in range(3):
                page = browser.new_page()
                begun = time.perf_counter()
                page.goto(address, wait_until="commit")
                page.get_by_text("here").wait_for()
                found.append(time.perf_counter() - begun)
                page.close()
            browser.close()
    return statistics.median(found)


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
    print(f"load of the machine at the start: {os.getloadavg()[0]:.1f}")
    print(f"bare products of one seed on one core: {bare():.1f} ms")
    with sync_playwright() as playwright:
        print(f"an empty Streamlit page: {empty_page(playwright):.1f} s")
        with serve(log) as address:
            _measure(playwright, address, changes)


def _measure(playwright: Playwright, address: str, changes: int) -> None:
    browser = playwright.chromium.launch(executable_path=install(), args=list(FLAGS))
    cold = first_plot_attached(browser, address)
    print(f"first plot, server just started, a driver attached: {cold:.1f} s (target 4)")
    warm = [first_plot_attached(browser, address) for _ in range(5)]
    print(f"first plot, server warm, a driver attached: median {statistics.median(warm):.1f} s, "
          f"longest {max(warm):.1f} s (target 2.4)", flush=True)  # fmt: skip
    alone = [first_plot(playwright, address) for _ in range(3)]
    print(f"first plot, server warm, nobody looking: median {statistics.median(alone):.1f} s")
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    every: list[float] = []
    ends: list[float] = []
    for name in ("Weight variance factor", "α", "Width", "Depth"):
        opened(page, f"{address}/?seed={len(every) + 1}")
        first, whole = pressed(page, name, 4 if name in ("Width", "Depth") else PRESSES)
        told(f"key press on {name}, first line changed", first, "targets 120 / 200")
        told("  all seeds, words and tab", whole, "target 500")
        every, ends = every + first, ends + whole
    told("all of them, first line changed", every, "targets 120 / 200")
    told("  all seeds, words and tab", ends, "target 500")
    for depth in (256, 384):
        opened(page, f"{address}/?depth={depth}")
        first, _ = pressed(page, "Weight variance factor", 3)
        told(f"key press at depth {depth}, first line changed", first, "target 400")
    opened(page, address)
    for name in ("Depth", "Width", "Weight variance factor", "α"):
        print(f"dragging {name}: {dragged(page, name):.1f} updates a second (target 10)")
    server = server_of(address)
    opened(page, address)  # the drags have left another setting
    for start in range(0, changes, 100):
        end = min(start + 100, changes)
        changed(page, start, end)
        print(f"server's resident memory after {end} changes of the default setting: "
              f"{resident(server):.0f} MB (target 600)", flush=True)  # fmt: skip
    browser.close()


def opened(page: Page, address: str) -> None:
    """Opens the page and waits until it is at rest, watched."""
    page.goto(address)
    page.locator(LINE).first.wait_for(state="attached", timeout=90_000)
    page.locator(".st-key-distribution path.js-line").first.wait_for(state="attached")
    settled(page)
    page.wait_for_timeout(1500)
    page.evaluate(WATCH)


if __name__ == "__main__":
    main()
