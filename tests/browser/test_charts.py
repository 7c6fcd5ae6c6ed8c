"""The chart component, against the chart library that it draws with."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.charts import FIRST_PLOT

OpenPage = Callable[..., Page]
SMALL = "/?width=16&depth=4&batch=16&seeds=2"  # any page with a chart will do

# The component's script, and a place of 400 px for a chart of it.
PLACE = """
  const script = performance.getEntriesByType('resource').find((e) => /view[.]js/.test(e.name));
  const { default: show } = await import(script.name);
  const parentElement = document.createElement('div');
  parentElement.innerHTML = "<div class='plotly-view'></div><button class='picture'></button>";
  parentElement.style.width = '400px';
  document.body.append(parentElement);
"""

# A channel that a test speaks for: what it is asked, and what it is made to answer.
SPOKEN_FOR = """
  const Socket = window.WebSocket;
  window.asked = [];
  window.WebSocket = class extends EventTarget {
    static OPEN = 1;
    constructor(url, protocols) {
      super();
      if (!/live$/.test(url)) return new Socket(url, protocols);
      window.answer = (message) => {
        const head = new TextEncoder().encode(JSON.stringify(message));
        const padded = Math.ceil(head.length / 4) * 4;
        const buffer = new Uint8Array(4 + padded).fill(32);
        new DataView(buffer.buffer).setUint32(0, padded, true);
        buffer.set(head, 4);
        this.onmessage({ data: buffer.buffer });
      };
      this.readyState = 1;
      setTimeout(() => this.onopen(), 0);
    }
    send(text) { window.asked.push(JSON.parse(text)); }
  };
"""
# A chart that follows a training: three points that the channel brings to five, the page's older
# figure, a part that came already, and parts after a gap.
FED = (
    """async () => {"""
    + PLACE
    + """
  const question = { ask: 'train', query: { job: 'j' }, view: {}, follow: true };
  const tell = (data) => show({ data, parentElement, setTriggerValue: () => {} });
  const three = () => ({ data: [{ type: 'scatter', x: [0, 1, 2], y: [0, 1, 2] }], layout: {} });
  const drawn = async () => {
    await new Promise((done) => setTimeout(done, 600));
    return parentElement.querySelector('.js-plotly-plot')._fullData[0].x.length;
  };
  const asked = () => window.asked.filter((each) => each.ask === 'train' && each.query.job);
  const part = (look, start, values) => window.answer({
    n: asked().at(-1).n, chart: 'fed', stage: 'grow', token: 'a', look, patch: {
      append: [[0, 'x', start, values], [0, 'y', start, values]], set: [], layout: {},
    },
  });
  const lengths = [];
  const leave = tell({ name: 'fed', alt: '', live: true, question });
  const [{ n }] = asked();
  window.answer({ n, chart: 'fed', stage: 'whole', token: 'a', figure: three() });
  lengths.push(await drawn());
  const node = parentElement.querySelector('.js-plotly-plot');
  await window.Plotly.relayout(node, { 'xaxis.range': [0.5, 1.5] });
  part(1, 3, [3]);
  part(2, 3, [3, 4]);
  lengths.push(await drawn());
  tell({ name: 'fed', alt: '', live: true, question, figure: three() });
  part(1, 3, [3]);
  lengths.push(await drawn());
  const before = asked().length;
  part(9, 7, [7]);
  part(10, 8, [8]);
  lengths.push(await drawn());
  const zoom = node._fullLayout.xaxis.range;
  leave();
  parentElement.remove();
  return [lengths, [before, asked().length], zoom, window.asked.at(-1)];
}"""
)


def test_the_channel_brings_a_chart_further_and_nothing_takes_it_back(page: Page) -> None:
    page.add_init_script(SPOKEN_FOR)
    page.goto(SMALL)
    expect(page.locator(".js-plotly-plot .xtick").first).to_be_attached(timeout=FIRST_PLOT)
    lengths, asked, zoom, last = page.evaluate(FED)
    assert lengths == [3, 5, 5, 5]
    assert zoom == [0.5, 1.5]
    assert asked == [1, 2]  # once more, for all of it
    assert (last["ask"], last["query"]) == ("train", {})  # it follows nothing any more


# What a colour scale has become that was written in the light palette, and the colour of a line.
SCALE = (
    """async () => {"""
    + PLACE
    + """
  const figure = {
    data: [
      { type: 'heatmap', z: [[0, 1], [1, 0]], colorscale: [[0, '#123456'], [1, '#0072B2']] },
      { type: 'scatter', x: [0, 1], y: [0, 1], line: { color: '#0072B2' } },
    ],
    layout: { meta: { palette: ['#0072B2'] } },
  };
  document.querySelector('.plotly-place').append(parentElement); // where the theme is told
  show({ data: { name: 'scale', alt: '', figure }, parentElement });
  await new Promise((done) => setTimeout(done, 600));
  const [map, line] = parentElement.querySelector('.js-plotly-plot')._fullData;
  return [map.colorscale, line.line.color];
}"""
)


# A picture that is sent whole: first another y and another colour, then a trace more.
WHOLE = (
    """async () => {"""
    + PLACE
    + """
  const found = [];
  const tell = async (...data) => {
    const figure = { data, layout: { meta: { palette: ['#0072B2'] } } };
    show({ data: { name: 'whole', alt: '', figure }, parentElement });
    await new Promise((done) => setTimeout(done, 600));
    const traces = parentElement.querySelector('.js-plotly-plot')._fullData;
    found.push(traces.map((trace) => [Array.from(trace.y), trace.line.color]));
  };
  const trace = (y, color) => ({ type: 'scatter', x: [0, 1, 2], y, line: { color } });
  await tell(trace([0, 1, 2], '#0072B2'));
  await tell(trace([2, 1, 0], '#123456'));
  await tell(trace([2, 1, 0], '#0072B2'), trace([3, 3, 3], '#123456'));
  return found;
}"""
)


def test_colours_are_the_themes_and_so_are_those_of_what_is_new(open_page: OpenPage) -> None:
    page = open_page(color_scheme="dark")
    page.goto(SMALL)
    expect(page.locator(".js-plotly-plot .xtick").first).to_be_attached(timeout=FIRST_PLOT)
    scale, colour = page.evaluate(SCALE)
    assert colour != "#0072B2"
    assert scale == [[0, "#123456"], [1, colour]]
    one, two, three = page.evaluate(WHOLE)
    themed = one[0][1]
    assert themed != "#123456"
    assert two == [[[2, 1, 0], "#123456"]]
    assert three == [[[2, 1, 0], themed], [[3, 3, 3], "#123456"]]
