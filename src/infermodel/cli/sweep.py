"""`infermodel sweep`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infermodel.cli import JOBS
from infermodel.cli.run import REPORTS, command_line, refusal
from infermodel.cli.told import Told, json_option

if TYPE_CHECKING:
    from infermodel.scenario import ResolvedScenario
    from infermodel.search.sweep import Swept
    from infermodel.search.sweep_schema import Sweep


def part_of(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, int]:
    """Both numbers of `i/n`, the i-th of n parts."""
    part, _, parts = value.partition("/")
    if part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts):
        return int(part), int(parts)
    raise click.BadParameter(f"{value!r} is no part such as 2/8, from 1/8 to 8/8")


@click.command()
@click.argument("file", type=click.Path())
@click.option("--jobs", type=JOBS, default=lambda: os.cpu_count() or 1, help="Processes; all cores.")
@click.option("--dask", metavar="ADDRESS", default="", help="Scheduler of a Dask cluster that does the work.")
@click.option("--shard", metavar="I/N", callback=part_of, default="1/1", help="Only the i-th of n parts (job arrays).")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to; reports/sweeps/<file>.")
@click.option(
    "--page",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A page in Markdown, whose tables and pictures of this sweep are written again; see docs/sweeps.md.",
)
@json_option
@click.option("--quiet", is_flag=True, help="Print nothing but what is wrong.")
def sweep(
    file: str,
    jobs: int,
    dask: str,
    shard: tuple[int, int],
    out: Path | None,
    page: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Answer the what-ifs of a sweep FILE; goes on where it was interrupted."""
    from infermodel.files import safe_name
    from infermodel.report.folder import check_place
    from infermodel.search.cluster import ClusterError
    from infermodel.search.sweep import run_sweep
    from infermodel.search.sweep_schema import load_sweep

    told = Told("sweep", as_json=as_json, quiet=quiet)
    quiet = told.quiet
    asked = load_sweep(file)
    folder = out or REPORTS / "sweeps" / safe_name(Path(file).stem)
    with progress_bar(quiet=quiet) as on_point, refusal(folder):
        place = check_place(folder)
        try:
            points = place.with_name(f"{place.name}.points")  # beside the folder, which is exchanged as a whole
            swept = run_sweep(asked, points, jobs=jobs, dask=dask, shard=shard, on_point=on_point)
        except ModuleNotFoundError as missing:
            raise click.UsageError(f"needs {missing.name}: install infermodel[cluster]") from None
        except ClusterError as broken:
            raise click.UsageError(f"{broken}. Finished points are kept in {points}") from None
    if not swept.is_whole:
        done = sum(each is not None for each in swept.outcomes)
        said = f"{done} of {len(swept.points)} points done; the tables come with the last one"
        click.echo(said, err=quiet)
        told.note(said)
        told.end()
        return
    with refusal(folder):
        answers = write_sweep(swept, folder)
        if page:
            write_into(page, Path(file).stem, folder)
    told.text("\n".join([asked.title, "", *answers, "", f"report: {folder / 'sweep.html'}"]))
    told.table("sweep", sweep_table(swept))
    told.note(*answers)
    told.file(folder)
    told.end()


def sweep_table(swept: Swept) -> list[dict[str, Any]]:
    """A row for each point and service."""
    from infermodel.search.sweep_table import sweep_rows

    return list(sweep_rows(swept))


def write_sweep(swept: Swept, folder: Path) -> list[str]:
    """Tables, pictures and page of a whole sweep; what the page answers."""
    from io import StringIO

    from infermodel.report.cells import write_rows
    from infermodel.report.folder import write_folder
    from infermodel.report.sweep_page import answers, sweep_page
    from infermodel.report.sweep_pictures import sweep_pictures
    from infermodel.report.sweep_story import MOVED, SweepStory, Swing
    from infermodel.search.sweep_table import effects, header, sweep_rows

    rows = list(sweep_rows(swept))
    table = StringIO()
    write_rows(table, header(swept.sweep), rows)
    services = list(dict.fromkeys(row["service"] for row in rows if row["service"]))
    axes = tuple(axis.title for axis in swept.sweep.leading)
    swings = {
        (service, measure): [
            Swing(each.axis, each.low, each.high, each.low_at, each.high_at, each.base)
            for each in effects(swept, service, measure)
            if each.axis in axes
        ]
        for service in services
        for measure in MOVED[swept.sweep.ask]
    }
    story = SweepStory(
        title=swept.sweep.title,
        description=swept.sweep.description,
        ask=swept.sweep.ask,
        axes=axes,
        crossed=swept.sweep.design == "crossed",
        devices=devices_of(swept.sweep),
        rows=rows,
        swings=swings,
        digest=base_of(swept.sweep).digest,
        seed=base_of(swept.sweep).seed,
    )
    pictures = sweep_pictures(story)
    images = {f"{name}.png": image for name, (_, image) in pictures.items()}
    page = sweep_page(story, pictures, command_line())
    write_folder(folder, {"sweep.csv": table.getvalue(), **images, "sweep.html": page}, command_line())
    return answers(story)


def write_into(page: Path, name: str, folder: Path) -> None:
    """A page's tables of a sweep, the pictures that it shows, and `name.csv` beside it, from the sweep's folder."""
    from infermodel.files import read_plain, write_whole
    from infermodel.report.sweep_markdown import pictures_of, read_rows, renewed

    table = read_plain(folder / "sweep.csv")
    try:
        text = renewed(read_plain(page), name, read_rows(table))
    except LookupError as missing:
        raise click.UsageError(f"{page}: {missing}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{page}: {getattr(error, 'strerror', error)}") from None
    for path, picture in pictures_of(text, name).items():
        if not (folder / f"{picture}.png").exists():
            raise click.UsageError(f"{page}: {path}: this sweep has no picture {picture!r}")
        write_whole(page.parent / path, (folder / f"{picture}.png").read_bytes())
    write_whole(page.parent / f"{name}.csv", table)
    write_whole(page, text)


def devices_of(sweep: Sweep) -> dict[str, str]:
    """Device of each service of the base, or of each candidate of a plan."""
    from infermodel.catalog import load_system
    from infermodel.search.plan_schema import load_plan

    if sweep.ask == "plan":
        plan = load_plan(sweep.base_path, sweep.set)
        return {each.title: load_system(each.system).device.name for each in plan.candidates}
    return {service.name: service.system.device.name for service in base_of(sweep).services}


def base_of(sweep: Sweep) -> ResolvedScenario:
    """The scenario that the points are changes of, or that the base plan is about."""
    from infermodel.scenario import load, resolve
    from infermodel.search.plan_schema import load_plan

    if sweep.ask == "plan":
        return resolve(load(load_plan(sweep.base_path, sweep.set).base_path))
    return resolve(load(sweep.base_path, sweep.set))


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A function of points done and all points that shows a bar with the time left, on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (TextColumn("points"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left"))
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("points", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
