/* What script adds to the desk; every page works without it. */
"use strict";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
  if (event.key === "/") {
    const link = document.querySelector("nav a[href$='look-up']");
    if (link) { event.preventDefault(); link.click(); }
  }
});
