// Keeps ages and countdowns up to date without trusting the reader's clock for deadlines.

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const deadlines = new WeakMap();

// tenants/templatetags/display.py does the same on the server.
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)} h ${Math.floor((whole % HOUR) / MINUTE)} min`;
  return `${Math.floor(whole / DAY)} d ${Math.floor((whole % DAY) / HOUR)} h`;
}

function left(seconds) {
  if (seconds <= 0) return "time is over";
  if (seconds >= 10 * MINUTE) return duration(seconds);
  return `${Math.floor(seconds / MINUTE)}:${String(Math.floor(seconds % MINUTE)).padStart(2, "0")} min`;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function tick() {
  for (const element of document.querySelectorAll("[data-ago]")) {
    write(element, duration((Date.now() - Date.parse(element.dateTime)) / 1000));
  }
  for (const element of document.querySelectorAll("[data-left-s]")) {
    if (!deadlines.has(element)) deadlines.set(element, performance.now() + Number(element.dataset.leftS) * 1000);
    const seconds = (deadlines.get(element) - performance.now()) / 1000;
    write(element, left(seconds));
    element.classList.toggle("is-urgent", seconds < 5 * MINUTE);
  }
}

tick();
setInterval(tick, 1000);
document.addEventListener("htmx:afterSettle", tick);
