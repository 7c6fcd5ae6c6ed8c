// One live Plotly node per chart. Streamlit calls the default export again whenever the data or
// the theme changes; the node is kept in CHARTS and redrawn in place.

const CHARTS = new WeakMap();
const NARROW = 640; // pixels, Streamlit's own breakpoint for columns
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
  };
}

function channels(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)).join(", ");
}

// The figure is written in the light palette; its colours follow the theme in place.
function recoloured(figure, colours) {
  const meta = figure.layout.meta || {};
  const pairs = (meta.palette || []).map((from, i) => [from, colours.chart[i]]);
  if (meta.ink) pairs.push([meta.ink, colours.text]);
  let text = JSON.stringify(figure);
  for (const [from, to] of pairs) {
    if (!/^#[0-9a-f]{6}$/i.test(to || "")) continue;
    text = text.replaceAll(from, to).replaceAll(`rgba(${channels(from)},`, `rgba(${channels(to)},`);
  }
  return JSON.parse(text);
}

function assign(target, path, value) {
  const keys = path.split(".");
  const last = keys.pop();
  let at = target;
  for (const key of keys) at = at[key] ||= {};
  at[last] = value;
}

function styled(figure, colours, narrow) {
  const { data, layout } = recoloured(figure, colours);
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
      ...layout[name],
    };
  }
  return { data, layout };
}

async function draw(chart) {
  const { data, root } = chart;
  try {
    const Plotly = await load(data.library);
    if (chart.gone || !data.figure || data !== chart.data) return; // a newer figure is on its way
    chart.narrow = root.clientWidth < NARROW;
    const { data: traces, layout } = styled(data.figure, theme(root), chart.narrow);
    root.setAttribute("role", "img");
    root.setAttribute("aria-label", data.alt || "");
    if (!chart.node) {
      chart.node = document.createElement("div");
      chart.node.className = "chart";
      root.replaceChildren(chart.node);
    }
    await Plotly.react(chart.node, traces, layout, {
      displaylogo: false, showTips: false, modeBarButtons: [["toImage"]],
      toImageButtonOptions: { filename: data.name, scale: 2 },
    });
  } catch (error) {
    const note = document.createElement("div");
    note.className = "failed";
    note.textContent = error.message;
    root.replaceChildren(note);
    chart.node = null;
  }
}

function watch(chart) {
  const observer = new ResizeObserver(() => {
    if (!chart.node || !window.Plotly || !chart.root.clientWidth) return;
    if (chart.root.clientWidth < NARROW !== chart.narrow) draw(chart);
    else if (chart.node.clientWidth !== chart.width) window.Plotly.Plots.resize(chart.node);
    chart.width = chart.node.clientWidth;
  });
  observer.observe(chart.root);
  return observer;
}

export default function ({ data, parentElement }) {
  let chart = CHARTS.get(parentElement);
  if (!chart) {
    const root = parentElement.querySelector(".plotly-view");
    root.replaceChildren();
    chart = { root, node: null, gone: false };
    chart.observer = watch(chart);
    CHARTS.set(parentElement, chart);
  }
  chart.data = data;
  draw(chart);
  return () => {
    chart.gone = true;
    chart.observer.disconnect();
    if (chart.node && window.Plotly) window.Plotly.purge(chart.node);
    CHARTS.delete(parentElement);
  };
}
