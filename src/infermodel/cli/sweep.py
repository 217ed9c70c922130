"""`infermodel sweep`."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infermodel import api
from infermodel.cli import JOBS
from infermodel.cli.place import REPORTS, checked, command_line, refusal, report_name
from infermodel.cli.progress import progress_bar
from infermodel.cli.told import Told, json_option, png_option, question_set_option, quiet_option
from infermodel.search.cluster import ClusterError

if TYPE_CHECKING:
    from infermodel.answers.sweep import SweepAnswer


def part_of(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int]:
    """Both numbers of `i/n`, the i-th of n parts."""
    part, _, parts = value.partition("/")
    if part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts):
        return int(part), int(parts)
    raise click.BadParameter(f"{value!r} is no part such as 2/8, from 1/8 to 8/8")


@click.command()
@click.argument("file", type=click.Path())
@question_set_option
@click.option("--jobs", type=JOBS, default=lambda: os.cpu_count() or 1, help="Processes; all cores.")
@click.option("--dask", metavar="ADDRESS", default="", help="Scheduler of a Dask cluster that does the work.")
@click.option("--shard", metavar="I/N", callback=part_of, default="1/1", help="Only the i-th of n parts (job arrays).")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to; reports/sweeps/<file>.")
@click.option(
    "--page",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A page in Markdown, whose tables and pictures of this sweep are written again; see docs/sweeps.md.",
)
@png_option
@json_option
@quiet_option
def sweep(
    file: str,
    changes: tuple[str, ...],
    jobs: int,
    dask: str,
    shard: tuple[int, int],
    out: Path | None,
    page: Path | None,
    png: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Answer the what-ifs of a sweep FILE; goes on where it was interrupted."""
    told = Told("sweep", as_json=as_json, quiet=quiet)
    folder = checked(out or REPORTS / "sweeps" / report_name(Path(file).stem, changes))
    place = Path(os.path.realpath(folder))
    points = place.with_name(f"{place.name}.points")  # beside the folder, which is exchanged as a whole
    with progress_bar(quiet=told.quiet) as say, refusal(folder):
        try:
            answer = api.sweep(file, set=changes, points=points, jobs=jobs, dask=dask, shard=shard, on_progress=say)
        except ModuleNotFoundError as missing:
            raise click.UsageError(f"needs {missing.name}: install infermodel[cluster]") from None
        except ClusterError as broken:
            raise click.UsageError(f"{broken}. Finished points are kept in {points}") from None
    if not answer.is_whole:
        click.echo(answer.notes[0], err=told.quiet)
        told.note(*answer.notes)
        told.end()
        return
    with refusal(folder):
        answer.write(folder, png=png, command=command_line())
        if page:
            write_into(page, Path(file).stem, folder, answer)
    told.answer(answer)
    told.text(f"\nreport: {folder / 'sweep.html'}")
    told.file(folder)
    told.end()


def write_into(page: Path, name: str, folder: Path, answer: SweepAnswer) -> None:
    """A page's tables of a sweep, the pictures that it shows, and `name.csv` beside it, from the sweep's folder."""
    from infermodel.files import read_plain, write_whole
    from infermodel.report.drawing import save
    from infermodel.report.sweep_markdown import pictures_of, read_rows, renewed

    table = read_plain(folder / "sweep.csv")
    try:
        text = renewed(read_plain(page), name, read_rows(table))
    except LookupError as missing:
        raise click.UsageError(f"{page}: {missing}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{page}: {getattr(error, 'strerror', error)}") from None
    shown = pictures_of(text, name)
    figures = answer.figures() if shown else {}
    for path, picture in shown.items():
        if picture not in figures:
            raise click.UsageError(f"{page}: {path}: this sweep has no picture {picture!r}")
        save(page.parent / path, partial(figures.__getitem__, picture))
    write_whole(page.parent / f"{name}.csv", table)
    write_whole(page, text)
