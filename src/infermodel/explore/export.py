"""A sweep as one file: its table, its axes as selectors, a chart; script, style and data inside, no network."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from infermodel.answers.sweep import SweepAnswer
from infermodel.answers.words import figure
from infermodel.errors import InputError
from infermodel.explore.server import page
from infermodel.report.palette import styles

MARK = "<!-- data and scripts -->"


def sweep_file(answer: SweepAnswer) -> str:
    """The page of a sweep.

    Raises:
        InputError: the sweep is not whole.
    """
    if not answer.is_whole:
        raise InputError(answer.notes[0])
    frame = files("infermodel.explore").joinpath("page", "sweep.html").read_text(encoding="utf-8")
    script = files("infermodel.explore").joinpath("page", "sweep.js").read_text(encoding="utf-8")
    # `<` within the data is escaped, so that no name in it can end the script
    data = json.dumps(sweep_data(answer), ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    inside = [
        f"<style>\n{page('/explore.css')}</style>",
        f'<script type="application/json" id="data">{data}</script>',
        *(f"<script>\n{text}</script>" for text in (page("/plotly.js"), page("/charts.js"), script)),
    ]
    return frame.replace(MARK, "\n".join(inside))


def sweep_data(answer: SweepAnswer) -> dict[str, Any]:
    """What the page knows: axes with their values, services, measures, and figures by point, service and measure."""
    story, sweep = answer.story, answer.swept.sweep
    rows = [row for row in story.rows if row["point"]]
    devices = dict(story.devices)
    services = list(dict.fromkeys(row["service"] for row in rows if row["service"]))
    looks = styles([devices.get(name, name) for name in services])
    measured = [row for row in rows if row["service"] and isinstance(row.get("value"), int | float)]
    units = {row["measure"]: row["unit"] for row in measured if row["value"] == row["value"]}
    titles = [axis.title for axis in sweep.leading]
    points: dict[int, list[Any]] = {}
    for row in rows:
        points.setdefault(row["point"], [row[title] for title in titles])
    notes = {(row["point"], row["service"]): row["reason"] for row in rows if row.get("reason")}
    return {
        "title": answer.title,
        "description": sweep.description,
        "axes": [
            {"title": title, "values": list(dict.fromkeys(p[i] for p in points.values()))}
            for i, title in enumerate(titles)
        ],
        "services": [
            {"name": name, "colour": look.colour, "bright": look.bright}
            for name, look in zip(services, looks, strict=True)
        ],
        "measures": [{"key": key, "unit": unit} for key, unit in units.items()],
        "points": [{"point": number, "at": at} for number, at in points.items()],
        "figures": [
            [row["point"], row["service"], row["measure"], row["value"], figure(row["value"])]
            for row in measured
            if row["measure"] in units and row["value"] == row["value"] and abs(row["value"]) != float("inf")
        ],
        "reasons": [[point, service, reason] for (point, service), reason in notes.items()],
        "notes": list(answer.notes),
    }
