// The handle of the drawer: page.css has the column that it opens follow the attribute "data-open".

export default function ({ parentElement }) {
  const button = parentElement.querySelector("button");
  const host = parentElement.host ?? parentElement.getRootNode().host ?? parentElement;
  const column = host.closest('[data-testid="stColumn"]');
  const show = (open) => {
    button.setAttribute("aria-expanded", String(open));
    column?.toggleAttribute("data-open", open);
  };
  button.onclick = () => show(button.getAttribute("aria-expanded") !== "true");
  show(button.getAttribute("aria-expanded") === "true");
}
