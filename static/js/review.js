// The review page: keys, and news. What a reviewer reads or types is never replaced under their hands.

import { arm, isArmed } from "./forms.js";
import { label, shortcuts } from "./keys.js";
import { announce, onChange, paced } from "./live.js";
import { tick } from "./time.js";

const review = () => document.getElementById("review");
const WHY = {
  pending: "The action, its votes or what was said about it are not what this page shows.",
  approved: "It was approved.",
  rejected: "Somebody rejected it.",
  answered: "Somebody answered it.",
  expired: "Its time is over.",
  cancelled: "Its run was cancelled.",
  superseded: "An edit raised its risk, and another review took its place.",
  revoked: "Its approval was taken back.",
};

const HURRY_MS = 300;
let typed = { key: "", at: -Infinity };

// One press approves; high and critical risk ask for a second one. A key amid others is somebody writing.
function approve(event) {
  const button = document.getElementById("approve");
  if (!button || button.form.hidden || button.disabled) return false;
  if (event.key !== typed.key && event.timeStamp - typed.at < HURRY_MS) return true;
  const password = button.form.querySelector("input[name=password]");
  if (password && !password.value) {
    password.focus();
    return true;
  }
  if (!button.dataset.arm || (document.activeElement === button && isArmed(button))) {
    button.form.requestSubmit(button);
    return true;
  }
  button.focus();
  arm(button);
  return true;
}

// Opens a choice and puts the cursor where the words go.
const write = (id) => () => {
  const details = document.getElementById(id);
  if (!details) return false;
  details.open = true;
  details.querySelector("form input:not([type=hidden]), form textarea, form select")?.focus();
  return true;
};

function answer() {
  const field = document.querySelector("#decision textarea[data-key=r]");
  field?.focus();
  return Boolean(field);
}

const follow = (...ids) => () => {
  const link = ids.map((id) => document.getElementById(id)).find(Boolean);
  link?.click();
  return Boolean(link);
};

shortcuts({
  a: approve,
  e: write("edit"),
  f: write("feedback"),
  r: () => write("reject")() || answer(),
  c: () => write("ask")() || write("reply")(),
  o: follow("open-run"),
  j: follow("next-in-queue"),
  k: follow("previous-in-queue"),
  n: follow("next", "next-in-queue"),
});

document.addEventListener("keydown", (event) => {
  if (event.key.length === 1) typed = { key: event.key, at: event.timeStamp };
});

// Ctrl+Enter sends what is being written; Escape leaves the field, so that the keys work again.
document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (!field.closest?.("#review form")) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field.matches("textarea")) {
    event.preventDefault();
    const buttons = field.form.querySelectorAll("button[type=submit]");
    if (buttons.length === 1) field.form.requestSubmit(buttons[0]);
  }
  if (event.key === "Escape" && field.matches("textarea, input")) field.blur();
});

// --- One choice is open at a time, and while the arguments are edited, the unedited call is out of reach.

function offerApprove() {
  const form = document.querySelector("#decision form.approve");
  const editing = document.getElementById("edit")?.open ?? false;
  if (!form) return;
  form.hidden = editing;
  document.getElementById("approve-closed").hidden = !editing;
}

document.addEventListener("toggle", (event) => {
  const opened = event.target;
  if (opened.open && opened.matches("details.choice")) {
    for (const other of document.querySelectorAll("details.choice[open]")) {
      if (other !== opened && !hasWords(other)) other.open = false;
    }
  }
  if (opened.id === "edit") offerApprove();
}, true);
offerApprove();

const hasWords = (part) => [...part.querySelectorAll("textarea")].some((field) => field.value !== field.defaultValue);

// --- The first look at a pending review is on record: said by the page, never by fetching it.

function sayViewed() {
  if (review().dataset.status !== "pending") return;
  const token = document.querySelector("input[name=csrfmiddlewaretoken]")?.value;
  fetch(review().dataset.viewed, { method: "POST", headers: { "X-CSRFToken": token }, keepalive: true }).catch(() => {});
}

if (document.prerendering) document.addEventListener("prerenderingchange", sayViewed, { once: true });
else sayViewed();

// --- News

// Somebody who may decide reads what they decide about; and what somebody writes is theirs.
const isTheirs = () => "decides" in review().dataset
  || review().querySelector("details.choice[open]") !== null
  || hasWords(review());

function replaceWith(fresh) {
  const open = [...review().querySelectorAll("details[id]")].filter((one) => one.open).map((one) => one.id);
  review().replaceWith(fresh);
  for (const id of open) {
    const details = document.getElementById(id);
    if (details) details.open = true;
  }
  offerApprove();
  label(fresh);
  announce(`Review ${fresh.dataset.status}`);
  tick();
}

async function look() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!response?.ok || response.redirected) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById("review");
  if (!fresh || fresh.dataset.state === review().dataset.state) return;
  if (!isTheirs()) {
    replaceWith(document.adoptNode(fresh));
    return;
  }
  const banner = document.getElementById("changed");
  banner.querySelector("[data-why]").textContent = WHY[fresh.dataset.status] ?? "";
  banner.hidden = false;
}

const lookSoon = paced(look);

onChange((change) => {
  const { review: id, run } = review().dataset;
  const isMine = change === null
    || (change.topic === "reviews" && change.id === id)
    || (change.topic === "runs" && change.id === run);
  if (isMine) lookSoon();
});
