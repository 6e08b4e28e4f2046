// Draws how this server treats those who ask while others are silent.
//
// Two clients connect and say nothing, the second a while longer than the first. One file is asked for before them, one
// between them, one after them. A server that serves one client at a time comes to a file only when the silent client
// before it has asked: a staircase. Any other answers all three at once. A client that is connected and silent is what
// a browser makes of <link rel=preconnect crossorigin>: the connection lies in a pool from which only a fetch without
// credentials takes one, and such a fetch ends the silence. (There is a pool for each name of the host.)

"use strict";

const PAUSE = 250; // milliseconds that each silent client is silent for longer
const PATIENCE = 5000; // milliseconds after which nobody waits any more
const FILES = ["models/1.png", "models/2.png", "models/3.png"];
const other = location.hostname === "localhost" ? "127.0.0.1" : "localhost";
const SILENT = [location.origin, `${location.protocol}//${other}:${location.port}`];

async function play() {
  const began = performance.now();
  const rows = [];
  const ends = [];
  for (const [index, path] of FILES.entries()) {
    if (index > 0) {
      const origin = SILENT[index - 1];
      const silent = `${origin}/icon.png?${began}`;
      connect(origin);
      rows.push({ name: `silent ${index}`, address: silent, from: performance.now() });
      ends.push(sleep(PAUSE * index).then(() => ask(silent, "omit")));
      await sleep(25); // the next one comes after it
    }
    const file = new URL(`${path}?${began}`, location.href).href;
    rows.push({ name: path.split("/").pop(), address: file });
    ends.push(ask(file, "same-origin"));
    await sleep(25);
  }
  await Promise.allSettled(ends);
  for (let tries = 0; tries < 20 && !rows.every(entry); tries += 1) await sleep(50); // the browser adds them later
  draw(rows.filter(entry));
}

function connect(origin) {
  const link = element("link", "");
  link.rel = "preconnect";
  link.crossOrigin = "anonymous";
  link.href = origin;
  document.head.append(link);
}

async function ask(address, credentials) {
  const mode = address.startsWith(location.origin) ? "same-origin" : "no-cors";
  const signal = AbortSignal.timeout(PATIENCE);
  const answer = await fetch(address, { credentials, mode, signal, cache: "no-store" });
  await answer.arrayBuffer();
}

function entry(row) {
  return performance.getEntriesByName(row.address)[0];
}

/** What a row shows, in milliseconds. Of another origin a browser tells only when the whole began and ended. */
function phases(row) {
  const { startTime, requestStart, responseStart, responseEnd } = entry(row);
  const asked = requestStart || startTime;
  const answered = responseStart || responseEnd;
  const first = row.from === undefined ? ["asking", startTime, asked] : ["silent", row.from, asked];
  return [first, ["waiting", asked, answered], ["receiving", answered, responseEnd]];
}

function draw(rows) {
  if (rows.length === 0) return;
  const all = rows.map(phases);
  const begin = Math.min(...all.map((some) => some[0][1]));
  const total = Math.max(...all.map((some) => some[2][2])) - begin;
  const items = rows.map((row, index) => item(row.name, all[index], begin, total));
  document.querySelector(".waterfall").replaceChildren(...items);
  const waits = all.filter((some) => some[0][0] === "asking").map((some) => milliseconds(some[1][2] - some[1][1]));
  document.querySelector("#summary").textContent =
    "Two clients connected and said nothing for a while. Before, between and after them a file was asked for, and " +
    `waited ${waits.slice(0, -1).join(", ")} and ${waits.at(-1)}. Stairs, or side by side?`;
  document.querySelector("#waterfall").hidden = false;
}

function item(name, some, first, total) {
  const lane = element("div", "lane");
  for (const [kind, begin, end] of some) {
    const bar = element("div", `bar ${kind}`);
    bar.style.left = `${(100 * (begin - first)) / total}%`;
    bar.style.width = `${(100 * (end - begin)) / total}%`;
    bar.title = `${kind}, ${milliseconds(end - begin)}`;
    lane.append(bar);
  }
  const made = element("li", "");
  made.append(element("span", "name", name), lane, element("span", "time", milliseconds(some[2][2] - first)));
  return made;
}

function element(tag, name, text = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

function milliseconds(time) {
  return `${time < 9.95 ? time.toFixed(1) : Math.round(time)}\u00a0ms`;
}

function sleep(time) {
  return new Promise((done) => setTimeout(done, time));
}

addEventListener("load", () => setTimeout(play, 100));
