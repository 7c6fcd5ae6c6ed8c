// A range input over stops that reports while it moves. Streamlit calls the default export again
// with every run; what the hand is doing is kept in HANDS meanwhile.

const HANDS = new WeakMap();
const REST = 250; // ms after a key before the hand counts as at rest: more may follow
const PATIENCE = 1500; // ms that a report under way may keep it from being at rest
let drawn = 0; // when a figure was last drawn
window.addEventListener("drawn", () => { drawn = performance.now(); });

function text(number) {
  return Number.isInteger(number) ? String(number) : String(Number(number.toPrecision(5)));
}

// The stop next to a value; values that were typed lie between stops.
function nearest(stops, value) {
  let best = 0;
  stops.forEach((stop, index) => {
    if (Math.abs(stop - value) < Math.abs(stops[best] - value)) best = index;
  });
  return best;
}

function hand(parent) {
  let found = HANDS.get(parent);
  if (!found) {
    found = { timer: null, rest: null, sent: 0, count: 0, moving: false };
    HANDS.set(parent, found);
  }
  return found;
}

export default function ({ data, parentElement, setStateValue }) {
  const state = hand(parentElement);
  const find = (selector) => parentElement.querySelector(selector);
  const range = find("input"), output = find("output"), help = find(".help"), about = find(".about");
  const { stops } = data;

  find("label").textContent = data.label;
  range.min = 0;
  range.max = stops.length - 1;
  help.hidden = !data.help;
  help.setAttribute("aria-label", `Help for ${data.label}`);
  about.textContent = data.help;
  const say = (value) => {
    output.textContent = state.moving ? text(value) : ""; // at rest the field beside it says it
    range.setAttribute("aria-valuetext", text(value));
  };
  if (!state.moving) { // never against a hand that moves
    range.value = nearest(stops, data.value);
    say(data.value);
  }

  const send = (held) => {
    clearTimeout(state.timer);
    state.timer = null;
    state.sent = performance.now();
    // counted, since the same value again is news where it was changed elsewhere meanwhile
    setStateValue("hand", { value: stops[range.value], held, count: (state.count += 1) });
  };
  const release = () => {
    clearTimeout(state.rest);
    if (!state.moving) return;
    state.moving = false;
    say(stops[range.value]);
    send(false);
  };
  // The run that a release starts would end the one that answers the last report.
  const rest = () => {
    const waiting = drawn < state.sent && performance.now() - state.sent < PATIENCE;
    if (waiting) state.rest = setTimeout(rest, 20);
    else release();
  };
  range.oninput = () => {
    const value = stops[range.value];
    state.moving = true;
    say(value);
    if (data.prefix) {
      window.dispatchEvent(new CustomEvent("prefix", { detail: { name: data.prefix, value } }));
    }
    if (!data.live || (data.prefix && value <= data.value)) return;
    state.timer ??= setTimeout(
      () => send(true), Math.max(0, data.throttle - (performance.now() - state.sent)),
    );
  };
  range.onkeydown = () => { state.keys = true; };
  range.onpointerdown = () => { state.keys = false; };
  range.onblur = release;
  range.onchange = () => {
    clearTimeout(state.rest);
    if (state.keys && data.live) state.rest = setTimeout(rest, REST);
    else release();
  };
  const show = (open) => {
    about.hidden = !open;
    help.setAttribute("aria-expanded", String(open));
  };
  help.onclick = () => show(about.hidden);
  help.onblur = () => show(false);
  help.onkeydown = (event) => { if (event.key === "Escape") show(false); };
}
