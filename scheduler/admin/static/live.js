// Keeps what is on the page true while it is looked at. Without this script every page works the same, by reloading.

const SLOW = 5000; // milliseconds between two looks
const FAST = 1000; // for a run that goes on
const SHARE = 20; // a page is asked for at most this small a part of the time that it takes
// From so many seconds on: the unit's length in seconds and its name, as in filters.py.
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

async function look() {
  // A page that answers a form has the form's address, which cannot be asked for again.
  const here = document.querySelector("link[rel=canonical]")?.href ?? location.href;
  const answer = await fetch(here, { headers: { Accept: "text/html" }, redirect: "manual", cache: "no-store" });
  if (answer.type === "opaqueredirect") return location.reload(); // the session is over
  if (!answer.ok) throw new Error(`the page answers ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const region of document.querySelectorAll("[data-live]")) swap(region, fresh.getElementById(region.id));
  tick();
}

function pause() {
  return document.querySelector("[data-live][data-every]") ? FAST : SLOW;
}

async function keepLooking() {
  const connection = document.getElementById("connection");
  const begun = performance.now();
  if (!document.hidden) {
    try {
      await look();
      if (connection.textContent) connection.textContent = "";
    } catch {
      const words = "The page cannot be refreshed: what it shows may be old.";
      if (connection.textContent !== words) connection.textContent = words;
    }
  }
  setTimeout(keepLooking, Math.max(pause(), SHARE * (performance.now() - begun)));
}

tick();
setInterval(tick, 1000);
if (document.querySelector("[data-live]")) setTimeout(keepLooking, pause());
