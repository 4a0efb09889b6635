// The review page: keys, and news. What a reviewer reads or types is never replaced under their hands.

import { arm, isArmed } from "./forms.js";
import { shortcuts } from "./keys.js";
import { announce, onChange, paced } from "./live.js";
import { tick } from "./time.js";

const review = () => document.getElementById("review");
const WHY = {
  pending: "The action or its votes are not what this page shows.",
  approved: "Somebody approved it.",
  rejected: "Somebody rejected it.",
  answered: "Somebody answered it.",
  expired: "Its time is over.",
  cancelled: "Its run was cancelled.",
};

function approve() {
  const button = document.getElementById("approve");
  if (!button || button.form.hidden) return false;
  if (document.activeElement === button && (isArmed(button) || !button.dataset.arm)) {
    button.form.requestSubmit(button);
    return true;
  }
  button.focus();
  if (button.dataset.arm) arm(button);
  return true;
}

function edit() {
  const details = document.getElementById("edit");
  if (!details) return false;
  details.open = true;
  details.querySelector("form input:not([type=hidden]), form textarea, form select")?.focus();
  return true;
}

function write() {
  const field = document.querySelector("#decision textarea[aria-keyshortcuts=r]");
  field?.focus();
  return Boolean(field);
}

function follow(id) {
  const link = document.getElementById(id);
  link?.click();
  return Boolean(link);
}

shortcuts({
  a: approve,
  e: edit,
  r: write,
  o: () => follow("open-run"),
  n: () => follow("next"),
});

// While the arguments are being edited, the button that runs the unedited call is out of reach.
function offerApprove() {
  const form = document.querySelector("#decision form.approve");
  const editing = document.getElementById("edit")?.open ?? false;
  if (!form) return;
  form.hidden = editing;
  document.getElementById("approve-closed").hidden = !editing;
}

document.addEventListener("toggle", (event) => {
  if (event.target.id === "edit") offerApprove();
}, true);
offerApprove();

const hasForm = () => document.querySelector("#decision form") !== null;

function replaceWith(fresh) {
  const open = [...review().querySelectorAll("details[id]")].filter((one) => one.open).map((one) => one.id);
  review().replaceWith(fresh);
  for (const id of open) {
    const details = document.getElementById(id);
    if (details) details.open = true;
  }
  offerApprove();
  announce(`Review ${fresh.dataset.status}`);
  tick();
}

async function look() {
  const response = await fetch(location.pathname, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!response?.ok || response.redirected) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById("review");
  if (!fresh || fresh.dataset.state === review().dataset.state) return;
  if (!hasForm()) {
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
