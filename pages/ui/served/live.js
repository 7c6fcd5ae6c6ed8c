// The live channel: asks the server for figures while a hand moves, past Streamlit. One question is
// in flight, and of those that wait only the newest is asked. What a hand has moved is laid over the
// page's own setting until the page has taken it over.

const PATIENCE = 3000; // ms for a first figure, then the next question is asked all the same
const RETRY = [500, 1000, 2000, 4000, 8000]; // ms between two tries to open it
let socket, failures = 0, everOpen = false, lost = false;
let page = null; // what the page has set: { ask, query, view }
let n = 0, inFlight = 0, patience, waiting = false, asked = "", dragging = false;
const moved = new Map();
const commands = new Map(); // number -> what to do where the server refuses it
const FIRST_COMMAND = 2 ** 40; // numbers that no question has
let commanded = FIRST_COMMAND;
const outbox = []; // commands that wait for the channel to come back
const listeners = { figure: new Set(), returned: new Set(), settled: new Set(), state: new Set() };

export function on(what, listener) {
  listeners[what].add(listener);
  return () => listeners[what].delete(listener);
}

function tell(what, ...news) {
  for (const listener of listeners[what]) listener(...news);
}

export const isOpen = () => socket?.readyState === WebSocket.OPEN;
export const isBlocked = () => !everOpen && failures > 1;
export const isAhead = () => isOpen() && moved.size > 0;
export const isFollowing = () => isOpen() && Boolean(page?.follow);

function open() {
  socket = new WebSocket(new URL("live", document.baseURI).href.replace(/^http/, "ws"));
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    everOpen = true;
    failures = inFlight = 0;
    if (lost) whenStreamlitIsBack(() => tell("returned"));
    lost = false;
    for (const waiting of outbox.splice(0)) command(...waiting);
    tell("state");
    if (moved.size || page?.follow) next();
  };
  socket.onmessage = ({ data }) => receive(unframed(data));
  socket.onclose = () => {
    inFlight = 0;
    lost = everOpen;
    commands.clear(); // nobody knows whether they were heard
    setTimeout(open, RETRY[Math.min(failures, RETRY.length - 1)]);
    failures += 1;
    tell("state");
  };
}

// The server may be another one than before, which knows nothing of this page: Streamlit's own
// connection comes back by itself too, but its script does not run.
function whenStreamlitIsBack(act, tries = 240) {
  const app = document.querySelector("[data-test-connection-state]");
  if (!app || app.dataset.testConnectionState === "CONNECTED" || !tries) act();
  else setTimeout(whenStreamlitIsBack, 250, act, tries - 1);
}

// Four bytes of length, JSON, then the numbers of its arrays: see live/frames.py.
function unframed(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const whole = (value) => {
    if (!value || typeof value !== "object") return value;
    if (Array.isArray(value)) return value.map(whole);
    if (!value.f4) return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, whole(v)]));
    const [start, count] = value.f4;
    const numbers = new Float32Array(buffer, 4 + length + 4 * start, count);
    if (!value.shape) return numbers;
    const rows = (flat, [first, ...rest]) => Array.from({ length: first }, (_, at) => {
      const size = flat.length / first;
      const part = flat.subarray(at * size, (at + 1) * size);
      return rest.length > 1 ? rows(part, rest) : part;
    });
    return rows(numbers, value.shape);
  };
  return whole(head);
}

function receive(message) {
  if (message.n > FIRST_COMMAND) {
    if (message.stage === "refused") commands.get(message.n)?.();
    commands.delete(message.n);
    return;
  }
  if (message.n === inFlight && message.stage !== "theory") release();
  if (message.n !== n) return; // the hand has moved on
  if (message.stage !== "refused") tell("figure", message); // at rest the page says why
}

function release() {
  clearTimeout(patience);
  inFlight = 0;
  if (waiting) next();
}

// The page's setting with what is moved over it.
function question() {
  const query = { ...page.query }, view = { ...page.view, ...(dragging && { moving: "1" }) };
  if (moved.size) delete view.older;
  for (const [name, value] of moved) {
    if (name.startsWith("view.")) view[name.slice(5)] = String(value);
    else query[name] = String(value);
  }
  return { ask: page.ask, query, view };
}

function next() {
  if (!page) return;
  if (inFlight || !isOpen()) {
    waiting = true;
    return;
  }
  waiting = false;
  const said = question();
  asked = JSON.stringify(said);
  n += 1;
  if (!page.follow) { // else there may be nothing new for long
    inFlight = n;
    patience = setTimeout(release, PATIENCE);
  }
  socket.send(JSON.stringify({ n, ...said }));
}

// What the page has set, told with every run of its script. Answers to another setting are no longer
// wanted.
export function set(given) {
  page = given;
  if (!socket && page) open();
  if (page?.view.older) return takeBack();
  if (page && JSON.stringify(question()) === asked) return;
  if (page?.follow) next();
  else if (asked) {
    asked = "";
    n += 1;
  }
}

// The figure is to be that of the page, older than what the hand has asked for: it was stopped.
function takeBack() {
  if (moved.size) return; // until the page has taken the sliders over
  clearTimeout(patience);
  inFlight = 0;
  next();
}

// Asks for something to be done, besides all questions; `refused` is called where it was not.
export function command(ask, query, refused) {
  if (!isOpen()) {
    outbox.push([ask, query, refused]);
    return;
  }
  commanded += 1;
  commands.set(commanded, refused);
  socket.send(JSON.stringify({ n: commanded, ask, query, view: {} }));
}

// Asks the same again: a message was lost.
export function again() {
  asked = "";
  if (page?.follow) next();
}

// The chart that told of this setting has left the page.
export function leave(given) {
  if (!page || page !== given) return;
  if (page.follow && isOpen()) command(page.ask, {}, () => {}); // follow nothing
  page = null;
  asked = "";
}

// A hand has moved a setting; returns whether an answer comes by the channel. While it drags on, the
// figure is all that it wants.
export function move(name, value, drags = false) {
  if (!page) return false;
  dragging = drags;
  moved.set(name, value);
  next(); // or as soon as it is open
  return isOpen();
}

// The page has taken over what was moved.
export function settle(name) {
  dragging = false;
  if (!moved.delete(name)) return;
  tell("settled");
  if (page?.view.older) takeBack();
}
