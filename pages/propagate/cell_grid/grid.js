// A table whose cells are buttons with a small curve. Built anew only when its data change.

const SHOWN = new WeakMap();
const SVG = "http://www.w3.org/2000/svg";

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Points of a curve in a box of 100 x 36, the gaps left out.
function path(values, low, high) {
  let pen = "M";
  return values.map((value, index) => {
    if (value === null) {
      pen = "M";
      return "";
    }
    const y = 34 - 32 * (Math.min(Math.max(value, low), high) - low) / (high - low);
    const step = `${pen}${(100 * index / Math.max(values.length - 1, 1)).toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
    return step;
  }).join("");
}

function curve({ measured, predicted, low, high }) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 36");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const flat = new Array(2).fill(0); // variance 1
  for (const [name, values] of [["one", flat], ["measured", measured], ["predicted", predicted]]) {
    const line = document.createElementNS(SVG, "path");
    line.setAttribute("class", name);
    line.setAttribute("d", path(values, low, high));
    svg.appendChild(line);
  }
  return svg;
}

function cell(data, pick) {
  const place = element("td");
  if (data.problem) {
    place.appendChild(element("div", data.problem, { class: "nothing" }));
    return place;
  }
  const button = element("button", "", { type: "button", "aria-label": data.label, title: data.label });
  if (data.here) button.setAttribute("aria-current", "true");
  if (data.measured) button.appendChild(curve(data));
  button.appendChild(element("span", data.text));
  button.onclick = () => pick(data.id);
  place.appendChild(button);
  return place;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".grid");
  const text = JSON.stringify(data);
  if (SHOWN.get(parentElement) === text) return;
  SHOWN.set(parentElement, text);
  const table = element("table");
  table.appendChild(element("caption", data.caption));
  const head = element("tr");
  head.appendChild(element("td"));
  for (const name of data.columns) head.appendChild(element("th", name, { scope: "col" }));
  const top = element("thead");
  top.appendChild(head);
  table.appendChild(top);
  const body = element("tbody");
  data.rows.forEach((name, row) => {
    const line = element("tr");
    line.appendChild(element("th", name, { scope: "row" }));
    const { length } = data.columns;
    for (const each of data.cells.slice(row * length, (row + 1) * length)) {
      line.appendChild(cell(each, (id) => setTriggerValue("picked", id)));
    }
    body.appendChild(line);
  });
  table.appendChild(body);
  root.replaceChildren(table);
}
