// Refreshes the page while it is open. Every page also works without this script, by reloading.

const REFRESH_MS = 5000;
const REFRESH_RUNNING_MS = 1000; // while the page shows an unfinished run
const IDLE_FACTOR = 20; // wait this many times longer than the last refresh took: a slow server gets fewer requests
// Least seconds, seconds per unit, unit; the same table as in filters.py.
const UNITS = [[5184000, 2592000, "months"], [172800, 86400, "days"], [5400, 3600, "h"], [90, 60, "min"]];

function span(seconds) {
  const [, unit, name] = UNITS.find(([least]) => seconds >= least) ?? [0, 1, "s"];
  return `${Math.floor(seconds / unit)} ${name}`;
}

function relative(instant) {
  const seconds = (Date.parse(instant) - Date.now()) / 1000;
  const words = span(Math.abs(seconds));
  if (words === "0 s") return "now";
  return seconds > 0 ? `in ${words}` : `${words} ago`;
}

function tick() {
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const words = relative(time.dateTime);
    if (time.textContent !== words) time.textContent = words;
  }
}

function isInUse(region) {
  const selection = document.getSelection();
  if (selection && !selection.isCollapsed && region.contains(selection.anchorNode)) return true;
  return Boolean(region.querySelector("input:focus, select:focus, textarea:focus"));
}

function swap(region, fresh) {
  if (!fresh || region.innerHTML === fresh.innerHTML || isInUse(region)) return;
  for (const details of region.querySelectorAll("details[open][id]")) {
    fresh.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute("open", "");
  }
  const focusables = "a, button, summary";
  const place = [...region.querySelectorAll(focusables)].indexOf(document.activeElement);
  const focused = document.activeElement?.getAttribute?.("href");
  region.replaceChildren(...document.importNode(fresh, true).childNodes);
  region.toggleAttribute("data-every", fresh.hasAttribute("data-every"));
  if (place >= 0) {
    const now = [...region.querySelectorAll(focusables)];
    (now.find((element) => focused && element.getAttribute("href") === focused) ?? now[place])?.focus({ preventScroll: true });
  }
}

async function refresh() {
  // The answer to a POST has the form's address, which GET may not have.
  const here = document.querySelector("link[rel=canonical]")?.href ?? location.href;
  const answer = await fetch(here, { headers: { Accept: "text/html" }, redirect: "manual", cache: "no-store" });
  if (answer.type === "opaqueredirect") return location.reload(); // to the login page: the session has ended
  if (!answer.ok) throw new Error(`the page answers ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const region of document.querySelectorAll("[data-live]")) swap(region, fresh.getElementById(region.id));
  document.title = fresh.title;
  tick();
}

function interval() {
  return document.querySelector("[data-live][data-every]") ? REFRESH_RUNNING_MS : REFRESH_MS;
}

async function keepRefreshing() {
  const connection = document.getElementById("connection");
  const startedAt = performance.now();
  if (!document.hidden) {
    try {
      await refresh();
      if (connection.textContent) connection.textContent = "";
    } catch {
      const words = "Connection lost: this page may be out of date.";
      if (connection.textContent !== words) connection.textContent = words;
    }
  }
  setTimeout(keepRefreshing, Math.max(interval(), IDLE_FACTOR * (performance.now() - startedAt)));
}

tick();
setInterval(tick, 1000);
if (document.querySelector("main [data-live]")) setTimeout(keepRefreshing, interval());
