// A batch travels through two networks at once, layer by layer. It does so once and rests then;
// while it is out of sight or the window is hidden, nothing moves.

const SHOWN = new WeakMap();
const SECONDS = 5;
const STEADY = "(prefers-reduced-motion: reduce)";
const PATIENCE = 2500; // ms for the page's first figure, whose library keeps the browser busy
const AXIS = 14; // pixels below the histograms, for the layers' numbers
const FULL = 2 * Math.PI;

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

const clamp = (x) => Math.min(Math.max(x, 0), 1);
const smooth = (x) => { const t = clamp(x); return t * t * (3 - 2 * t); };

function theme(root) {
  const style = getComputedStyle(root);
  const read = (name) => style.getPropertyValue(name).trim();
  const [left, right] = read("--st-chart-categorical-colors").split(",").map((c) => c.trim());
  return {
    colours: [left || "#0072B2", right || "#D55E00"],
    ink: read("--st-text-color") || "#16202B",
    font: read("--st-font") || "sans-serif",
  };
}

// Pixels of a canvas that is `wide` and `high`, with a column for the input and one for each layer.
function geometry(wide, high, layers, units) {
  const pitch = wide / layers;
  const floor = high - AXIS;
  const bars = 0.4 * floor; // room of the histograms
  const gap = (floor - bars - 4) / units;
  return {
    x: (layer) => (layer + 0.5) * pitch,
    y: (unit) => gap * (unit + 0.5),
    bars, floor, span: Math.min(0.82 * pitch, 84), radius: Math.min(0.16 * pitch, 0.38 * gap, 8),
  };
}

// Three of the next layer's units that a unit is drawn to be connected with.
const targets = (unit, layer, units) => [0, 1, 2].map((k) => (unit * (k + 1) + layer * 2 + k * 3) % units);

// How far a wave at `time` (in layers) has come past a layer, and the strength of its crest there.
const arrived = (time, layer) => smooth((time - layer) * 1.6);
const crest = (time, layer) => Math.exp(-8 * (time - layer - 0.45) ** 2);

function draw(view, index) {
  const { canvas, network } = view.rows[index];
  const { clientWidth: wide, clientHeight: high } = canvas;
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  if (!wide || !high) return;
  if (canvas.width !== Math.round(wide * scale) || canvas.height !== Math.round(high * scale)) {
    canvas.width = Math.round(wide * scale);
    canvas.height = Math.round(high * scale);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, wide, high);
  const g = geometry(wide, high, network.layers.length, network.spread[0].length);
  const paint = { pen, g, time: view.time, network, colour: view.theme.colours[index], ink: view.theme.ink };
  connections(paint);
  network.spread.forEach((units, layer) => {
    column(paint, units, layer);
    histogram(paint, network.bars[layer], layer);
    number(paint, layer, view);
  });
  pen.globalAlpha = 1;
}

function connections({ pen, g, time, network: { spread }, colour, ink }) {
  pen.lineWidth = 0.8;
  for (let layer = 0; layer + 1 < spread.length; layer += 1) {
    const units = spread[layer].length;
    const way = smooth(time - layer - 0.2);
    const [from, to] = [g.x(layer) + g.radius, g.x(layer + 1) - g.radius];
    spread[layer].forEach((size, unit) => {
      const y0 = g.y(unit);
      for (const target of targets(unit, layer, units)) {
        const y1 = g.y(target);
        line(pen, ink, 0.05, from, y0, to, y1);
        const strength = (0.14 + 0.5 * crest(time, layer + 0.3)) * Math.min(size, 1.2);
        if (way > 0) line(pen, colour, strength, from, y0, from + (to - from) * way, y0 + (y1 - y0) * way);
      }
    });
  }
}

function line(pen, colour, alpha, x0, y0, x1, y1) {
  pen.globalAlpha = alpha;
  pen.strokeStyle = colour;
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

// A ring for each unit, and in it a disc as wide as the unit's activation varies.
function column({ pen, g, time, colour, ink }, units, layer) {
  const here = arrived(time, layer);
  units.forEach((size, unit) => {
    const [x, y] = [g.x(layer), g.y(unit)];
    pen.globalAlpha = 0.28;
    pen.strokeStyle = ink;
    pen.lineWidth = 0.8;
    pen.beginPath();
    pen.arc(x, y, g.radius, 0, FULL);
    pen.stroke();
    const wide = Math.min(size, 1.3) * here;
    const glow = crest(time, layer) * Math.min(size, 1);
    pen.fillStyle = colour;
    disc(pen, 0.25 * glow, x, y, g.radius * (1 + 1.6 * glow));
    disc(pen, 1, x, y, g.radius * wide);
  });
}

function disc(pen, alpha, x, y, radius) {
  pen.globalAlpha = alpha;
  pen.beginPath();
  pen.arc(x, y, radius, 0, FULL);
  pen.fill();
}

function histogram({ pen, g, time, colour, ink }, bars, layer) {
  const here = arrived(time, layer - 0.1);
  const left = g.x(layer) - g.span / 2;
  const step = g.span / bars.length;
  line(pen, ink, 0.3, left, g.floor, left + g.span, g.floor);
  line(pen, ink, 0.3, g.x(layer), g.floor, g.x(layer), g.floor + 2);
  pen.globalAlpha = 0.85;
  pen.fillStyle = colour;
  pen.beginPath();
  pen.moveTo(left, g.floor);
  bars.forEach((share, bin) => {
    const top = g.floor - g.bars * share * here;
    pen.lineTo(left + bin * step, top);
    pen.lineTo(left + (bin + 1) * step, top);
  });
  pen.lineTo(left + g.span, g.floor);
  pen.fill();
}

// Every fourth layer by name, and the one whose numbers are read.
function number({ pen, g, ink }, layer, { read, theme: { font } }) {
  const here = layer === read;
  const near = Math.abs(layer - read) < (read ? 2 : 3) && !here;
  if (!here && (layer % 4 || near)) return;
  pen.globalAlpha = here ? 1 : 0.65;
  pen.fillStyle = ink;
  pen.font = `${here ? 700 : 400} 11px ${font}`;
  pen.textAlign = "center";
  pen.fillText(layer || "input", Math.max(g.x(layer), 15), g.floor + 12);
}

// The numbers of the layer that the wave is at, or that is pointed at.
function read(view) {
  const layer = view.pointed ?? Math.min(Math.floor(view.time), view.last);
  if (layer === view.read) return;
  view.read = layer;
  for (const { network, reading } of view.rows) {
    const { variance, mean, theory } = network.layers[layer];
    const [at, big, expected, small] = reading.children;
    at.textContent = layer ? `variance, layer ${layer}` : "variance, input";
    big.textContent = variance;
    small.textContent = `mean ${mean}`;
    expected.textContent = `theory ${theory}`;
  }
}

function show(view) {
  read(view);
  view.rows.forEach((row, index) => draw(view, index));
}

function tell(view) {
  const done = view.time >= view.end;
  const state = view.moving ? "moving" : done ? "done" : "stopped";
  view.root.dataset.state = state;
  view.play.textContent = { moving: "Stop", done: "Repeat", stopped: "Play" }[state];
}

function frame(view, now) {
  view.frame = 0;
  if (!view.moving || !view.seen || document.hidden) {
    view.before = undefined;
    return;
  }
  const passed = Math.min(now - (view.before ?? now), 60) / 1000; // a pause is not made up for
  view.before = now;
  view.time = Math.min(view.time + passed * view.end / SECONDS, view.end);
  view.moving = view.time < view.end;
  show(view);
  if (!view.moving) tell(view);
  next(view);
}

function next(view) {
  if (view.moving && !view.frame) view.frame = requestAnimationFrame((now) => frame(view, now));
}

function press(view) {
  if (!view.moving && view.time >= view.end) view.time = 0;
  view.moving = !view.moving;
  view.before = undefined;
  tell(view);
  show(view);
  next(view);
}

function build(view, data) {
  view.root.querySelector(".words").replaceChildren(
    ...data.words.map(([text, at]) => {
      const piece = element(at === null ? "span" : "strong", text);
      if (at !== null) piece.dataset.network = at;
      return piece;
    }),
  );
  view.root.querySelector(".legend").textContent = data.legend;
  view.rows = data.networks.map((network) => {
    const canvas = element("canvas", "");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", network.alt);
    canvas.onpointermove = ({ offsetX }) => {
      view.pointed = Math.min(Math.floor(clamp(offsetX / canvas.clientWidth) * view.end), view.last);
      if (view.pointed !== view.read) show(view);
    };
    canvas.onpointerleave = () => { view.pointed = undefined; show(view); };
    const reading = element("div", "", "reading");
    reading.setAttribute("aria-hidden", "true"); // changes all the time; the picture's text has it
    reading.append(element("div", ""), element("b", ""), element("div", "", "theory"), element("div", ""));
    return { network, canvas, reading, name: element("div", network.label, "name") };
  });
  view.root.querySelector(".networks").replaceChildren(...view.rows.map(({ name, canvas, reading }) => {
    const row = element("div", "", "network");
    row.append(name, canvas, reading);
    return row;
  }));
  view.last = data.networks[0].layers.length - 1;
  view.end = view.last + 1;
  view.read = undefined;
}

function dress(view) {
  view.theme = theme(view.root);
  view.rows.forEach(({ name }, index) => { name.style.color = view.theme.colours[index]; });
}

// Starts once the page's first figure is drawn: else the chart library would make it stutter.
function start(view) {
  const steady = matchMedia(STEADY).matches;
  view.play.hidden = steady;
  view.time = steady ? view.end : 0;
  tell(view);
  if (steady) return;
  const drawn = performance.getEntriesByType("mark").some(({ name }) => name.startsWith("drawn "));
  const begin = () => { if (view.root.dataset.state === "stopped" && !view.time && !view.gone) press(view); };
  if (drawn) begin();
  else {
    window.addEventListener("drawn", begin, { once: true });
    setTimeout(begin, PATIENCE);
  }
}

function open(root) {
  const view = { root, time: 0, moving: false, seen: true, frame: 0, play: root.querySelector(".play") };
  const sight = new IntersectionObserver((entries) => {
    view.seen = entries.at(-1).isIntersecting;
    next(view);
  });
  const size = new ResizeObserver(() => { if (view.rows) show(view); });
  const back = () => next(view);
  sight.observe(root);
  size.observe(root);
  document.addEventListener("visibilitychange", back);
  view.play.onclick = () => press(view);
  view.leave = () => {
    view.gone = true;
    view.moving = false;
    cancelAnimationFrame(view.frame);
    sight.disconnect();
    size.disconnect();
    document.removeEventListener("visibilitychange", back);
  };
  return view;
}

export default function ({ data, parentElement, setTriggerValue }) {
  let view = SHOWN.get(parentElement);
  const fresh = !view;
  if (fresh) SHOWN.set(parentElement, view = open(parentElement.querySelector(".contrast")));
  const text = JSON.stringify(data);
  view.root.querySelector(".hide").onclick = () => setTriggerValue("hide", true);
  if (view.text !== text) build(view, data);
  view.text = text;
  dress(view);
  if (fresh) start(view);
  show(view);
  return () => {
    view.leave();
    SHOWN.delete(parentElement);
  };
}
