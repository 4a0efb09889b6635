// Forms that ask for a second press, forms that are sent once, and Ctrl+Enter. All of them work without this.

import { announce } from "./live.js";

const ARMED_MS = 6000;
const DOUBLE_CLICK_MS = 400;
const armedAt = new WeakMap();
const timers = new WeakMap();

export function isArmed(form) {
  return armedAt.has(form);
}

export function arm(form) {
  const button = form.querySelector("button[type=submit]");
  armedAt.set(form, performance.now());
  button.dataset.label ??= button.textContent;
  button.textContent = form.dataset.arm;
  button.classList.add("is-armed");
  announce(form.dataset.arm);
  clearTimeout(timers.get(form));
  timers.set(form, setTimeout(() => disarm(form), ARMED_MS));
}

function disarm(form) {
  const button = form.querySelector("button[type=submit]");
  if (!armedAt.has(form) || form.dataset.sent) return;
  armedAt.delete(form);
  button.textContent = button.dataset.label;
  button.classList.remove("is-armed");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  if (form.dataset.arm) {
    if (!isArmed(form)) {
      event.preventDefault();
      arm(form);
      return;
    }
    // The second half of a double click is not a second thought.
    if (performance.now() - armedAt.get(form) < DOUBLE_CLICK_MS) {
      event.preventDefault();
      return;
    }
  }
  if (form.hasAttribute("data-once") || form.dataset.arm) {
    form.dataset.sent = "1";
    form.querySelector("button[type=submit]").setAttribute("aria-disabled", "true");
  }
});

// The browser may show a page again as it was left.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.querySelector("button[type=submit]").removeAttribute("aria-disabled");
    disarm(form);
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const form of document.querySelectorAll("form[data-arm]")) disarm(form);
  }
  const field = event.target;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field.matches?.("textarea#query")) {
    event.preventDefault();
    field.form.requestSubmit();
  }
});
