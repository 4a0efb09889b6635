// The page of a rule: the sentence follows what is typed, and rows come and go without a new page. The page works without this file.

const TYPING_MS = 500;
const body = () => document.getElementById("rule-body");
let timer;
let latest = 0;

async function fetched(form, word) {
  const mine = (latest += 1);
  const data = new FormData(form);
  data.set("do", word);
  const answer = await fetch(form.action || location.href, { method: "POST", body: data, credentials: "same-origin" });
  if (!answer.ok || mine !== latest) return null;
  return new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("rule-body");
}

function replaced(fresh, focus) {
  const open = [...body().querySelectorAll("details")].map((one) => one.open);
  body().replaceChildren(...fresh.childNodes);
  body().querySelectorAll("details").forEach((one, n) => { one.open ||= open[n] ?? false; });
  document.getElementById(focus)?.focus();
}

function nextFocus(word, own) {
  const [verb, block] = word.split(":");
  if (verb === "add-row") {
    const rows = body().querySelectorAll(`[id^="b${block}-r"][id$="-path"]`);
    return `b${block}-r${rows.length}-path`;
  }
  if (verb === "remove-row") return `add-row-${block}`;
  if (verb === "remove-group") return "add-group";
  if (verb === "add-group") return `b${body().querySelectorAll("[id$='-join']").length}-join`;
  if (verb === "test") return "replay";
  return own;
}

document.addEventListener("submit", async (event) => {
  const word = event.submitter?.value ?? "";
  if (event.target.id !== "rule-form" || word === "save") return;
  event.preventDefault();
  clearTimeout(timer);
  const focus = nextFocus(word, event.submitter?.id);
  const fresh = await fetched(event.target, word);
  if (fresh) replaced(fresh, focus);
});

document.addEventListener("change", async (event) => {
  const form = event.target.form;
  if (form?.id !== "rule-form" || !event.target.matches("[data-refresh]")) return;
  clearTimeout(timer);
  const fresh = await fetched(form, "look");
  if (fresh) replaced(fresh, event.target.id);
});

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (form?.id !== "rule-form" || event.target.id === "id-json" || event.target.matches("[data-refresh]")) return;
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const fresh = await fetched(form, "look");
    const said = fresh?.querySelector("#rule-summary");
    if (!said) return;
    document.getElementById("rule-summary").replaceChildren(...said.childNodes);
    const json = fresh.querySelector("#id-json");
    if (json && form.elements.as?.value !== "json") document.getElementById("id-json").value = json.value;
  }, TYPING_MS);
});
