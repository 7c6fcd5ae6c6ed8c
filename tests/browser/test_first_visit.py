"""The first visitor of a server that has just started, in a real Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.charts import FIRST_PLOT
from tests.browser.server import serve


@pytest.mark.parametrize(("path", "title"), [("/map", "Moment map"), ("/train?depth=3", "Train")])
def test_the_first_visitor_may_come_by_a_pages_address(
    browser: Browser, tmp_path: Path, path: str, title: str
) -> None:
    """Streamlit does not know the app's pages before app.py has run once in its process."""
    with serve(tmp_path / "server.log") as address:
        page = browser.new_page()
        page.goto(address + path)
        figures = page.locator(".st-key-hero .js-plotly-plot")
        expect(figures.first).to_be_attached(timeout=FIRST_PLOT)
        expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.close()
