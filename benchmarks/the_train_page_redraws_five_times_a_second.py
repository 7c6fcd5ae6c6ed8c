"""The page Train with one visitor: how often its charts change, and what that costs the server.

Target: 5 updates of every chart a second for 3 arms of 4 seeds, at the page's opening setting,
with the browser, the server and the training on this one machine. A redraw that changes nothing
does not count: what a chart holds has to have changed. Also the time from pressing
Play to the first curve that moves (at most 1 s), and from Stop to a training at rest (0.5 s).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Page, sync_playwright

from pages.train.tabs import TABS
from pages.ui.page_settings import TRAIN
from tests.browser.chromium import FLAGS, install
from tests.browser.server import serve

COUNT = """
() => {
  window.seen = {};
  const last = (values) => values?.length ? values[values.length - 1] : null;
  for (const root of document.querySelectorAll(".plotly-view[role=img]")) {
    const name = root.closest("[class*=st-key-]").className.match(/st-key-(\\S+)/)[1];
    const node = root.querySelector(".js-plotly-plot");
    const ends = () => JSON.stringify(
      node._fullData.map((t) => [t.x?.length, last(t.x), last(t.y), last(t.z)]));
    const held = (window.seen[name] = { newest: ends(), changes: 0, first: null });
    node.on("plotly_afterplot", () => {
      const newest = ends();
      if (newest === held.newest) return;
      held.newest = newest;
      held.changes += 1;
      held.first ||= performance.now();
    });
  }
}
"""

PLAY = "(play) => { const begun = performance.now(); play.click(); return begun; }"

STOP = """
async (stop) => {
  const begun = performance.now();
  const said = stop.getRootNode().querySelector(".said");
  stop.click();
  while (!said.innerText.toLowerCase().includes("stopped")) {
    if (performance.now() - begun > 10000) return NaN;
    await new Promise(requestAnimationFrame);
  }
  return performance.now() - begun;
}
"""


def cpu_seconds(process: int) -> float:
    """Returns the processor time that a process has used, all its threads together."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def server_of(address: str) -> int:
    """Returns the process id of the server at the address, a child of this one."""
    port = address.rpartition(":")[2]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"streamlit" in words and port.encode() in words:
                return int(entry.name)
    raise RuntimeError(f"No server at {address}.")


def measure(page: Page, process: int, seconds: float, looks: dict[str, str]) -> None:
    opening = {"page": "train"} | dict(TRAIN.opening) | {"steps": "5000"}  # so as not to end
    if looks["tab"] == "Boundary":
        opening["data"] = "moons"
    views = {f"view.{name}": value for name, value in looks.items()}
    page.goto(f"/?{urlencode(opening | views)}")
    page.wait_for_selector(".st-key-curves .js-line", state="attached", timeout=90_000)
    page.wait_for_timeout(2000)
    page.evaluate(COUNT)
    start = page.locator(".st-key-transport .play").evaluate(PLAY)
    page.wait_for_timeout(2000)
    first = page.evaluate("Math.min(...Object.values(seen).map((s) => s.first ?? Infinity))")
    before, used = page.evaluate("structuredClone(seen)"), cpu_seconds(process)
    begun = time.perf_counter()
    page.wait_for_timeout(1000 * seconds)
    spent = time.perf_counter() - begun
    after, used = page.evaluate("structuredClone(seen)"), cpu_seconds(process) - used
    print(f"  Play to the first curve that moves: {(first - start) / 1000:.2f} s")
    print(f"  training: {page.locator('.st-key-transport .said').inner_text()}; 10 steps a point")
    for name in after:
        rate = (after[name]["changes"] - before[name]["changes"]) / spent
        print(f"  chart {name}: {rate:.1f} updates a second")
    print(f"  server: {100 * used / spent:.0f} % of one core, training included")
    stopped = page.locator(".st-key-transport [data-act=stop]").evaluate(STOP)
    print(f"  Stop to a training at rest: {stopped / 1000:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=install(), args=list(FLAGS))
        with serve(Path(folder) / "server.log") as address:
            print(f"load of the machine at the start: {os.getloadavg()[0]:.1f}")
            runs = [(900, "Mean and variance", speed) for speed in ("max", "10")]
            runs += [(1900, "Mean and variance", speed) for speed in ("max", "10")]
            runs += [(1900, tab, "max") for tab in TABS if tab != "Mean and variance"]
            for height, tab, speed in runs:
                print(f"window {height} px high, tab {tab}, speed {speed}:")
                page = browser.new_page(
                    base_url=address, viewport={"width": 1280, "height": height}
                )
                measure(page, server_of(address), given.seconds, {"tab": tab, "speed": speed})
                page.close()
        browser.close()


if __name__ == "__main__":
    main()
