// The queue by keyboard: j and k move the focus, Enter or o opens.

import { shortcuts } from "./keys.js";

function move(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  const at = rows.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1);
  rows[next]?.focus();
}

shortcuts({
  j: () => move(1),
  k: () => move(-1),
  o: () => (document.activeElement?.matches("[data-row]") ? document.activeElement.click() : false),
});
