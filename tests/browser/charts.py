"""What a test may know of a chart in the page: its text alternative and the numbers it draws."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

__all__ = ["alternative", "drawn", "hero", "numbers", "out_of_sight", "plotly", "settled", "watch"]

FIRST_PLOT = 90_000  # ms: the server may still have to import torch


def hero(page: Page) -> Locator:
    """Returns the figure at the top."""
    return page.locator(".st-key-hero .plotly-view[role=img]")


def plotly(page: Page) -> Locator:
    """Returns the Plotly node of the figure at the top."""
    return hero(page).locator(".js-plotly-plot")


def drawn(page: Page, said: str | re.Pattern[str] = "Mean and variance per layer") -> str:
    """Waits until the figure at the top says so and is drawn; returns its text alternative."""
    pattern = re.compile(re.escape(said)) if isinstance(said, str) else said
    expect(hero(page)).to_have_attribute("aria-label", pattern, timeout=FIRST_PLOT)
    expect(plotly(page).locator("path.js-line").first).to_be_attached(timeout=FIRST_PLOT)
    settled(page)
    return alternative(page)


def settled(page: Page) -> None:
    """Waits until no script run is in progress. The socket never idles, so no networkidle."""
    app = page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')
    expect(app).to_be_attached(timeout=FIRST_PLOT)


def alternative(page: Page) -> str:
    """Returns the text alternative of the figure at the top."""
    return hero(page).get_attribute("aria-label") or ""


def numbers(page: Page) -> list[list[Any]]:
    """Returns the y values of every trace of the figure at the top, as the browser holds them."""
    return plotly(page).evaluate(
        "node => node._fullData.map(trace => Array.from(trace.y || [], Number))"
        ".map(ys => ys.map(y => Number.isFinite(y) ? y : null))"
    )


def watch(page: Page, place: str) -> None:
    """Looks at every frame from now on whether the chart in that place has its room."""
    page.evaluate(
        """(chart) => {
          window.outOfSight = 0;
          const look = () => {
            for (const node of document.querySelectorAll(chart))
              if (!node.offsetHeight) window.outOfSight += 1;
            requestAnimationFrame(look);
          };
          look();
        }""",
        f"{place} .js-plotly-plot",
    )


def out_of_sight(page: Page) -> int:
    """Returns the frames in which it was not to be seen."""
    return page.evaluate("window.outOfSight")
