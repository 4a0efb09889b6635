// The queue by keyboard, and its news. Nothing that a reviewer points at ever moves by itself: rows change in
// place, closed ones stay where they are, and new ones wait behind a bar until somebody asks for them.

import { shortcuts } from "./keys.js";
import { announce, onChange, paced } from "./live.js";
import { tick } from "./time.js";

const LOOK_EVERY_MS = 1000;
const queue = document.getElementById("queue");
const bar = document.getElementById("news");
const together = document.getElementById("together");
const picked = new Map(); // review id -> shape, kept while rows change

const rowsIn = (page) => [...page.querySelectorAll("li[data-review]")];
const titles = () => [...queue.querySelectorAll("[data-row]")];

function move(step) {
  const rows = titles();
  const at = rows.indexOf(document.activeElement?.closest("li")?.querySelector("[data-row]"));
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1);
  rows[next]?.focus();
}

function toggle() {
  const box = document.activeElement?.closest("li[data-review]")?.querySelector("[data-pick]");
  if (!box || box.disabled) return false;
  box.checked = !box.checked;
  pick(box);
  return true;
}

shortcuts({
  j: () => move(1),
  k: () => move(-1),
  o: () => (document.activeElement?.matches("[data-row]") ? document.activeElement.click() : false),
  x: toggle,
  "/": () => document.getElementById("filter-q").focus(),
});

// --- Calls that are decided together

function pick(box) {
  if (box.checked) picked.set(box.value, box.closest("li").dataset.shape);
  else picked.delete(box.value);
  showPicked();
}

function showPicked() {
  const shapes = new Set(picked.values());
  const link = together.querySelector("[data-decide-together]");
  together.hidden = picked.size === 0;
  together.querySelector("[data-chosen]").textContent = shapes.size > 1
    ? `${picked.size} chosen, of ${shapes.size} kinds: decide one kind at a time`
    : `${picked.size} chosen`;
  link.hidden = shapes.size !== 1;
  if (shapes.size === 1) {
    const ids = [...picked.keys()].map((id) => `id=${encodeURIComponent(id)}`).join("&");
    link.href = `/reviews/batch/${encodeURIComponent([...shapes][0])}/?${ids}`;
  }
}

queue.addEventListener("change", (event) => {
  if (event.target.matches("[data-pick]")) pick(event.target);
});
together.querySelector("[data-clear]").addEventListener("click", () => {
  picked.clear();
  for (const box of queue.querySelectorAll("[data-pick]")) box.checked = false;
  showPicked();
});

// --- News

let latest = null;

function changeInPlace(row, fresh) {
  for (const part of row.querySelectorAll("[data-part]")) {
    const new_ = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (part.contains(document.activeElement) || part.textContent === new_.textContent) continue;
    part.replaceWith(document.importNode(new_, true));
  }
}

function close(row) {
  if (row.classList.contains("is-gone")) return;
  row.classList.add("is-gone");
  const label = document.createElement("span");
  label.className = "badge";
  label.textContent = "no longer in this list";
  row.querySelector("[data-part=flags]").append(" ", label);
  const box = row.querySelector("[data-pick]");
  if (box) {
    box.checked = false;
    box.disabled = true;
    picked.delete(box.value);
    showPicked();
  }
}

function compare(page) {
  const fresh = new Map(rowsIn(page).map((row) => [row.dataset.review, row]));
  // A full page loses rows at its end to the next page: only what left from before one that stayed is closed.
  let stayed = page.querySelector("a[rel=next]") === null;
  for (const row of rowsIn(queue).reverse()) {
    const same = fresh.get(row.dataset.review);
    if (same) changeInPlace(row, same);
    else if (stayed) close(row);
    stayed ||= Boolean(same);
    fresh.delete(row.dataset.review);
  }
  const tabs = document.getElementById("queue-tabs");
  if (!tabs.contains(document.activeElement)) tabs.replaceWith(document.importNode(page.getElementById("queue-tabs"), true));
  const text = fresh.size === 1 ? "1 new review" : `${fresh.size} new reviews`;
  if (fresh.size > 0 && bar.querySelector("[data-news]").textContent !== text) announce(text);
  bar.querySelector("[data-news]").textContent = text;
  bar.hidden = fresh.size === 0;
  tick();
}

async function look() {
  const response = await fetch(queue.dataset.queue, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (!response?.ok || response.redirected) return;
  latest = await response.text();
  compare(new DOMParser().parseFromString(latest, "text/html"));
}

function showNews() {
  if (latest === null) return;
  queue.replaceChildren(...new DOMParser().parseFromString(latest, "text/html").body.childNodes);
  for (const box of queue.querySelectorAll("[data-pick]")) box.checked = picked.has(box.value);
  for (const id of picked.keys()) {
    if (!queue.querySelector(`[data-review="${CSS.escape(id)}"]`)) picked.delete(id);
  }
  showPicked();
  bar.hidden = true;
  tick();
  titles()[0]?.focus();
}

bar.querySelector("[data-show-news]").addEventListener("click", showNews);

const lookSoon = paced(look, LOOK_EVERY_MS);
onChange((change) => {
  if (change === null || change.topic === "reviews") lookSoon();
});
