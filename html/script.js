// Draws how this page itself arrived: one bar for each file, from asking for it to its last byte.

"use strict";

function draw() {
  const files = performance
    .getEntriesByType("navigation")
    .concat(performance.getEntriesByType("resource"))
    .filter((entry) => entry.responseEnd > 0)
    .map((entry) => ({ name: entry.name, asked: entry.requestStart || entry.startTime, done: entry.responseEnd }))
    .sort((one, other) => one.asked - other.asked);
  const first = files[0].asked;
  const total = Math.max(...files.map((file) => file.done)) - first;
  const list = document.querySelector(".waterfall");
  for (const file of files) {
    list.append(row(shortName(file.name), file.asked - first, file.done - file.asked, total));
  }
  document.querySelector("#summary").textContent =
    `${files.length} files in ${milliseconds(total)}. Stairs, or side by side?`;
  document.querySelector("#waterfall").hidden = false;
}

function row(name, begin, length, total) {
  const bar = element("div", "bar");
  bar.style.marginLeft = `${(100 * begin) / total}%`;
  bar.style.width = `${(100 * length) / total}%`;
  const lane = element("div", "lane");
  lane.append(bar);
  const item = element("li", "");
  item.append(element("span", "name", name), lane, element("span", "time", milliseconds(length)));
  return item;
}

function element(tag, name, text = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

function shortName(address) {
  const path = new URL(address).pathname;
  return path.endsWith("/") ? "index.html" : path.split("/").slice(-2).join("/").replace(/^\//, "");
}

function milliseconds(time) {
  return `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;
}

addEventListener("load", () => setTimeout(draw));
