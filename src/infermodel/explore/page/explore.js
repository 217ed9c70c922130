"use strict";
// Moves controls, asks the program, shows what it says. Every figure and its text are the program's.

const SETTLE_MS = 60, RUN_AFTER_MS = 350, STEPS = 200;

let about = null; // title, controls, measures
let past = [{}], at = 0; // changes by path, one state after the other
let first = null, run = null, bracket = null; // answers to the present state
let sorting = { key: "", down: false }, asked = 0, timer = 0;
let sliding = ""; // path of the slider that is being pulled
const shown = new Map(); // path -> how its control is set and told what is wrong

const changes = () => past[at];

async function ask(path, told) {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ changes: told }) });
  return { status: answer.status, body: await answer.json() };
}

// ---- controls ------------------------------------------------------------------------------------------------------

function written(control, value) { // as the scenario's file has it
  if (control.choices.length) return /^\d+$/.test(value) ? Number(value) : value;
  const plain = value.trim();
  if (!/^[-+]?[\d.]+(e[-+]?\d+)?$/i.test(plain)) return plain;
  return control.unit ? `${plain} ${control.unit}` : Number(plain);
}

function rounded(control, value) {
  return control.whole ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

function valueAt(control, share) {
  return control.low * (control.high / control.low) ** share;
}

function shareOf(control, value) {
  const share = Math.log(value / control.low) / Math.log(control.high / control.low);
  return Math.min(1, Math.max(0, share));
}

function numberOf(control) {
  const said = changes()[control.path];
  return said === undefined ? String(control.value) : String(said ?? "").replace(` ${control.unit}`, "");
}

function makeControl(control, number) {
  const id = `control-${number}`, wrong = element("p", { class: "wrong" });
  const box = element("div", { class: "control", "data-path": control.path });
  let set;
  if (control.choices.length) {
    const list = element("select", { id });
    for (const each of control.choices) list.append(element("option", { value: each, text: each }));
    list.addEventListener("change", () => change(control, list.value));
    box.append(element("div", { class: "line" }, element("label", { for: id, text: control.label }), list), wrong);
    set = () => { list.value = numberOf(control); };
  } else {
    const entry = element("input", { type: "text", id, inputmode: "decimal", autocomplete: "off" });
    const line = element("div", { class: "line" }, element("label", { for: id, text: control.label }),
      element("span", { class: "entry" }, entry, control.unit ? ` ${control.unit}` : ""));
    entry.addEventListener("change", () => change(control, entry.value));
    box.append(line);
    let range = null;
    if (control.low < control.high) {
      range = element("input", { type: "range", min: 0, max: STEPS, "aria-label": control.label });
      range.addEventListener("input", () => {
        entry.value = rounded(control, valueAt(control, range.value / STEPS));
        change(control, entry.value, true);
      });
      range.addEventListener("change", () => { sliding = ""; });
      box.append(range);
    }
    box.append(wrong);
    set = () => {
      entry.value = numberOf(control);
      const value = Number(entry.value);
      if (range && value > 0 && sliding !== control.path) range.value = Math.round(STEPS * shareOf(control, value));
    };
  }
  shown.set(control.path, { set, box, wrong });
  return box;
}

function makeControls() {
  const groups = new Map();
  for (const each of about.controls) groups.set(each.group, [...(groups.get(each.group) || []), each]);
  let number = 0;
  for (const [name, members] of groups) {
    const box = element("details", { open: number === 0 || (groups.size <= 3 && innerWidth > 800) }, element("summary", { text: name }));
    for (const each of members) box.append(makeControl(each, number++));
    byId("controls").append(box);
  }
}

function change(control, value, slides = false) {
  const next = { ...changes(), [control.path]: written(control, value) };
  for (const others of Object.values(control.beside)) for (const path of Object.keys(others)) delete next[path];
  Object.assign(next, control.beside[value]);
  if (String(value) === String(control.value)) delete next[control.path];
  if (slides && sliding === control.path) past[at] = next; // one step back for one pull
  else { past = [...past.slice(0, at + 1), next]; at = past.length - 1; }
  sliding = slides ? control.path : "";
  moved();
}

function step(by) {
  at = Math.min(past.length - 1, Math.max(0, at + by));
  sliding = "";
  moved();
}

function showControls() {
  for (const [path, each] of shown) {
    each.set();
    each.box.classList.toggle("changed", path in changes());
  }
  const some = Object.keys(changes()).length > 0;
  byId("undo").disabled = at === 0;
  byId("redo").disabled = at === past.length - 1;
  byId("reset").disabled = byId("copy-changed").disabled = !some;
}

// ---- questions -----------------------------------------------------------------------------------------------------

function moved() {
  showControls();
  clearTimeout(timer);
  const number = ++asked, told = changes();
  timer = setTimeout(() => sketchOf(number, told), SETTLE_MS);
}

async function sketchOf(number, told) {
  const began = performance.now();
  const { status, body } = await ask("/sketch", told);
  if (number !== asked) return;
  wrong(status === 200 ? [] : body.errors || []);
  run = bracket = null;
  if (status !== 200) { say("not run"); byId("table").classList.add("waits"); return; }
  byId("table").classList.remove("waits");
  first = body;
  byId("table").dataset.digest = body.digest;
  byId("table").dataset.state = "sketch";
  byId("state").dataset.sketchMs = Math.round(performance.now() - began);
  show();
  say("simulating …");
  timer = setTimeout(() => runOf(number, told), RUN_AFTER_MS);
}

async function runOf(number, told) {
  const { status, body } = await ask("/run", told);
  if (number !== asked) return;
  if (status === 409) { say("another page asks; move a control to go on"); return; }
  if (status !== 200) { wrong(body.errors || []); say("not run"); return; }
  run = body;
  byId("table").dataset.state = "run";
  show();
  say("simulated");
}

async function capacityOf(path) {
  const number = asked, told = changes();
  clearTimeout(timer);
  say("looking for the largest load that keeps the objectives …");
  if (run === null) { await runOf(number, told); if (number !== asked) return; say("looking for the largest load …"); }
  const { status, body } = await ask(path, told);
  if (number !== asked) return;
  if (status === 409) { say("given up: another question was asked"); return; }
  if (status !== 200) { wrong(body.errors || []); say("no capacity"); return; }
  bracket = body;
  byId("table").dataset.state = "capacity";
  show();
  say("capacity found");
}

function say(text) { byId("state").textContent = text; }

function wrong(errors) {
  for (const each of shown.values()) each.wrong.textContent = "";
  const rest = [];
  for (const error of errors) {
    const named = (error.change || "").startsWith("--set ") ? error.change.slice(6).split("=")[0] : "";
    const place = shown.get(named) || shown.get(error.path);
    if (place) { place.wrong.textContent = error.message; place.box.closest("details").open = true; }
    else rest.push(element("li", { text: error.path ? `${error.path}: ${error.message}` : error.message }));
  }
  byId("errors").replaceChildren(...rest);
}

// ---- answers -------------------------------------------------------------------------------------------------------

function figuresOf(service) { // the best that is known of each figure
  const of = (answer) => (answer ? answer.services.find((each) => each.service === service) : null)?.figures || {};
  const sketched = Object.entries(of(first)).map(([key, cell]) => [key, { ...cell, sketch: true }]);
  return { ...Object.fromEntries(sketched), ...of(run), ...of(bracket) };
}

function makeCell(key, cell) {
  const place = element("td", { "data-key": key });
  if (!cell) { place.textContent = ""; return place; }
  if (cell.value !== null) place.dataset.value = cell.value;
  const [main, rest] = cell.text.split(/ \(|\)$/); // a price, and its range below
  const text = element(cell.struck ? "s" : "span", { text: main, title: cell.why || null,
    class: [cell.sketch ? "sketch" : "", cell.bad ? "bad" : "", cell.why ? "more" : ""].join(" ").trim() || null });
  place.append(text);
  if (rest) place.append(element("small", { class: "range", text: rest }));
  if (cell.struck) place.append(element("small", { class: "bad", text: cell.why }));
  return place;
}

function showTable() {
  const head = element("tr", {}, element("th", { text: "service", scope: "col" }));
  for (const { key, title } of about.measures) {
    const sorted = sorting.key === key ? (sorting.down ? "descending" : "ascending") : null;
    head.append(heading(title, sorted, () => {
      sorting = { key, down: sorting.key === key && !sorting.down };
      showTable();
    }));
  }
  const rows = first.services.map((each) => ({ ...each, figures: figuresOf(each.service) }));
  if (sorting.key) {
    const value = (row) => row.figures[sorting.key]?.value ?? Infinity;
    rows.sort((a, b) => (sorting.down ? value(b) - value(a) : value(a) - value(b)) || 0);
  }
  const body = rows.map((row) => element("tr", { "data-service": row.service },
    element("th", { scope: "row" }, dotOf(row), row.service),
    ...about.measures.map(({ key }) => makeCell(key, row.figures[key]))));
  byId("table").replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
}

function colourOf(row) { return dark.matches ? row.bright : row.colour; }

function dotOf(row) {
  const dot = element("span", { class: "dot" });
  dot.style.background = colourOf(row);
  return dot;
}

function showLatency() {
  const name = byId("curve").value, traces = [];
  for (const row of first.services) {
    const curve = run?.services.find((each) => each.service === row.service)?.curves[name];
    if (curve) traces.push({ x: curve, y: curve.map((_, i) => i), name: row.service, mode: "lines",
      line: { color: colourOf(row), shape: "hv" }, hovertemplate: "%{y} % within %{x:.3s}s<extra>%{fullData.name}</extra>" });
  }
  draw("latency", traces, { text: `${byId("curve").selectedOptions[0].text}, s`, type: "log" },
    { text: "% of requests", more: { range: [0, 102] } });
}

function showSpeed() {
  const traces = [];
  for (const row of first.services) {
    const { speed, usd_per_mtok: price } = figuresOf(row.service);
    if (!speed || speed.value === null || price?.value == null) continue;
    traces.push({ x: [speed.value], y: [price.value], name: row.service, mode: "markers",
      marker: { color: colourOf(row), size: 13, symbol: price.struck || price.sketch ? "circle-open" : "circle", line: { width: 2 } },
      hovertemplate: `${speed.text} tok/s, ${price.text} USD/Mtok<extra>${row.service.replace(/</g, "&lt;")}</extra>` });
  }
  draw("speed", traces, { text: "tok/s a user", type: "log" }, { text: "USD/Mtok", type: "log" });
}

function show() {
  showTable();
  const notes = bracket ? [...(run?.notes || []), ...bracket.notes] : (run || first).notes;
  byId("notes").replaceChildren(...notes.map((each) => element("li", { text: each })));
  showLatency();
  showSpeed();
}

// ---- the rest ------------------------------------------------------------------------------------------------------

async function copy(which) {
  const { status, body } = await ask("/yaml", changes());
  if (status !== 200) { wrong(body.errors || []); return; }
  try {
    await navigator.clipboard.writeText(body[which]);
    say("copied");
  } catch {
    const area = element("textarea", { rows: 12, "aria-label": "YAML" });
    area.value = body[which];
    area.style.width = "100%";
    byId("errors").after(area);
    area.select();
    say("the browser allows no copying: the text is below");
  }
}

async function start() {
  about = await (await fetch("/scenario")).json();
  byId("title").textContent = document.title = about.title;
  byId("description").textContent = about.description;
  makeControls();
  byId("undo").addEventListener("click", () => step(-1));
  byId("redo").addEventListener("click", () => step(1));
  byId("reset").addEventListener("click", () => { past = [...past.slice(0, at + 1), {}]; step(1); });
  byId("capacity").addEventListener("click", () => capacityOf("/capacity"));
  byId("exact").addEventListener("click", () => capacityOf("/exact"));
  byId("copy-whole").addEventListener("click", () => copy("whole"));
  byId("copy-changed").addEventListener("click", () => copy("changed"));
  byId("curve").addEventListener("change", showLatency);
  dark.addEventListener("change", () => { if (first) show(); });
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.target.type === "text") return;
    const by = event.key === "y" || (event.key.toLowerCase() === "z" && event.shiftKey) ? 1 : event.key === "z" ? -1 : 0;
    if (by) { event.preventDefault(); step(by); }
  });
  moved();
}

start();
