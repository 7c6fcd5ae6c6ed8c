// Steers a training. Clicks and keys go by the live channel, which says in return how the training
// stands; the page runs once whenever it has come to stand elsewhere than it was drawn.

const channel = import(new URL("LIVE", document.baseURI));
const PLACES = new WeakMap();
const DOUBLE_CLICK = 400; // ms within which a second click on Play is not a wish to pause
const POLL = 1000; // ms between two looks at a training where there is no channel
const KEYS = { p: "play", b: "reset", n: "new_weights", x: "stop", 1: "1", 2: "10", 3: "100" };
const OF_THE_PAGE = ["go_on", "new_weights"]; // what needs its settings
let live; // the channel's module, once it is there
channel.then((module) => { live = module; });

function opened(parent) {
  const place = { status: null, at: -Infinity, played: -Infinity, asked: "", poll: null, off: () => {} };
  const onKey = (event) => place.key?.(event);
  document.addEventListener("keydown", onKey);
  channel.then((module) => {
    const off = module.on("figure", (message) => {
      if (message.chart === "transport") place.take(message.status, message.at);
    });
    place.off = () => { off(); document.removeEventListener("keydown", onKey); };
  });
  PLACES.set(parent, place);
  return place;
}

// Whether what the page has drawn is not how the training stands.
function hasMoved(drawn, status) {
  if (status.job !== drawn.job || status.busy !== drawn.busy || status.alive !== drawn.alive) return true;
  const here = status.epoch === drawn.epoch && status.records === drawn.records;
  return status.busy ? drawn.records === 0 && status.records > 0 : !here;
}

function typing({ target, ctrlKey, metaKey, altKey }) {
  const inner = target.shadowRoot?.activeElement || target;
  return ctrlKey || metaKey || altKey
    || inner.matches?.("input:not([type=range]), textarea, select, [contenteditable]");
}

export default function ({ data, parentElement, setTriggerValue }) {
  const place = PLACES.get(parentElement) || opened(parentElement);
  channel.then((module) => module.set(data.question));
  const row = parentElement.querySelector(".row"), bar = parentElement.querySelector(".bar");
  const play = row.querySelector(".play");
  row.hidden = !data.steers;

  const show = () => {
    const { busy, playing, alive, over, share, said, outlook } = place.status;
    play.dataset.act = busy ? "pause" : "play";
    play.firstChild.textContent = busy ? "Pause" : "Play";
    play.disabled = over;
    play.title = over ? "It has ended. Start over, go back to an earlier step, or allow more steps." : "";
    for (const button of row.querySelectorAll("[data-act=step]")) button.disabled = playing || over;
    row.querySelector("[data-act=stop]").disabled = !alive;
    row.querySelector(".outlook").textContent = outlook;
    parentElement.querySelector(".said").textContent = said;
    parentElement.querySelector(".back").hidden = busy || !data.look;
    bar.hidden = !busy && Boolean(data.look);
    bar.firstChild.style.width = `${100 * share}%`;
    bar.setAttribute("aria-valuenow", Math.round(100 * share));
    bar.setAttribute("aria-valuetext", said);
  };
  const run = () => setTriggerValue("moved", performance.now());
  place.take = (status, at) => {
    if (at >= place.at || place.status?.job !== status.job) Object.assign(place, { status, at });
    show();
    status = place.status;
    if (!hasMoved(data.status, status)) return;
    const key = JSON.stringify([status.job, status.busy, status.alive, status.epoch, !status.busy && status.records]);
    if (place.asked === key) return; // the page is on its way
    place.asked = key;
    run();
  };
  const act = (what, count = 0) => {
    const told = { what, count, at: Date.now() };
    const byThePage = () => setTriggerValue("act", told);
    if (OF_THE_PAGE.includes(what) || !live || live.isBlocked()) byThePage();
    else live.command("steer", { job: data.status.job, what, count: String(count) }, byThePage);
  };
  const click = (button, isKey = false) => {
    const { act: what, count } = button.dataset;
    const now = performance.now();
    const isDouble = !isKey && what === "pause" && now - place.played < DOUBLE_CLICK;
    if (button.disabled || isDouble) return;
    if (what === "play") place.played = now;
    act(what, Number(count || 0));
  };
  for (const button of row.querySelectorAll("button")) button.onclick = () => click(button);
  // Where the training rests, a slider through its steps takes the place of the bar.
  const { look } = data, back = parentElement.querySelector(".back");
  const [range, goOn] = ["input", "button"].map((name) => back.querySelector(name));
  if (look) {
    range.max = look.last;
    range.value = look.at;
    range.setAttribute("aria-valuetext", `step ${look.at}`);
    goOn.hidden = look.kept === null;
    goOn.textContent = `Go on from step ${look.kept}`;
  }
  range.oninput = () => range.setAttribute("aria-valuetext", `step ${range.value}`);
  range.onchange = () => setTriggerValue("shown", Number(range.value));
  goOn.onclick = () => act("go_on", look.kept);
  const speed = parentElement.querySelector("select");
  speed.parentElement.hidden = !data.steers;
  if (!speed.length) speed.append(...data.speeds.map(([value, label]) => new Option(label, value)));
  speed.value = data.speed;
  speed.onchange = () => setTriggerValue("speed", speed.value);
  place.key = (event) => {
    const wanted = KEYS[event.key.toLowerCase()];
    if (!wanted || !data.steers || event.repeat || typing(event)) return;
    const button = wanted === "play" ? play
      : row.querySelector(`[data-act="${wanted}"]`) || row.querySelector(`[data-count="${wanted}"]`);
    event.preventDefault();
    click(button, true);
  };

  place.asked = "";
  place.take(data.status, data.at);
  clearTimeout(place.poll);
  if (data.status.busy) place.poll = setTimeout(() => live?.isBlocked() && run(), POLL);
  return () => {
    clearTimeout(place.poll);
    live?.leave(data.question);
    place.off();
    PLACES.delete(parentElement);
  };
}
