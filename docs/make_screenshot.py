"""Takes README.md's picture of the running app: ``python -m docs.make_screenshot``."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.charts import drawn
from tests.browser.chromium import FLAGS, install
from tests.browser.server import serve

PICTURE = Path(__file__).with_name("screenshot.png")


def main() -> None:
    """Starts the app, opens the first page as a newcomer sees it, and saves what is there."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=install(), args=list(FLAGS))
        with serve(Path(folder) / "server.log") as address:
            page = browser.new_page(
                viewport={"width": 1280, "height": 900}, device_scale_factor=1.5
            )
            page.goto(address)
            print(drawn(page))
            page.wait_for_timeout(1000)  # fonts, and the figure below the first one
            page.screenshot(path=PICTURE)
        browser.close()
    print(PICTURE)


if __name__ == "__main__":
    main()
