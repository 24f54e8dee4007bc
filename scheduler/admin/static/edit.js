// Shows while typing what the form would do, in the place of the button "Check". Without this script, that button does it.

const PAUSE_MS = 250;
const form = document.querySelector("form[data-preview]");
const preview = document.getElementById("preview");
let newest = 0;
let timer;

async function check() {
  const number = ++newest;
  const typed = new FormData(form);
  typed.set("act", "check");
  const lost = document.getElementById("preview-lost");
  try {
    const answer = await fetch(location.href, { method: "POST", body: new URLSearchParams(typed), redirect: "manual" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("preview");
    if (number !== newest) return; // what was typed has changed since
    if (fresh) preview.replaceChildren(...document.importNode(fresh, true).childNodes);
    else lost.textContent = "No preview: the session has ended or Redis is away. What you typed stays here, and is kept when you save.";
  } catch {
    lost.textContent = "No preview: the page does not answer. What you typed stays here.";
  }
}

form.elements.zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(check, PAUSE_MS);
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(form.querySelector("button.main"));
});
check();
