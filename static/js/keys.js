// Single-key shortcuts: at rest while somebody types, and switched off for good in the help dialog.

const SETTING = "countersign.shortcuts";
const TYPING = "input:not([type=checkbox]), textarea, select, [contenteditable]";

const enabled = () => localStorage.getItem(SETTING) !== "off";

// `bindings` maps a key to what it does.
export function shortcuts(bindings) {
  const help = document.getElementById("help");
  const choice = help.querySelector("[data-shortcuts]");
  choice.checked = enabled();
  choice.addEventListener("change", () => localStorage.setItem(SETTING, choice.checked ? "on" : "off"));
  for (const button of document.querySelectorAll("[data-help]")) {
    button.addEventListener("click", () => help.showModal());
  }
  document.addEventListener("keydown", (event) => {
    if (!enabled() || event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
    if (help.open || event.target.closest?.(TYPING)) return;
    const action = event.key === "?" ? () => help.showModal() : bindings[event.key];
    if (action && action(event) !== false) event.preventDefault();
  });
}
