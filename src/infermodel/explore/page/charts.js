"use strict";
// What the pages' charts have in common: their look in light and dark, and a cell of a table. Nothing is computed here.

const byId = (id) => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");

function styleOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function layoutOf(x, y) {
  const axis = (title) => ({
    title: { text: title.text, standoff: 8 }, type: title.type || "linear", gridcolor: styleOf("--line"),
    zeroline: false, automargin: true, exponentformat: "none", ticksuffix: title.suffix || "",
    ...(title.more || {}),
  });
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: styleOf("--ink"), size: 13 },
    margin: { l: 55, r: 12, t: 8, b: 45 }, xaxis: axis(x), yaxis: axis(y), hovermode: "closest",
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, showlegend: true, uirevision: x.text + y.text,
  };
}

function draw(where, traces, x, y) {
  Plotly.react(where, traces, layoutOf(x, y), { responsive: true, displaylogo: false, showTips: false,
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
