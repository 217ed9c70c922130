"""`infermodel compare`."""

from __future__ import annotations

from pathlib import Path

import click

from infermodel import api
from infermodel.cli.place import REPORTS, checked, command_line, refusal
from infermodel.cli.progress import progress
from infermodel.cli.told import Told, json_option, png_option, quiet_option
from infermodel.files import safe_name


@click.command()
@click.argument("reports", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the comparison; reports/compare_A_B if omitted."
)
@click.option("--figures/--no-figures", default=True, help="Whether to draw pictures.")
@png_option
@json_option
@quiet_option
def compare(reports: tuple[Path, ...], out: Path | None, figures: bool, png: bool, as_json: bool, quiet: bool) -> None:
    """Put reports side by side, with differences and intervals.

    REPORTS are two folders or more; differences are to the first.
    """
    told = Told("compare", as_json=as_json, quiet=quiet)
    folder = checked(REPORTS / safe_name("compare_" + "_".join(path.name for path in reports)) if out is None else out)
    answer = api.compare(*reports)
    with progress("writing the comparison", quiet=told.quiet), refusal(folder):
        answer.write(folder, figures=figures, png=png, command=command_line())
    told.answer(answer)
    told.text(f"\ncomparison: {folder / 'compare.html'}")
    told.file(folder)
    told.end()
