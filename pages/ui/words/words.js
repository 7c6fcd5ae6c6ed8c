// Words that the page has drawn and the live channel brings up to date.

const channel = import(new URL("LIVE", document.baseURI));
const LISTENERS = new WeakMap();

function show(place, html) {
  if (place.said === html) return; // what a person has marked in it stays marked
  place.said = html;
  const open = place.querySelector("details")?.open;
  place.innerHTML = html;
  if (open) place.querySelector("details").open = true;
}

export default function ({ data, parentElement }) {
  const place = parentElement.querySelector(".words");
  show(place, data.html);
  if (LISTENERS.has(parentElement)) return LISTENERS.get(parentElement);
  let off = () => {};
  channel.then((live) => {
    off = live.on("figure", (message) => {
      if (message.chart === data.name && message.html !== undefined) show(place, message.html);
    });
  });
  const leave = () => { off(); LISTENERS.delete(parentElement); };
  LISTENERS.set(parentElement, leave);
  return leave;
}
