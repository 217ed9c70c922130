"use strict";
// A sweep's figures by what is selected. The program computed them all.

const told = JSON.parse(document.getElementById("data").textContent);
const figures = new Map(told.figures.map(([point, service, measure, value, text]) => [`${point}\n${service}\n${measure}`, { value, text }]));
const reasons = new Map(told.reasons.map(([point, service, reason]) => [`${point}\n${service}`, reason]));
const FIRST = ["usd_per_mtok", "capacity_low", "rpm", "tpm"];
const DASHES = ["solid", "dash", "dot", "dashdot"], MARKERS = ["circle", "square", "triangle-up", "diamond", "x"];
const chosen = { along: 0, measure: "", held: told.axes.map(() => ""), sort: "", down: false };

const titleOf = (measure) => (measure.unit ? `${measure.key}, ${measure.unit}` : measure.key);
const word = (value) => (value === null ? "-" : String(value));

function selector(id, label, options, set) {
  const list = element("select", { id });
  for (const [value, text] of options) list.append(element("option", { value, text }));
  list.addEventListener("change", () => { set(list.value); show(); });
  return element("label", {}, `${label} `, list);
}

function makeSelectors() {
  const measures = told.measures.map((each) => [each.key, titleOf(each)]);
  chosen.measure = FIRST.find((key) => told.measures.some((each) => each.key === key)) || (measures[0] || [""])[0];
  const along = selector("along", "Along", told.axes.map((each, i) => [i, each.title]), (value) => { chosen.along = Number(value); });
  const measure = selector("measure", "Measure", measures, (value) => { chosen.measure = value; });
  byId("selectors").append(along, measure);
  measure.querySelector("select").value = chosen.measure;
  told.axes.forEach((axis, i) => {
    const options = [["", "all"], ...axis.values.map((value, j) => [j, word(value)])];
    byId("selectors").append(selector(`axis-${i}`, axis.title, options, (value) => { chosen.held[i] = value; }));
  });
}

function points() { // those that the held axes leave
  return told.points.filter(({ at }) => chosen.held.every((held, i) => held === "" || at[i] === told.axes[i].values[Number(held)]));
}

function showChart() {
  const axis = told.axes[chosen.along], measure = told.measures.find((each) => each.key === chosen.measure);
  const numbers = axis.values.every((value) => typeof value === "number");
  const traces = [];
  for (const service of told.services) {
    const lines = new Map(); // one for each setting of the other axes
    for (const { point, at } of points()) {
      const found = figures.get(`${point}\n${service.name}\n${chosen.measure}`);
      if (!found) continue;
      const rest = at.filter((_, i) => i !== chosen.along && chosen.held[i] === "").map(word).join(", ");
      if (!lines.has(rest)) lines.set(rest, []);
      lines.get(rest).push([numbers ? at[chosen.along] : word(at[chosen.along]), found.value]);
    }
    let turn = 0;
    for (const [rest, pairs] of lines) {
      if (numbers) pairs.sort((a, b) => a[0] - b[0]);
      const name = [service.name, rest].filter(Boolean).join(": ");
      traces.push({ x: pairs.map((each) => each[0]), y: pairs.map((each) => each[1]), name, mode: "lines+markers",
        line: { color: dark.matches ? service.bright : service.colour, dash: DASHES[turn % DASHES.length] },
        marker: { symbol: MARKERS[turn++ % MARKERS.length], size: 8 } });
    }
  }
  const wide = numbers && axis.values.every((value) => value > 0) && Math.max(...axis.values) > 10 * Math.min(...axis.values);
  const more = numbers ? (axis.values.length <= 12 ? { tickvals: axis.values, ticktext: axis.values.map(word) } : {}) : { categoryorder: "array", categoryarray: axis.values.map(word) };
  draw("chart", traces, { text: axis.title, type: numbers ? (wide ? "log" : "linear") : "category", more },
    { text: measure ? titleOf(measure) : "", more: { rangemode: "tozero" } });
}

function showTable() {
  const key = chosen.measure, rows = [];
  for (const { point, at } of points()) {
    for (const service of told.services) {
      const found = figures.get(`${point}\n${service.name}\n${key}`);
      const reason = reasons.get(`${point}\n${service.name}`) || reasons.get(`${point}\n`);
      rows.push({ service: service.name, at, value: found ? found.value : null, text: found ? found.text : reason || "-" });
    }
  }
  const columns = [["service", (row) => row.service], ...told.axes.map((axis, i) => [axis.title, (row) => row.at[i]]), [key, (row) => row.value]];
  const by = columns.find(([title]) => title === chosen.sort);
  if (by) rows.sort((a, b) => { const [x, y] = [by[1](a), by[1](b)]; return (x === y ? 0 : x === null || (y !== null && x > y) ? 1 : -1) * (chosen.down ? -1 : 1); });
  const head = element("tr", {}, ...columns.map(([title]) => {
    const sorted = chosen.sort === title ? (chosen.down ? "descending" : "ascending") : null;
    return heading(title, sorted, () => { chosen.down = chosen.sort === title && !chosen.down; chosen.sort = title; showTable(); });
  }));
  const body = rows.map((row) => element("tr", {}, element("th", { scope: "row", text: row.service }),
    ...row.at.map((value) => element("td", { text: word(value) })), element("td", { text: row.text, "data-key": key })));
  byId("table").replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
}

function show() { showChart(); showTable(); }

byId("title").textContent = document.title = told.title;
byId("description").textContent = told.description;
byId("notes").replaceChildren(...told.notes.map((each) => element("li", { text: each })));
makeSelectors();
dark.addEventListener("change", show);
show();
