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


# Calls the component's script as Streamlit does: a chart of three points that a feed brings to
# five, told its first figure again, then fed from a place that it has not come to.
FED = """async () => {
  const script = performance.getEntriesByType('resource').find((e) => /view[.]js/.test(e.name));
  const { default: show } = await import(script.name);
  const parentElement = document.createElement('div');
  parentElement.innerHTML = "<div class='plotly-view'></div><button class='picture'></button>";
  parentElement.style.width = '400px';
  document.body.append(parentElement);
  const asked = [];
  const tell = (data) => show({
    data, parentElement, setTriggerValue: (name, value) => asked.push([name, value]),
  });
  const feed = (look, start, values) => show({
    data: { feed: { fed: { token: 'a', look, patch: {
      append: [[0, 'x', start, values], [0, 'y', start, values]], set: [], layout: {},
    } } } },
    parentElement: document.createElement('div'),
  });
  const first = () => ({ name: 'fed', alt: '', token: 'a', figure: {
    data: [{ type: 'scatter', x: [0, 1, 2], y: [0, 1, 2] }], layout: {},
  } });
  const drawn = async () => {
    await new Promise((done) => setTimeout(done, 600));
    return parentElement.querySelector('.js-plotly-plot')._fullData[0].x.length;
  };
  const lengths = [];
  const leave = tell(first());
  lengths.push(await drawn());
  feed(1, 3, [3]);
  feed(2, 3, [3, 4]);
  lengths.push(await drawn());
  tell(first());
  feed(1, 3, [3]);
  lengths.push(await drawn());
  feed(9, 7, [7]);
  feed(10, 8, [8]);
  lengths.push(await drawn());
  leave();
  feed(11, 5, [5]);  // nobody is there to take it
  parentElement.remove();
  return [lengths, asked];
}"""


def test_a_feed_brings_a_chart_further_and_nothing_takes_it_back(page: Page) -> None:
    page.goto("/")
    expect(page.locator(".js-plotly-plot .xtick").first).to_be_attached(timeout=FIRST_PLOT)
    lengths, asked = page.evaluate(FED)
    assert lengths == [3, 5, 5, 5]
    assert asked == [["lost", "a"]]  # once
