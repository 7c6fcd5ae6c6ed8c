// Fetches view.js, once for all charts of the page, and passes every call on to it, in order.

const view = import(new URL("VIEW", document.baseURI));
const left = new WeakSet(); // places that were left before the script was there

export default function (component) {
  const { parentElement } = component;
  let leave;
  left.delete(parentElement);
  view.then(
    ({ default: show }) => {
      if (!left.has(parentElement)) leave = show(component);
    },
    () => {
      parentElement.querySelector(".plotly-view").textContent =
        "The figures could not be loaded. Reload the page to try again.";
    },
  );
  return () => {
    left.add(parentElement);
    leave?.();
  };
}
