// How many calls are ticked, beside the field in which that number is typed.

import { tick } from "./time.js";

const form = document.querySelector("form[data-batch]");

function count() {
  const ticked = form.querySelectorAll("input[name=item]:checked").length;
  form.querySelector("[data-ticked]").textContent = ticked ? `(${ticked})` : "";
}

if (form) {
  form.addEventListener("change", count);
  count();
  tick();
}
