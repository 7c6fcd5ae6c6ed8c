// An entry in the browser's history for each change that a person makes. Streamlit pushes the path of a
// new page, then what the page writes into the address: Back had to be pressed twice. What a page says
// unasked belongs to the entry that is there. After Back, a path that comes late is that of the run before.

const push = history.pushState;
let by = "page";

history.pushState = function (state, title, url) {
  const moves = new URL(url, location.href).pathname !== location.pathname;
  if (by === "back" && moves) return;
  if (by === "person") push.call(history, state, title, url);
  else history.replaceState(state, title, url);
  by = "page";
};

addEventListener("popstate", () => { by = "back"; }, true);
for (const input of ["pointerdown", "keydown"]) {
  addEventListener(input, () => { by = "person"; }, { capture: true, passive: true });
}
