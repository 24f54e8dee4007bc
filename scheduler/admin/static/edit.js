// Shows while typing what the form would do, in the place of the button "Check". Without this script, that button does it.

const PAUSE_MS = 150; // the preview should be there 300 ms after the last key
const form = document.querySelector("form[data-preview]");
const preview = document.getElementById("preview");
let newest = 0;
let timer;

// Another task has other parameters.
function showArguments(fresh) {
  const shown = document.getElementById("arguments");
  if (!fresh || fresh.dataset.task === shown.dataset.task || shown.contains(document.activeElement)) return;
  shown.replaceWith(document.importNode(fresh, true));
}

async function check() {
  const number = ++newest;
  const typed = new FormData(form);
  typed.set("act", "check");
  const lost = document.getElementById("preview-lost");
  try {
    const answer = await fetch(location.href, { method: "POST", body: new URLSearchParams(typed), redirect: "manual" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("preview");
    if (number !== newest) return; // what was typed has changed since
    showArguments(page.getElementById("arguments"));
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
