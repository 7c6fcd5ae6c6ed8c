// A slider over handy stops and the exact number beside it, one setting. While it moves it asks the
// live channel; when the hand rests, the page is told once. Streamlit calls the default export again
// with every run; what the hand is doing is kept in HANDS meanwhile.

const channel = import(new URL("LIVE", document.baseURI));
const HANDS = new WeakMap();
const REST = 150; // ms after a key before the hand counts as at rest: more may follow
const ANSWER = 5000; // ms within which the page takes a value over, or says another
let live; // the channel's module, once it is there
channel.then((module) => { live = module; });

const text = (number) => (
  Number.isInteger(number) ? String(number) : String(Number(number.toPrecision(6)))
);

// The stop next to a value; values that were typed lie between stops.
function nearest(stops, value) {
  let best = 0;
  stops.forEach((stop, index) => {
    if (Math.abs(stop - value) < Math.abs(stops[best] - value)) best = index;
  });
  return best;
}

// What is wrong with a typed number, or "": said at once, beside the field.
function problem(typed, { low, high, whole }) {
  const value = Number(typed.trim().replace("−", "-").replace(/^([+-]?\d*),(\d+)$/, "$1.$2"));
  if (!typed.trim() || !Number.isFinite(value)) return ["A number, please.", NaN];
  if (whole && !Number.isInteger(value)) return ["A whole number, please.", NaN];
  if (value < low || value > high) return [`From ${text(low)} to ${text(high)}.`, NaN];
  return ["", value];
}

// A step of the number field: the next stop's worth, at least one of whole numbers.
function stepped(value, sign, { step, low, high }) {
  const next = Number((value + sign * step).toPrecision(10));
  return Math.min(Math.max(next, low), high);
}

function hand(parent) {
  if (!HANDS.has(parent)) HANDS.set(parent, { moving: false, pending: null, rest: null });
  return HANDS.get(parent);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const state = hand(parentElement);
  const find = (selector) => parentElement.querySelector(selector);
  const [range, exact, note] = ["#range", "#exact", ".problem"].map(find);
  const help = find(".help"), about = find(".about");
  const { stops, name } = data;
  state.data = data;

  find("label").textContent = data.label;
  range.hidden = stops.length === 0;
  range.min = 0;
  range.max = stops.length - 1;
  help.hidden = !data.help;
  help.setAttribute("aria-label", `Help for ${data.label}`);
  about.textContent = data.help;
  exact.setAttribute("aria-label", stops.length ? `${data.label}, exactly` : data.label);
  exact.setAttribute("aria-valuemin", data.low);
  exact.setAttribute("aria-valuemax", data.high);
  for (const button of parentElement.querySelectorAll(".step")) {
    const more = button.dataset.step === "1";
    button.setAttribute("aria-label", `${more ? "More" : "Less"}: ${data.label}`);
  }

  const complain = (sentence) => {
    note.hidden = !sentence;
    note.textContent = sentence;
    exact.setAttribute("aria-invalid", String(Boolean(sentence)));
  };
  const show = (value) => {
    state.value = value;
    range.value = nearest(stops, value);
    range.setAttribute("aria-valuetext", text(value));
    exact.setAttribute("aria-valuenow", value);
    exact.value = text(value);
    complain("");
  };
  // Never against a hand that moves, nor against what it has told and the page has yet to take.
  const answered = state.pending === null || data.value === state.pending
    || performance.now() > state.until;
  if (!state.moving && answered) {
    state.pending = null;
    if (state.value !== data.value && !(state.typing && exact === exact.getRootNode().activeElement)) {
      show(data.value);
    }
    live?.settle(name);
  }

  const tell = () => {
    clearTimeout(state.rest);
    if (!state.moving) return;
    state.moving = false;
    if (state.value === state.data.value) { // back where it began
      live?.settle(name);
      return;
    }
    if (state.drags) live?.move(name, state.value); // now with all that is shown
    state.drags = false;
    state.pending = state.value;
    state.until = performance.now() + ANSWER;
    setTriggerValue("value", state.value);
  };
  const move = (value, drags = false) => {
    state.moving = true;
    state.drags = drags;
    state.typing = false;
    show(value);
    live?.move(name, value, drags);
  };
  const soon = () => {
    clearTimeout(state.rest);
    state.rest = setTimeout(tell, REST);
  };
  range.oninput = () => {
    move(stops[range.value], !state.keys);
    if (state.keys) soon();
  };
  range.onkeydown = () => { state.keys = true; };
  range.onpointerdown = () => { state.keys = false; };
  range.onchange = () => (state.keys ? soon() : tell());
  range.onblur = tell;

  const take = () => {
    if (!state.typing) return;
    const [sentence, value] = problem(exact.value, state.data);
    if (sentence) {
      complain(exact.value.trim() ? sentence : "");
      if (!exact.value.trim()) show(state.value); // emptied: as it was
      return;
    }
    if (value === state.value) {
      show(value);
      return;
    }
    move(value);
    tell();
  };
  exact.oninput = () => {
    state.typing = true;
    complain(problem(exact.value, state.data)[0] && exact.value.trim()
      ? problem(exact.value, state.data)[0] : "");
  };
  exact.onchange = take;
  exact.onblur = () => { take(); tell(); };
  exact.onkeydown = (event) => {
    if (event.key === "Enter") take();
    else if (event.key === "Escape") { state.typing = false; show(state.value); }
    else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      move(stepped(state.value, event.key === "ArrowUp" ? 1 : -1, state.data));
      soon();
    }
  };
  for (const button of parentElement.querySelectorAll(".step")) {
    button.onclick = () => {
      move(stepped(state.value, Number(button.dataset.step), state.data));
      soon();
    };
  }
  const unfold = (open) => {
    about.hidden = !open;
    help.setAttribute("aria-expanded", String(open));
  };
  help.onclick = () => unfold(about.hidden);
  help.onblur = () => unfold(false);
  help.onkeydown = (event) => { if (event.key === "Escape") unfold(false); };
}
