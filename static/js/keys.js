// Single-key shortcuts: at rest while somebody types. Which keys, and whether at all, are a person's preferences.

const TYPING = "input:not([type=checkbox]), textarea, select, [contenteditable]";
const help = document.getElementById("help");
const usualOf = JSON.parse(help.dataset.usual);
const chosenFor = Object.fromEntries(Object.entries(usualOf).map(([chosen, usual]) => [usual, chosen]));
const enabled = () => "on" in help.dataset;

// Tells which key belongs to what, people who see and assistive technology: <button data-key="a">, by its usual key.
export function label(root = document) {
  for (const element of root.querySelectorAll("[data-key]")) {
    const key = chosenFor[element.dataset.key] ?? element.dataset.key;
    element.querySelector("kbd.of")?.remove();
    if (!enabled()) {
      element.removeAttribute("aria-keyshortcuts");
      continue;
    }
    element.setAttribute("aria-keyshortcuts", key);
    if (!element.matches(".button.wide")) continue;
    const hint = document.createElement("kbd");
    hint.className = "of";
    hint.ariaHidden = "true";
    hint.textContent = key;
    element.append(hint);
  }
}

// `bindings` maps a usual key to what it does; the person may have chosen another for it.
export function shortcuts(bindings) {
  const choice = help.querySelector("[data-shortcuts]");
  choice.addEventListener("change", () => {
    if (choice.checked) help.dataset.on = "";
    else delete help.dataset.on;
    label();
    fetch(choice.form.action, { method: "POST", body: new FormData(choice.form) });
  });
  for (const button of document.querySelectorAll("[data-help]")) {
    button.addEventListener("click", () => help.showModal());
  }
  document.addEventListener("keydown", (event) => {
    if (!enabled() || event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
    if (help.open || event.target.closest?.(TYPING)) return;
    const usual = usualOf[event.key] ?? (event.key in chosenFor ? null : event.key);
    const action = usual === "?" ? () => help.showModal() : bindings[usual];
    if (action && action(event) !== false) event.preventDefault();
  });
  label();
}
