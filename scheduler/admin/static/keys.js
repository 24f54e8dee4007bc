// Keys for what a person does often, copies of texts, and the zone in which times are shown. Every page also works without this script.

const stored = (key, otherwise) => localStorage.getItem(key) ?? otherwise;
const rowLinks = () => [...document.querySelectorAll("tbody th[scope=row] a:not(.tag), .problems a")];
const help = document.getElementById("keys");
const helpButton = document.getElementById("help");
const keysSwitch = document.getElementById("keys-on");
let isAfterG = false;

function move(step) {
  const links = rowLinks();
  const row = document.activeElement?.closest("tr, li");
  const place = links.findIndex((link) => link.closest("tr, li") === row);
  links[Math.min(Math.max(place + step, 0), links.length - 1)]?.focus();
}

// The link or button that the page has for a key, or a page of the schedule whose row has the focus.
function act(key) {
  const row = document.activeElement?.closest("tbody tr");
  const link = row?.querySelector("th[scope=row] a");
  const isOfSchedule = /\/schedules\/[^/]+$/.test(link?.pathname ?? ""); // and not of one of its runs
  if (isOfSchedule && "rpe".includes(key)) {
    location.href = link.href + { r: "/run", p: "#pause", e: "/edit" }[key];
    return;
  }
  const target = document.querySelector(`[data-key="${key}"]`);
  if (target?.tagName === "A") target.click();
  else if (target) open(target);
}

// Nothing is sent by a key alone: a button gets the focus, and Enter presses it.
function open(target) {
  const details = target.closest("details");
  if (details) details.open = true;
  (details?.querySelector("input:not([type=hidden])") ?? target).focus();
}

function press(event) {
  const isTyping = event.target.closest?.("input:not([type=checkbox]), select, textarea, [contenteditable]");
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping || stored("keys", "on") === "off" || help?.open) return;
  const key = isAfterG ? `g ${event.key}` : event.key;
  isAfterG = event.key === "g" && !isAfterG;
  if (isAfterG) return;
  if (key === "/") document.getElementById("q")?.focus();
  else if (key === "j") move(1);
  else if (key === "k") move(-1);
  else if (key === "x") document.activeElement?.closest("tr")?.querySelector("input[type=checkbox]")?.click();
  else if (key === "t") turnZone();
  else if (key === "?") help?.showModal();
  else if (/^(g )?[a-z]$/.test(key)) return act(key);
  else return;
  event.preventDefault();
}

// Runs, Timeline, Health and Audit have their times in UTC: there, "schedule" and "UTC" are the same.
const zoneButton = document.getElementById("zone");
const own = zoneButton?.dataset.own;
const ZONES = ["schedule", "UTC", "mine"];
const original = new WeakMap();

function inZone(time, zone) {
  const instant = new Date(time.dateTime);
  const said = original.get(time) ?? time.textContent;
  original.set(time, said);
  if (zone === "schedule" || Number.isNaN(instant.getTime())) return said;
  const parts = new Intl.DateTimeFormat("en-GB", {
    weekday: "short", day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
    ...(/\d:\d\d:\d\d/.test(said) && { second: "2-digit" }),
    ...(/ \d{4} /.test(said) && { year: "numeric" }),
    ...(zone === "UTC" && { timeZone: "UTC" }),
  });
  return parts.format(instant).replaceAll(",", "");
}

function showZone() {
  const zone = stored("zone", "schedule");
  for (const time of document.querySelectorAll("time[datetime]:not([data-relative])")) {
    const words = inZone(time, zone);
    if (time.textContent !== words) time.textContent = words;
  }
  const mine = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const words = { schedule: own, UTC: "UTC", mine: `my zone, ${mine}` }[zone];
  if (zoneButton) zoneButton.textContent = `Times in ${words}`;
}

function turnZone() {
  const next = ZONES[(ZONES.indexOf(stored("zone", "schedule")) + 1) % ZONES.length];
  localStorage.setItem("zone", next === "UTC" && own === "UTC" ? "mine" : next);
  showZone();
}

// Puts the text below the button on the clipboard. Browsers have one over https and on this machine; elsewhere it selects the text.
async function copy(button) {
  const text = button.nextElementSibling;
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(text);
    button.textContent = "Selected: now copy it";
  }
}

document.documentElement.classList.add("scripted"); // what only scripts can do is shown
document.addEventListener("click", (event) => event.target.matches?.(".copy") && copy(event.target));
document.addEventListener("keydown", press);
document.addEventListener("refreshed", showZone);
zoneButton?.addEventListener("click", turnZone);
for (const button of document.querySelectorAll("footer [hidden]")) button.hidden = false;
if (help) {
  helpButton.addEventListener("click", () => help.showModal());
  help.querySelector("button").addEventListener("click", () => help.close());
  keysSwitch.checked = stored("keys", "on") === "on";
  keysSwitch.addEventListener("change", () => localStorage.setItem("keys", keysSwitch.checked ? "on" : "off"));
}
if (location.hash === "#pause") {
  const summary = document.querySelector('[data-key="p"]');
  if (summary) open(summary);
}
showZone();
