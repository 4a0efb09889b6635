// Buttons that ask for a second press (data-arm), forms that are sent once, and Ctrl+Enter. All of them work without this.

import { announce } from "./live.js";

const ARMED_MS = 6000;
const DOUBLE_CLICK_MS = 400;
const armedAt = new WeakMap();
const timers = new WeakMap();
const faces = new WeakMap();

export function isArmed(button) {
  return armedAt.has(button);
}

export function arm(button) {
  if (isArmed(button)) return;
  for (const other of button.form.querySelectorAll("button[data-arm]")) disarm(other);
  armedAt.set(button, performance.now());
  faces.set(button, [...button.childNodes]);
  button.textContent = button.dataset.arm;
  button.classList.add("is-armed");
  announce(button.dataset.arm);
  clearTimeout(timers.get(button));
  timers.set(button, setTimeout(() => disarm(button), ARMED_MS));
}

function disarm(button) {
  if (!armedAt.has(button) || button.form?.dataset.sent) return;
  armedAt.delete(button);
  button.replaceChildren(...faces.get(button));
  button.classList.remove("is-armed");
}

const submitters = (form) => form.querySelectorAll("button[type=submit]");

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  const button = event.submitter ?? submitters(form)[0];
  if (button?.dataset.arm) {
    if (!isArmed(button)) {
      event.preventDefault();
      arm(button);
      return;
    }
    // The second half of a double click is not a second thought.
    if (performance.now() - armedAt.get(button) < DOUBLE_CLICK_MS) {
      event.preventDefault();
      return;
    }
  }
  if (form.hasAttribute("data-once") || button?.dataset.arm) {
    form.dataset.sent = "1";
    for (const one of submitters(form)) one.setAttribute("aria-disabled", "true");
  }
});

// The browser may show a page again as it was left.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of submitters(form)) {
      button.removeAttribute("aria-disabled");
      disarm(button);
    }
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const button of document.querySelectorAll("button[data-arm]")) disarm(button);
  }
  const field = event.target;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field.matches?.("textarea#query")) {
    event.preventDefault();
    field.form.requestSubmit();
  }
});
