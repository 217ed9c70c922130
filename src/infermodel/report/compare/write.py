"""A comparison on disk: compare.csv, pictures, one page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from types import MappingProxyType

from infermodel import __version__
from infermodel.metrics.schema import columns, row
from infermodel.report.cells import write_table
from infermodel.report.compare.differences import Difference
from infermodel.report.compare.read import SavedReport
from infermodel.report.folder import MARK, replacing

CAPTIONS = {
    "compare_bars": "The main figures of each service, one bar a report.",
    "compare_latency": "Share of the requests of the window that took at most so long, at the offered load.",
}


def write_comparison(
    reports: Sequence[SavedReport],
    rows: Sequence[Difference],
    folder: Path,
    *,
    figures: bool = True,
    more: Mapping[str, bytes] = MappingProxyType({}),
    command: Sequence[str] = (),
) -> None:
    """Write the comparison of these reports to `folder`, whole or not at all.

    Args:
        reports: the first is compared with.
        rows: of `differences`.
        folder: does not exist, is empty, or holds a report.
        figures: whether to draw.
        more: files beside these, by name.
        command: that was typed, for the page and the manifest.

    Raises:
        NotAReport: something else than a report or a comparison is at `folder`.
        OSError: no room, no right to write.
    """
    with replacing(folder) as draft:
        write_table(draft / "compare.csv", [each.name for each in columns(Difference)], map(row, rows))
        pictures = draw(reports, rows) if figures else {}
        for name, content in {**{f"{name}.svg": image for name, image in pictures.items()}, **more}.items():
            (draft / name).write_bytes(content)
        (draft / "compare.html").write_bytes(page(reports, rows, pictures, command).encode("utf-8", errors="replace"))
        stated = {
            "infermodel": __version__,
            "command": list(command),
            "compared": {report.title: {"digest": report.digest, "seed": report.seed} for report in reports},
        }
        (draft / MARK).write_text(json.dumps(stated, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def draw(reports: Sequence[SavedReport], rows: Sequence[Difference]) -> dict[str, bytes]:
    """SVG of every picture that there is something to draw for."""
    from infermodel.report.compare import charts
    from infermodel.report.drawing import svgs

    return dict(svgs({"compare_bars": partial(charts.bars, rows=rows), "compare_latency": charts.latencies}, reports))


def page(
    reports: Sequence[SavedReport],
    rows: Sequence[Difference],
    pictures: Mapping[str, bytes],
    command: Sequence[str] = (),
) -> str:
    """The page as HTML text."""
    from infermodel.report.template import one_file

    by_service = [
        (service, [(metric, list(group)) for metric, group in groupby(mine, key=lambda each: (each.load, each.metric))])
        for service, mine in groupby(rows, key=lambda each: each.service)
    ]
    captioned = {name: (CAPTIONS[name], image) for name, image in pictures.items()}
    return one_file("compare.html.jinja", captioned, command, reports=reports, services=by_service)
