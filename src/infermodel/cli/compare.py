"""`infermodel compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from infermodel.cli.answer import figure
from infermodel.cli.run import REPORTS, command_line, progress, refusal
from infermodel.cli.table import aligned
from infermodel.cli.told import Told, json_option
from infermodel.files import safe_name
from infermodel.formats.text import FormatError
from infermodel.report.compare.differences import Difference
from infermodel.report.compare.read import SavedReport, read_reports
from infermodel.report.compare.write import write_comparison
from infermodel.report.folder import check_place


@click.command()
@click.argument("reports", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the comparison; reports/compare_A_B if omitted."
)
@click.option("--figures/--no-figures", default=True, help="Whether to draw pictures.")
@json_option
@click.option("--quiet", is_flag=True, help="Print nothing but what is wrong.")
def compare(reports: tuple[Path, ...], out: Path | None, figures: bool, as_json: bool, quiet: bool) -> None:
    """Put reports side by side, with differences and intervals.

    REPORTS are two folders or more; differences are to the first.
    """
    told = Told("compare", as_json=as_json, quiet=quiet)
    if len(reports) < 2:
        raise click.UsageError("a comparison needs two reports or more")
    folder = REPORTS / safe_name("compare_" + "_".join(path.name for path in reports)) if out is None else out
    with refusal(folder):
        check_place(folder)
        try:
            saved = read_reports(reports)
        except FormatError as error:
            raise click.UsageError(str(error)) from None
    with progress("writing the comparison", quiet=told.quiet), refusal(folder):
        rows = write_comparison(saved, folder, figures=figures, command=command_line())
    told.text(f"{table(saved, rows)}\n\ncomparison: {folder / 'compare.html'}")
    told.table("compare", rows)
    told.file(folder)
    told.end()


def table(reports: Sequence[SavedReport], rows: Sequence[Difference]) -> str:
    """A line for each figure that differs, a column for each report; and how many do not."""
    lines: dict[tuple[str, str, str, str], list[Difference]] = {}
    for row in rows:
        lines.setdefault((row.service, row.load, row.metric, row.unit), []).append(row)
    differing = {key: cells for key, cells in lines.items() if any(each.difference for each in cells)}
    heading = ("service", "load", "figure", "unit", *(report.title for report in reports))
    shown = [(*key, *(cell(each, each is cells[0]) for each in cells)) for key, cells in differing.items()]
    said = [aligned([heading, *shown])] if shown else []
    doubts = dict.fromkeys(f"{row.report}, {row.service}: {doubt(row)}" for row in rows if row.note)
    said += ["\n".join(doubts)] if doubts else []
    return "\n\n".join([*said, f"{len(lines) - len(differing)} of {len(lines)} figures are the same."])


def doubt(row: Difference) -> str:
    """What a reader should know of a figure."""
    return row.note if row.price_holds else f"the price at the offered load does not hold: {row.note}"


def cell(row: Difference, is_base: bool) -> str:
    """A figure, and where it differs from the first report's by how much; a star: more than noise."""
    value = figure(row.value) if row.price_holds else f"~~{figure(row.value)}~~"
    if is_base or row.difference != row.difference or row.difference == 0:
        return value
    noise = "" if row.half_width != row.half_width else f" +- {figure(row.half_width)}"
    sign = "+" if row.difference > 0 else ""
    return f"{value} ({sign}{figure(row.difference)}{noise}{' *' if row.is_established else ''})"
