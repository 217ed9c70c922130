"use strict";
// What the pages have in common: the look of charts in light and dark, elements, and heads that sort a table. Nothing is computed here.

const byId = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");

function styleOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// 1, 2 and 5 of each decade, written out
const DECADES = Array.from({ length: 16 }, (_, i) => i - 6).flatMap((power) => [1, 2, 5].map((digit) => Number(`${digit}e${power}`)));
const LOG_TICKS = { tickvals: DECADES, ticktext: DECADES.map((each) => (each >= 1e4 ? each.toLocaleString("en") : String(each))) };

function layoutOf(x, y) {
  const axis = (title) => ({
    title: { text: title.text, standoff: 8 }, type: title.type || "linear", gridcolor: styleOf("--line"),
    zeroline: false, automargin: true, exponentformat: "none", ...(title.more || {}),
  });
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: styleOf("--ink"), size: 13 },
    margin: { l: 55, r: 12, t: 30, b: 45 }, xaxis: axis(x), yaxis: axis(y), hovermode: "closest",
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, showlegend: true,
    modebar: { bgcolor: "rgba(0,0,0,0)", color: styleOf("--grey"), activecolor: styleOf("--ink") }, uirevision: x.text + y.text,
  };
}

function ticked(axis, values) { // what spans too little for these keeps Plotly's own ticks; around equal values it shows a decade
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const wide = axis.type === "log" && (most > 5 * least || most === least);
  return wide ? { ...axis, more: { ...LOG_TICKS, ...axis.more } } : axis;
}

function draw(where, traces, x, y) {
  const layout = layoutOf(ticked(x, traces.flatMap((each) => each.x)), ticked(y, traces.flatMap((each) => each.y)));
  Plotly.react(where, traces, layout, { responsive: true, displaylogo: false, showTips: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] });
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function heading(title, sorted, sort) { // of a column; `sorted` as aria-sort has it, or null
  const cell = element("th", { text: title, scope: "col", tabindex: 0, "aria-sort": sorted });
  cell.addEventListener("click", sort);
  cell.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  return cell;
}
