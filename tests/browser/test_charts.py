"""The chart component, against the chart library that it draws with."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.charts import FIRST_PLOT, settled

# Of every trace of every chart: what is remembered of Plotly's schema, and what it says itself.
BOTH = """() => {
  const asked = window.Plotly.PlotSchema.findArrayAttributes;
  const traces = [...document.querySelectorAll('.js-plotly-plot')].flatMap((n) => n._fullData);
  return traces.map((trace) => [asked(trace), asked.original(trace)]);
}"""


@pytest.mark.parametrize("path", ["/", "/?page=map", "/?page=train"])
def test_what_is_remembered_of_the_schema_is_what_it_says(page: Page, path: str) -> None:
    page.goto(path)
    figures = page.locator(".js-plotly-plot .xtick")
    expect(figures.first).to_be_attached(timeout=FIRST_PLOT)
    settled(page)
    found = page.evaluate(BOTH)
    assert any(said for _, said in found)
    assert all(sorted(remembered) == sorted(said) for remembered, said in found)
