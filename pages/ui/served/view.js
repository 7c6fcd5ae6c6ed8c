// One live Plotly node per chart. Streamlit calls the default export again whenever the data or
// the theme changes; the node is kept in CHARTS and redrawn in place.

import "./history.js";
import * as live from "./live.js";

const CHARTS = new WeakMap();
const NAMED = new Map(); // the same charts by the name that a feed knows
const NARROW = 640; // pixels, Streamlit's own breakpoint for columns
const LARGEST = 0.66; // of the window's height: a larger figure is to be seen as a whole
let library;

function load(url) {
  library ||= window.Plotly
    ? Promise.resolve(window.Plotly)
    : new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = url;
        script.onload = () => resolve(window.Plotly);
        script.onerror = () => {
          library = undefined; // so that the next figure tries again
          script.remove();
          reject(new Error("The chart library could not be loaded. Reload the page to try again."));
        };
        document.head.appendChild(script);
      });
  return library;
}

function theme(element) {
  const style = getComputedStyle(element);
  const read = (name, fallback) => {
    const value = style.getPropertyValue(name).trim();
    return value && value !== "unset" ? value : fallback;
  };
  return {
    text: read("--st-text-color", "#16202B"),
    background: read("--st-background-color", "#FFFFFF"),
    border: read("--st-border-color", "#D3DCE5"),
    font: read("--st-font", "sans-serif"),
    chart: read("--st-chart-categorical-colors", "").split(",").map((c) => c.trim()).filter(Boolean),
    scale: Number(read("--figure-scale", 1)), // of the large mode
    share: Number(read("--figure-share", 0)), // of the window's height, for a figure that stands alone
    least: 0.4, // of a tall window's height
  };
}

function channels(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)).join(", ");
}

// The figure is written in the light palette; its colours follow the theme. Only texts are
// looked at: numbers, by far the most of a figure, are shared with it.
function recoloured(value, exchange) {
  if (typeof value === "string") return exchange(value);
  if (!value || typeof value !== "object" || ArrayBuffer.isView(value) || "bdata" in value) return value;
  if (!Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, recoloured(v, exchange)]));
  }
  return value.some((item) => item && typeof item !== "number" && !isNumbers(item))
    ? value.map((item) => recoloured(item, exchange))
    : value;
}

function isRow(item) {
  return ArrayBuffer.isView(item) || Array.isArray(item) && typeof item[0] !== "string" && typeof item[0] !== "object";
}

// A stop of a colour scale begins with a number too.
function isNumbers(item) {
  return isRow(item) && typeof item.at(-1) !== "string";
}

// Returns the function that puts the theme's colours into a text, each exchanged once.
function exchanger(meta, colours) {
  const pairs = (meta?.palette || []).map((from, i) => [from, colours.chart[i]]);
  if (meta?.ink) pairs.push([meta.ink, colours.text]);
  const table = new Map();
  for (const [from, to] of pairs.filter(([, to]) => /^#[0-9a-f]{6}$/i.test(to || ""))) {
    table.set(from, to).set(`rgba(${channels(from)},`, `rgba(${channels(to)},`);
  }
  if (!table.size) return (text) => text;
  const any = new RegExp([...table.keys()].map((k) => k.replace(/[()]/g, "\\$&")).join("|"), "g");
  return (text) => (/[#(]/.test(text) ? text.replace(any, (found) => table.get(found)) : text);
}

function assign(target, path, value) {
  const keys = path.split(".");
  const last = keys.pop();
  let at = target;
  for (const key of keys) at = at[key] ||= {};
  at[last] = value;
}

// Sizes in pixels, by what they are of; "" is anything.
const SIZES = {
  font: ["size"], textfont: ["size"], tickfont: ["size"], marker: ["size"], line: ["width"], margin: ["l", "r", "t", "b"],
  layout: ["height"], "": ["standoff", "ticklen", "xshift", "yshift", "thickness", "arrowwidth"],
};

function enlarged(value, scale, name, of) {
  if (typeof value === "number") return SIZES[of]?.includes(name) || SIZES[""].includes(name) ? value * scale : value;
  if (!value || typeof value !== "object" || isRow(value) || "bdata" in value) return value;
  if (Array.isArray(value)) return value.map((item) => enlarged(item, scale, name, of));
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, enlarged(v, scale, k, name)]));
}

function styled({ figure, colours, narrow, exchange }) {
  const { data, layout } = recoloured(figure, exchange);
  for (const [path, value] of Object.entries((narrow && layout.meta?.narrow) || {})) {
    assign(layout, path, value);
  }
  layout.uirevision = "keep"; // zoom and hidden traces survive a change of setting
  layout.autosize = true;
  layout.paper_bgcolor = layout.plot_bgcolor = colours.background;
  layout.font = { family: colours.font, size: 13, ...layout.font, color: colours.text };
  layout.hoverlabel = {
    bgcolor: colours.background, bordercolor: colours.border,
    font: { color: colours.text, family: colours.font }, ...layout.hoverlabel,
  };
  // On a touch screen a drag over the chart must scroll the page.
  if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
  for (const name of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
    layout[name] = {
      gridcolor: colours.border, zerolinecolor: colours.border, linecolor: colours.border,
      ticklabeloverflow: "allow", // else every redraw measures every label
      ...layout[name],
    };
  }
  const high = innerHeight / colours.scale;
  if (colours.share) layout.height = Math.max(colours.share * high, narrow ? layout.height : 240);
  else if (!narrow) layout.height = Math.max((layout.meta?.least ?? colours.least) * high, layout.height);
  if (colours.scale === 1) return { data, layout };
  if (!narrow) layout.height = Math.min(layout.height, LARGEST * high);
  return { data: enlarged(data, colours.scale, "data"), layout: enlarged(layout, colours.scale, "layout") };
}

// Takes in what is new: a whole figure, or what has grown since; returns whether to draw it. A patch
// to a figure that is not the one at hand, or one that leaves a gap, means that a message was lost.
// Where Streamlit renders a chart anew, for another theme say, it may tell again what a feed has long
// brought further.
function take(chart, { figure, patch, token, look, id }) {
  if (figure) {
    if (id && id === chart.id) return pending(chart); // the channel has brought it already
    chart.id = id;
    if ((token && chart.tokens.has(token)) || figure === chart.figure) return pending(chart);
    chart.tokens.add(token);
    if (alikeButForData(chart.figure, figure)) chart.grown.push(...changed(chart.figure, figure));
    else chart.whole = true;
    Object.assign(chart, { figure, token, look: 0 });
    return pending(chart);
  }
  if (!patch) return true;
  if (chart.token !== token) return lost(chart, token);
  if (look <= chart.look) return true;
  const traces = chart.figure.data;
  for (const [index, name, start] of patch.append) {
    if (traces[index][name].length < start) return lost(chart, token);
  }
  chart.look = look;
  let news = false;
  const put = (index, name, values) => {
    traces[index][name] = values;
    chart.grown.push([index, name]);
    news = true;
  };
  for (const [index, name, start, values] of patch.append) {
    const array = traces[index][name];
    const rest = values.slice(array.length - start);
    array.push(...rest);
    if (rest.length) put(index, name, array);
  }
  for (const [index, name, values] of patch.set) {
    if (!alike(traces[index][name], values)) put(index, name, values);
  }
  if (!alike(chart.figure.layout, patch.layout)) {
    chart.figure.layout = patch.layout;
    news = chart.whole = true;
  }
  return news;
}

// Whether it holds anything that was not drawn yet.
function pending(chart) {
  return chart.whole || chart.grown.length > 0;
}

// Whether two pieces of a figure say the same. Written as text and then compared, they took a
// twentieth of the page's time beside a running training.
function alike(before, after) {
  if (before === after) return true;
  if (!before || !after || typeof before !== "object" || typeof after !== "object") return false;
  const names = Object.keys(before);
  return Array.isArray(before) === Array.isArray(after)
    && names.length === Object.keys(after).length
    && names.every((name) => alike(before[name], after[name]));
}

// Whether a figure has the layout and the kinds of traces of the one before.
function alikeButForData(before, after) {
  const kinds = ({ data }) => data.map((trace) => [trace.type, Object.keys(trace)]);
  return Boolean(before) && alike(before.layout, after.layout) && alike(kinds(before), kinds(after));
}

// What has changed in the traces: [index, attribute] of each.
function changed(before, after) {
  return after.data.flatMap((trace, index) => Object.keys(trace)
    .filter((name) => !alike(before.data[index][name], trace[name]))
    .map((name) => [index, name]));
}

// Asks once for all that is followed anew.
function lost(chart, token) {
  if (chart.lost !== token) {
    chart.lost = token;
    live.again();
  }
  return false;
}

// A figure whose numbers will grow: rows of them that can be added to.
function growable({ data, layout }) {
  const grown = (value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
  return {
    layout,
    data: data.map((trace) => Object.fromEntries(
      Object.entries(trace).map(([name, value]) => [name, grown(value)]),
    )),
  };
}

// Plotly's own button can't be reached by keyboard. It stands beside the figure, not in it: an
// image has no parts for a screen reader.
function picture(chart) {
  const { button } = chart;
  const width = 1200, line = 18; // pixels, whatever the screen: every row of the legend has its room
  const wrapped = (text) => text.split("\n").flatMap((row) => row.match(/.{1,160}(\s|$)/g) || [row]);
  const escaped = (text) => text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
  const outside = () => {
    const { _fullLayout: shown } = chart.node;
    const { layout } = styled({ ...chart, narrow: false, colours: { ...chart.colours, scale: 1, share: 0, least: 0 } });
    const data = structuredClone(chart.node.data); // with the traces that a person has hidden
    for (const name of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
      if (shown[name]) layout[name].range = [...shown[name].range]; // and a zoom of theirs
    }
    const { l, t, r, b } = layout.margin;
    const inner = layout.height - t - b;
    const names = data.filter((trace) => trace.showlegend).map((trace) => trace.name || "");
    const long = names.reduce((sum, name) => sum + 8 * name.length + 60, 0);
    const rows = Math.ceil(long / (width - l - r));
    const caption = wrapped(layout.meta?.caption || "");
    layout.margin = { l, r: r + 12, t: 40 + (rows ? 12 + 20 * rows : 0), b: b + line * (caption.length + 1) };
    // An image has no web fonts: measured in one and drawn in another, words were cut off.
    layout.font = { ...layout.font, family: "sans-serif" };
    Object.assign(layout, { width, height: inner + layout.margin.t + layout.margin.b });
    layout.legend = { ...layout.legend, y: 1 + 32 / inner, yanchor: "bottom" };
    layout.annotations = [...(layout.annotations || []), {
      text: caption.map(escaped).join("<br>"), xref: "paper", yref: "paper", x: 0, y: 0,
      xanchor: "left", yanchor: "top", yshift: -b - line / 2, align: "left", showarrow: false,
    }];
    return { data, layout };
  };
  button.hidden = false;
  button.setAttribute("aria-label", `Save the figure ${chart.data.name} as PNG`);
  button.onclick = () => {
    const figure = outside();
    const { height } = figure.layout;
    const options = { format: "png", filename: chart.data.name, scale: 2, width, height };
    return window.Plotly.downloadImage(figure, options);
  };
}

async function draw(chart) {
  const { root } = chart;
  if (chart.gone || (chart.node && !chart.seen)) return; // drawn when it comes into sight
  try {
    const Plotly = await load(chart.data.library);
    if (chart.gone || !chart.figure) return;
    await (chart.whole ? drawWhole(chart, Plotly) : drawGrown(chart, Plotly));
  } catch (error) {
    const note = document.createElement("div");
    note.className = "failed";
    note.textContent = error.message;
    root.replaceChildren(note);
    chart.node = null;
    chart.whole = true;
  }
}

async function drawWhole(chart, Plotly) {
  const { root, data } = chart; // the newest
  chart.whole = false;
  chart.grown = [];
  chart.colours = theme(root);
  chart.narrow = isNarrow(chart);
  chart.exchange = exchanger(chart.figure.layout.meta, chart.colours);
  const { data: traces, layout } = styled(chart);
  // the arrays grow in place, which Plotly would not notice
  layout.datarevision = chart.revision = (chart.revision || 0) + 1;
  root.setAttribute("role", "img");
  root.setAttribute("aria-label", data.alt || "");
  const first = !chart.node;
  if (first) {
    chart.node = document.createElement("div");
    chart.node.className = "chart";
    root.replaceChildren(chart.node);
    picture(chart);
  }
  await Plotly.react(chart.node, traces, layout, {
    displaylogo: false, showTips: false, displayModeBar: false,
  });
  if (first) performance.mark(`drawn ${data.name}`); // for whoever times the page
  if (data.clicks && !chart.clicks) {
    chart.clicks = true;
    listen(chart);
  }
  const { width } = chart.node._fullLayout; // the one of before, where the screen became narrow
  if (root.clientWidth && Math.abs(width - root.clientWidth) > 1) Plotly.Plots.resize(chart.node);
}

// Where only numbers are new, Plotly need not compare all that it has been given with what it had: a
// sixth of a redraw. Arrays of numbers that grow are its own, too.
function drawGrown(chart, Plotly) {
  for (const [index, name] of chart.grown) {
    const value = recoloured(chart.figure.data[index][name], chart.exchange);
    chart.node.data[index][name] = enlarged(value, chart.colours.scale, name);
  }
  chart.grown = [];
  return Plotly.redraw(chart.node);
}

function listen(chart) {
  chart.node.on("plotly_click", ({ points: [point] }) => chart.clicked({
    x: point.x, y: point.y, name: point.data.name,
  }));
  chart.node.on("plotly_selected", (event) => {
    const [x, y] = [event?.range?.x, event?.range?.y]; // of the first panel
    if (!x || !y) return;
    const [[x0, x1], [y0, y1]] = [x, y].map((ends) => [...ends].sort((a, b) => a - b));
    chart.clicked({ x0, x1, y0, y1 });
    window.Plotly.relayout(chart.node, { selections: [] });
  });
}

// Figures can come faster than they can be drawn. They are drawn one at a time and in turn, with a
// rest after each, so that clicks and keys get their chance; of what came meanwhile only the newest
// is drawn.
const waiting = new Set();
let timer, rested = 0;

function ask(chart) {
  waiting.add(chart);
  timer ??= setTimeout(drawNext, Math.max(0, rested - performance.now()));
}

function askWhole(chart) {
  chart.whole = true;
  ask(chart);
}

// The chart whose turn it is: not seen for longest, at first sight from top to bottom.
function first(one, other) {
  if (one.drawn !== other.drawn) return one.drawn < other.drawn ? one : other;
  const { DOCUMENT_POSITION_PRECEDING: before } = Node;
  return one.root.compareDocumentPosition(other.root) & before ? other : one;
}

async function drawNext() {
  const begun = performance.now();
  const chart = [...waiting].reduce(first);
  waiting.delete(chart);
  await draw(chart);
  const now = performance.now();
  if (chart.node) chart.drawn = now;
  rested = now + Math.min((now - begun) / 8, 50);
  timer = undefined;
  if (waiting.size) ask(waiting.values().next().value);
}

// Figures that come by the channel while a hand moves. Of the theory alone, what was measured stays
// until the first seeds of the new setting are there.
live.on("figure", (message) => {
  const chart = NAMED.get(message.chart);
  if (!chart || (!chart.figure && !message.token && message.stage !== "whole")) return;
  if (message.alt) {
    chart.data = { ...chart.data, alt: message.alt };
    chart.root.setAttribute("aria-label", message.alt);
  }
  if (message.patch) {
    if (take(chart, message)) ask(chart);
    return;
  }
  let { figure } = message;
  if (message.stage === "theory") figure = overlaid(chart.figure, figure);
  if (message.token) figure = growable(figure);
  chart.fed = performance.now();
  chart.skipped = undefined;
  if (take(chart, { figure, id: message.id, token: message.token })) ask(chart);
});

live.on("settled", () => {
  for (const chart of NAMED.values()) {
    const { skipped } = chart;
    chart.skipped = undefined;
    if (skipped && !live.isAhead() && take(chart, skipped)) ask(chart);
  }
});

live.on("returned", () => {
  for (const { data, returned } of NAMED.values()) if (data.question) returned();
});

live.on("state", () => {
  for (const { note, data } of NAMED.values()) {
    if (note) note.hidden = !(data.question && live.isBlocked());
  }
});

const OF_THEORY = ["predicted", "spread"]; // groups of traces

function overlaid(before, fresh) {
  if (before.data.length !== fresh.data.length) return fresh;
  const data = fresh.data.map((trace, at) => (
    OF_THEORY.includes(trace.legendgroup) ? trace : before.data[at]
  ));
  const layout = { ...fresh.layout };
  for (const name of Object.keys(layout).filter((key) => /^yaxis\d*$/.test(key))) {
    const [old, now] = [before.layout[name], layout[name]];
    if (!old?.range || !now.range || old.type !== now.type) continue;
    const ends = [...old.range, ...now.range];
    layout[name] = { ...now, range: [Math.min(...ends), Math.max(...ends)] };
  }
  return { data, layout };
}

function isNarrow({ root, colours }) {
  return root.clientWidth < NARROW * colours.scale;
}

function watch(chart) {
  const observer = new ResizeObserver(() => {
    if (!chart.node || !window.Plotly || !chart.root.clientWidth) return;
    if (isNarrow(chart) !== chart.narrow || theme(chart.root).scale !== chart.colours.scale) askWhole(chart);
    else if (chart.node.clientWidth !== chart.width) window.Plotly.Plots.resize(chart.node);
    chart.width = chart.node.clientWidth;
  });
  observer.observe(chart.root);
  return observer;
}

// A figure that grows is redrawn many times a second; one that is out of sight need not be.
function sight(chart) {
  const observer = new IntersectionObserver((entries) => {
    const seen = entries.at(-1).isIntersecting;
    const appeared = seen && !chart.seen;
    chart.seen = seen;
    if (appeared && chart.node && pending(chart)) ask(chart);
  });
  observer.observe(chart.root);
  return observer;
}

export default function ({ data, parentElement, setTriggerValue }) {
  let chart = CHARTS.get(parentElement);
  if (!chart) {
    const root = parentElement.querySelector(".plotly-view");
    root.replaceChildren();
    const [button, note] = [".picture", ".blocked"].map((name) => parentElement.querySelector(name));
    chart = { root, button, note, node: null, gone: false, seen: true, drawn: 0 };
    Object.assign(chart, { tokens: new Set(), whole: true, grown: [] });
    chart.observers = [watch(chart), sight(chart)];
    CHARTS.set(parentElement, chart);
  }
  chart.clicked = (point) => setTriggerValue("point", point);
  chart.returned = () => setTriggerValue("returned", performance.now());
  chart.data = data;
  if (chart.node) chart.root.setAttribute("aria-label", data.alt || "");
  NAMED.set(data.name, chart);
  if (data.question) live.set(data.question);
  const leave = () => {
    chart.gone = true;
    for (const observer of chart.observers) observer.disconnect();
    if (chart.node && window.Plotly) window.Plotly.purge(chart.node);
    CHARTS.delete(parentElement);
    if (NAMED.get(data.name) === chart) NAMED.delete(data.name);
    live.leave(chart.data.question);
  };
  const older = data.live ? live.isFollowing() && chart.fed : data.id && live.isAhead();
  if (!data.live) chart.fed = 0;
  if (chart.figure && older) { // than what the channel has brought
    chart.skipped = data;
    return leave;
  }
  const fresh = take(chart, data);
  if (chart.node && !alike(theme(chart.root), chart.colours)) askWhole(chart);
  else if (fresh) ask(chart);
  return leave;
}
