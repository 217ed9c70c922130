"""`infermodel plan`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from infermodel import api
from infermodel.cli import JOBS
from infermodel.cli.place import REPORTS, checked, command_line, refusal, report_name
from infermodel.cli.progress import progress_bar
from infermodel.cli.told import Told, json_option, png_option, question_set_option, quiet_option


@click.command()
@click.argument("file", type=click.Path())
@question_set_option
@click.option("--jobs", type=JOBS, default=lambda: os.cpu_count() or 1, help="Processes; all cores.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to; reports/plans/<file>.")
@png_option
@json_option
@quiet_option
def plan(
    file: str, changes: tuple[str, ...], jobs: int, out: Path | None, png: bool, as_json: bool, quiet: bool
) -> None:
    """Find the cheapest fleet that meets the objectives, among the candidates of a plan FILE."""
    told = Told("plan", as_json=as_json, quiet=quiet)
    folder = checked(out or REPORTS / "plans" / report_name(Path(file).stem, changes))
    with progress_bar(quiet=told.quiet) as say:
        answer = api.plan(file, set=changes, jobs=jobs, on_progress=say)
    with refusal(folder):
        answer.write(folder, png=png, command=command_line())
    told.answer(answer)
    told.text(f"\nreport: {folder / 'plan.html'}")
    told.file(folder)
    told.end()
