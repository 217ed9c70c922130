"""Tables of a sweep in a page of one's own: marked places that are written again from `sweep.csv`.

A place is a comment, a table and an end, each on a line of its own:

    <!-- wafer_or_gpu: usd_per_mtok -->
    <!-- end -->

One measure makes a line a point and a column a service, each cell with the range of the prices where there is one;
several measures make a line a point and service and a column a measure. `<!-- wafer_or_gpu, speed=20 tok/s: ... -->`
keeps only the points with that value on that axis.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from io import StringIO
from math import isfinite, nan

from infermodel.report.human import NONE, number

Row = Mapping[str, str]

PLACE = re.compile(r"^<!-- (?P<head>[^:\n]+): (?P<measures>[\w, ]+) -->\n.*?^<!-- end -->$", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"\((?P<path>[\w./-]*?(?P<sweep>\w+)-(?P<picture>lines|panels|heat_map|tornado)\.png)\)")

HEADINGS: Mapping[str, str] = {
    "usd_per_mtok": "USD/Mtok",
    "usd_per_h": "USD/h",
    "capacity_low": "capacity, from",
    "capacity_high": "to",
    "bought": "systems bought",
    "speed_tok_s": "tok/s of a user",
    "output_speed_p50_tok_s": "tok/s of a user",
    "ttft_p99_s": "TTFT p99, s",
    "power_w": "MW",
    "break_even_usd": "break-even price, million USD",
    "tokens_per_day": "tokens a day",
    "usd_per_day": "USD a day",
    "kv_tokens": "KV tokens",
    "utilisation": "busy",
    "missed_min_a_month": "min/month missed",
    "outside_a_million": "of a million requests, outside",
    "usd_per_mtok_within": "USD/Mtok within",
    "usd_per_h_lost": "USD/h lost",
    "availability": "available",
    "attainment": "within objectives",
}
"""Of columns; a measure's own name otherwise."""

UNITS: Mapping[str, float] = {"power_w": 1e-6, "break_even_usd": 1e-6}
"""Factors to the units of the headings."""

SHARES: Mapping[str, int] = {"utilisation": 0, "attainment": 2, "availability": 3}
"""Measures that are told in percent, with so many digits behind the point."""

DERIVED: Mapping[str, tuple[str, float]] = {"usd_per_day": ("usd_per_h", 24.0), "tokens_per_day": ("tpm", 1440.0)}
"""Measures that are another one times a factor."""


def read_rows(text: str) -> list[Row]:
    """The rows of a `sweep.csv`."""
    return list(csv.DictReader(StringIO(text)))


def renewed(page: str, sweep: str, rows: Sequence[Row]) -> str:
    """The page with every place of that sweep written again.

    Raises:
        LookupError: a place asks for an axis or a measure that the table lacks.
    """

    def again(found: re.Match[str]) -> str:
        name, *wanted = [part.strip() for part in found["head"].split(",")]
        if name != sweep:
            return found[0]
        measures = [measure.strip() for measure in found["measures"].split(",")]
        head = f"<!-- {found['head']}: {found['measures']} -->"
        return f"{head}\n\n{table(rows, measures, dict(part.split('=', 1) for part in wanted))}\n\n<!-- end -->"

    return PLACE.sub(again, page)


def pictures_of(page: str, sweep: str) -> dict[str, str]:
    """Pictures of the sweep that the page shows, `folder/sweep-picture.png`: path as written to name of the picture."""
    return {found["path"]: found["picture"] for found in PICTURE.finditer(page) if found["sweep"] == sweep}


def table(rows: Sequence[Row], measures: Sequence[str], where: Mapping[str, str]) -> str:
    """A table in Markdown; see the module."""
    columns = list(rows[0])
    axes = columns[1 : columns.index("service")]
    for axis in where:
        if axis not in axes:
            raise LookupError(f"the sweep has no axis {axis!r}, only {', '.join(axes)}")
    for measure in measures:
        source = DERIVED.get(measure, (measure, 1.0))[0]
        if source not in {row["measure"] for row in rows}:
            raise LookupError(f"the sweep has no measure {measure!r}")
    kept = [row for row in rows if row["point"] != "0" and all(row[axis] == value for axis, value in where.items())]
    told = {(row["point"], row["service"], row["measure"]): row for row in kept}
    points = {row["point"]: row for row in kept}
    services = list(dict.fromkeys(row["service"] for row in kept if row["service"]))
    shown = [axis for axis in axes if axis not in where and len({row[axis] for row in points.values()}) > 1]
    shown = [axis for i, axis in enumerate(shown) if not any(_follows(points, axis, lead) for lead in shown[:i])]
    if len(measures) == 1:
        lines = [[*shown, *services]]
        for point, row in points.items():
            cells = [_cell(told, point, service, measures[0]) for service in services]
            lines.append([*(row[axis] for axis in shown), *cells])
    else:
        lines = [[*shown, "system", *(HEADINGS.get(measure, measure) for measure in measures)]]
        for point, row in points.items():
            for service in services:
                cells = [_cell(told, point, service, measure) for measure in measures]
                lines.append([*(row[axis] for axis in shown), service, *cells])
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _follows(points: Mapping[str, Row], axis: str, lead: str) -> bool:
    """Whether an axis only goes along with another."""
    return len({(row[lead], row[axis]) for row in points.values()}) == len({row[lead] for row in points.values()})


def _cell(told: Mapping[tuple[str, str, str], Row], point: str, service: str, measure: str) -> str:
    if measure == "note":
        return told.get((point, service, "note"), {}).get("note", "")
    source, factor = DERIVED.get(measure, (measure, 1.0))
    factor *= UNITS.get(measure, 1.0)

    def value(name: str) -> float:
        text = told.get((point, service, name), {}).get("value", "")
        return factor * float(text) if text else nan

    middle, low, high = value(source), value(f"{source}_low"), value(f"{source}_high")
    if not isfinite(middle):
        return NONE
    if measure in SHARES:
        return f"{middle:.{SHARES[measure]}%}"
    if isfinite(low) and isfinite(high) and low < high:
        return f"{number(middle)} ({number(low)} to {number(high)})"
    return number(int(middle) if middle == int(middle) and abs(middle) < 1e6 else middle)
