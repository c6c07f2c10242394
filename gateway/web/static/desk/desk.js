/* What script adds to the desk; every page works without it.
   Keys: "/" look-up, "j" and "k" rows, "Enter" opens, "?" help; a page's own open its forms. Counters follow; undoings count down. */
"use strict";

const typing = "input, select, textarea, [contenteditable]";

function move(step) {
  const rows = [...document.querySelectorAll("main tbody tr")].filter((row) => row.querySelector("a"));
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement.closest("tbody tr"));
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, at + step));
  rows[next].querySelector("a").focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(typing)) return;
  if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "/") {
    const field = document.querySelector("main input[type=search]");
    const link = document.querySelector("nav a[data-key='/']");
    if (field) field.focus();
    else if (link) link.click();
    else return;
    event.preventDefault();
  } else if (event.key === "?") document.querySelector("#keys")?.showModal();
  else if (/^[a-z]$/.test(event.key)) {
    /* An act of the page: its form opens, and what it asks first has the focus. */
    const act = document.querySelector(`main details[data-key="${event.key}"]`);
    if (!act || document.querySelector("dialog[open]")) return;
    act.open = true;
    act.querySelector("select, textarea, input:not([type=hidden])")?.focus();
    event.preventDefault();
  }
});

/* How far this clock is behind the gateway's. */
const skew = Number(document.body.dataset.now) - Date.now() / 1000;

/* Undoings: the seconds left, and away when there are none. */
function count() {
  for (const form of document.querySelectorAll(".undoings form")) {
    const left = Math.ceil(Number(form.dataset.ends) - (Date.now() / 1000 + skew));
    if (left <= 0) form.remove();
    else form.querySelector("[data-left]").textContent = `${left} s`;
  }
  const banner = document.querySelector(".undoings");
  if (banner && !banner.querySelector("form")) banner.remove();
  else if (banner) setTimeout(count, 500);
}
count();

/* Counters. The browser comes again by itself when the stream ends. */
const counters = document.querySelector("[data-live]");
if (counters) {
  const source = new EventSource(counters.dataset.live);
  source.addEventListener("counters", (event) => {
    let changed = false;
    for (const [name, value] of Object.entries(JSON.parse(event.data))) {
      const shown = counters.querySelector(`[data-counter="${name}"]`);
      if (!shown || shown.textContent === String(value)) continue;
      shown.textContent = String(value);
      shown.closest("li").dataset.count = String(value);
      changed = true;
    }
    if (changed && window.htmx) window.htmx.trigger(document.body, "counters");
  });
  addEventListener("pagehide", () => source.close());
}
