// Refreshes the page while it is open. Every page also works without this script, by reloading.

const REFRESH_MS = 5000;
const REFRESH_RUNNING_MS = 1000; // while the page shows an unfinished run
const STALE_MS = 15000; // older data says how old it is
const TYPING_MS = 200; // after the last key of a search
const IDLE_FACTOR = 20; // wait this many times longer than the last refresh took: a slow server gets fewer requests
// Least seconds, seconds per unit, unit; the same table as in filters.py.
const UNITS = [[5184000, 2592000, "months"], [172800, 86400, "days"], [5400, 3600, "h"], [90, 60, "min"]];

function span(seconds) {
  const [, unit, name] = UNITS.find(([least]) => seconds >= least) ?? [0, 1, "s"];
  return `${name === "s" ? Math.floor(seconds) : Math.round(seconds / unit)} ${name}`;
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

// Also while runs are chosen: newer ones would push them off the page. And while a form is used: its button must not change under a finger.
function isInUse(region) {
  const selection = document.getSelection();
  if (selection && !selection.isCollapsed && region.contains(selection.anchorNode)) return true;
  if ([...region.querySelectorAll("input:not([type=checkbox]), textarea")].some((it) => it.value !== it.defaultValue)) return true;
  if (region.querySelector(".fields:is(:focus-within, :hover)")) return true;
  return Boolean(region.querySelector("input:not([type=checkbox]):focus, select:focus, textarea:focus, .runs .pick :checked"));
}

// The element that the next Tab reaches from a region that has become empty.
function following(region) {
  const all = document.querySelectorAll("main :is(a, button, summary)");
  return [...all].find((it) => region.compareDocumentPosition(it) & Node.DOCUMENT_POSITION_FOLLOWING);
}

// Show what is new in a region; false while a person uses it.
function swap(region, fresh) {
  if (!fresh || region.innerHTML === fresh.innerHTML) return true;
  if (isInUse(region)) return false;
  for (const details of region.querySelectorAll("details[open][id]")) {
    fresh.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute("open", "");
  }
  const chosen = [...region.querySelectorAll("input:checked")];
  const focusables = "a, button, summary, input, pre[tabindex]";
  const read = [...region.querySelectorAll("pre[tabindex]")].map((it) => ({
    name: it.ariaLabel, top: it.scrollTop, left: it.scrollLeft, isAtEnd: it.scrollTop + it.clientHeight >= it.scrollHeight - 2,
  }));
  const place = [...region.querySelectorAll(focusables)].indexOf(document.activeElement);
  const name = (element) => element?.getAttribute?.("href") ?? element?.value ?? element?.ariaLabel;
  const focused = name(document.activeElement);
  region.replaceChildren(...document.importNode(fresh, true).childNodes);
  for (const box of chosen) {
    const again = region.querySelector(`input[name="${box.name}"][value="${CSS.escape(box.value)}"]`);
    if (again) again.checked = true;
  }
  for (const it of read) {
    const again = region.querySelector(`pre[aria-label="${CSS.escape(it.name)}"]`);
    again?.scrollTo(it.left, it.isAtEnd ? again.scrollHeight : it.top); // at its end, it follows what comes
  }
  region.toggleAttribute("data-every", fresh.hasAttribute("data-every"));
  if (place >= 0) {
    const now = [...region.querySelectorAll(focusables)];
    const same = now.find((element) => focused && name(element) === focused) ?? now[place] ?? now.at(-1);
    (same ?? following(region))?.focus({ preventScroll: true });
  }
  return true;
}

let known = ""; // the tag of what the page shows
let freshAt = Date.now();
let newest = 0; // the number of the newest request: an answer to an older one is dropped
let isRefreshing = false;
let timer;

async function refresh(number) {
  // The answer to a POST has the form's address, which GET may not have.
  const here = document.querySelector("link[rel=canonical]")?.href ?? location.href;
  const headers = { Accept: "text/html", ...(known && { "If-None-Match": known }) };
  const answer = await fetch(here, { headers, redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(20000) });
  const html = await answer.text();
  if (number !== newest) return;
  if (answer.type === "opaqueredirect") return location.reload(); // to the login page: the session has ended
  if (answer.headers.has("Retry-After")) {
    tell("The page is busy: it refreshes again in a moment.");
    return 1000 * answer.headers.get("Retry-After");
  }
  if (answer.status !== 304) {
    if (!answer.ok) throw new Error(`the page answers ${answer.status}`);
    const fresh = new DOMParser().parseFromString(html, "text/html");
    known = answer.headers.get("ETag") ?? "";
    for (const region of document.querySelectorAll("[data-live]")) {
      if (!swap(region, fresh.getElementById(region.id))) known = ""; // ask for all of it again
    }
    document.title = fresh.title;
  }
  freshAt = Date.now();
  document.dispatchEvent(new Event("refreshed")); // for keys.js
  tell("");
  tick();
}

function tell(words) {
  const connection = document.getElementById("connection");
  if (connection.textContent !== words) connection.textContent = words;
}

// What is shown is older than it looks: the pill says so in the place of the service's state.
function markStale() {
  const pill = document.querySelector("#pill .words");
  if (!pill || Date.now() - freshAt < STALE_MS) return;
  const words = `as of ${new Date(freshAt).toTimeString().slice(0, 8)}`;
  known = "";
  if (pill.textContent === words) return;
  pill.textContent = words;
  pill.parentElement.className = "chip held";
}

function interval() {
  return document.querySelector("[data-live][data-every]") ? REFRESH_RUNNING_MS : REFRESH_MS;
}

async function keepRefreshing() {
  const number = ++newest;
  clearTimeout(timer);
  isRefreshing = true;
  const startedAt = performance.now();
  let wait = interval();
  let isShown = false;
  if (!document.hidden) {
    try {
      const pause = await refresh(number);
      isShown = pause === undefined;
      wait = Math.max(interval(), pause ?? 0, IDLE_FACTOR * (performance.now() - startedAt));
    } catch {
      known = "";
      if (number === newest) tell("Connection lost: this page may be out of date.");
    }
  }
  if (number !== newest) return false; // the newer request sets the timer
  isRefreshing = false;
  timer = setTimeout(keepRefreshing, wait);
  return isShown;
}

// Searches while you type. The address follows, so that a reload, a link and the Back button keep the search.
const search = document.querySelector("form[data-typed]");

async function find() {
  const asked = [...new FormData(search)].map(([key, value]) => [key, value.trim()]).filter(([, value]) => value);
  const query = String(new URLSearchParams(asked));
  const there = location.pathname + (query && `?${query}`);
  if (there === location.pathname + location.search) return;
  history.replaceState(history.state, "", there);
  const all = document.getElementById("all");
  if (all) all.checked = false; // it stood for what another search found
  if (!(await keepRefreshing())) return;
  const spoken = document.querySelector("[data-live] :is(.range, .empty)")?.textContent ?? "";
  if (location.search === there.slice(location.pathname.length)) document.getElementById("found").textContent = spoken;
}

let typing;
search?.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(find, TYPING_MS);
});
search?.addEventListener("submit", () => clearTimeout(typing));

tick();
setInterval(tick, 1000);
if (document.querySelector("main [data-live]")) {
  timer = setTimeout(keepRefreshing, interval());
  setInterval(markStale, 1000);
  document.addEventListener("visibilitychange", () => document.hidden || isRefreshing || keepRefreshing());
}
