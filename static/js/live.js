// One WebSocket a page. It says which topic changed; the parts that show it are fetched again.
// Messages may be lost: everything is fetched again after a reconnect and when the tab is shown.

const REFRESH_EVERY_MS = 250;
const POLL_WHILE_DOWN_MS = 10000;
const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const SIGNED_OUT = 4403;

const listeners = new Set();
const pace = new WeakMap();
let attempts = 0;
let socket = null;

// Calls back with {topic, id}, or with null when anything may have changed.
export function onChange(listener) {
  listeners.add(listener);
}

// Returns a function that runs `action` at most every `everyMs`, and once more for the last call.
export function paced(action, everyMs = REFRESH_EVERY_MS) {
  let last = -Infinity;
  let timer = null;
  return () => {
    if (timer !== null) return;
    const wait = Math.max(0, last + everyMs - performance.now());
    timer = setTimeout(() => {
      timer = null;
      last = performance.now();
      action();
    }, wait);
  };
}

export function announce(text) {
  const announcer = document.getElementById("announcer");
  if (announcer && announcer.textContent !== text) announcer.textContent = text;
}

function showConnection(state, label) {
  const connection = document.getElementById("connection");
  if (!connection || connection.dataset.state === state) return;
  connection.dataset.state = state;
  connection.querySelector("[data-label]").textContent = label;
}

function tell(change) {
  for (const listener of listeners) listener(change);
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}${document.body.dataset.live}`);
  socket.addEventListener("open", () => {
    attempts = 0;
    showConnection("live", "Live");
    // Something may have happened between the rendering of the page and now, or while we were away.
    tell(null);
  });
  socket.addEventListener("message", (message) => {
    for (const change of JSON.parse(message.data)) tell(change);
  });
  socket.addEventListener("close", (event) => {
    socket = null;
    if (event.code === SIGNED_OUT) {
      showConnection("off", "Signed out");
      return;
    }
    showConnection("reconnecting", "Reconnecting…");
    const wait = RETRY_MS[Math.min(attempts, RETRY_MS.length - 1)];
    attempts += 1;
    setTimeout(connect, wait * (0.75 + Math.random() / 2));
  });
}

// --- Parts: <div data-topics="runs reviews:ID" hx-get=… hx-trigger="refresh">

function shows(part, change) {
  if (change === null) return true;
  return part.dataset.topics.split(" ").some((word) => {
    const [topic, id] = word.split(":");
    return topic === change.topic && (!id || id === change.id);
  });
}

function refresh(part) {
  if (!pace.has(part)) {
    pace.set(part, paced(() => {
      // A slow answer must not be overtaken by an older one: ask again when it is there.
      if (part.dataset.busy) part.dataset.again = "1";
      else window.htmx.trigger(part, "refresh");
    }));
  }
  pace.get(part)();
}

onChange((change) => {
  for (const part of document.querySelectorAll("[data-topics]")) {
    if (shows(part, change)) refresh(part);
  }
});

const isPart = (element) => element instanceof Element && element.hasAttribute("data-topics");

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isPart(event.target)) event.target.dataset.busy = "1";
});
document.addEventListener("htmx:afterRequest", (event) => {
  const part = event.target;
  if (!isPart(part)) return;
  delete part.dataset.busy;
  if (part.dataset.again) {
    delete part.dataset.again;
    refresh(part);
  }
});

let openDetails = [];

document.addEventListener("htmx:beforeSwap", (event) => {
  const path = new URL(event.detail.xhr.responseURL, location.href).pathname;
  if (path.startsWith("/login/")) {
    event.detail.shouldSwap = false;
    showConnection("off", "Signed out");
    return;
  }
  openDetails = [...event.detail.target.querySelectorAll("details[id]")].map((one) => [one.id, one.open]);
});
document.addEventListener("htmx:afterSwap", (event) => {
  for (const [id, open] of openDetails) {
    const details = document.getElementById(id);
    if (details) details.open = open;
  }
  const news = event.detail.target.querySelector("[data-announce]");
  if (news) announce(news.dataset.announce);
});

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") tell(null);
});
setInterval(() => {
  if (document.visibilityState === "visible" && socket?.readyState !== WebSocket.OPEN) tell(null);
}, POLL_WHILE_DOWN_MS);

connect();
