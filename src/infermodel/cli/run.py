"""`infermodel run`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import click

from infermodel.cli import DRAWS, JOBS, MISSED, REPLICATIONS
from infermodel.cli.answer import answer, notes_of, preview, preview_rows
from infermodel.cli.told import Told, json_option
from infermodel.experiment.result import AnswerBand, Capacity, Result, Verdict
from infermodel.scenario import ResolvedScenario, load, resolve

REPORTS = Path("reports")
"""Where reports go, each in a folder named after its scenario."""

CAPACITY_CACHE = REPORTS / ".capacity"
"""Capacities found before, by what they depend on."""


@click.command()
@click.argument("scenario", type=click.Path())
@click.option("--set", "changes", metavar="PATH=VALUE", multiple=True, help="Change a key; services by index or name.")
@click.option("--seed", type=click.IntRange(0), help="Seed of all random numbers, instead of the scenario's.")
@click.option("--replications", type=REPLICATIONS, default=1, show_default=True, help="Runs that differ by seed.")
@click.option("--jobs", type=JOBS, default=lambda: os.cpu_count() or 1, help="Processes; all cores.")
@click.option("--draws", type=DRAWS, default=0, help="Draw uncertain constants that often, for bands.")
@click.option("--dry-run", is_flag=True, help="Check the scenario and show what would run.")
@click.option("--check", is_flag=True, help="Exit with status 1 if an objective is missed.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the report; reports/<scenario> if omitted.")
@click.option("--figures/--no-figures", default=True, help="Whether to draw pictures.")
@click.option("--requests", type=click.Choice(["csv", "parquet"]), default="csv", help="Format of the requests' table.")
@click.option("--replay", is_flag=True, help="Write what each service was sent for load generators, too.")
@json_option
@click.option("--quiet", is_flag=True, help="Print nothing but what is wrong.")
@click.pass_context
def run(
    context: click.Context,
    scenario: str,
    changes: tuple[str, ...],
    seed: int | None,
    replications: int,
    jobs: int,
    draws: int,
    dry_run: bool,
    check: bool,
    out: Path | None,
    figures: bool,
    requests: Literal["csv", "parquet"],
    replay: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Simulate SCENARIO and report latency, throughput and price at its load and at the largest it sustains."""
    seeded = changes if seed is None else (*changes, f"seed={seed}")
    loaded = load(scenario, seeded)
    if loaded.claims:
        from infermodel.claims import check_claims

        check_claims(loaded)
    resolved = resolve(loaded)
    told = Told("run", as_json=as_json, quiet=quiet)
    quiet = told.quiet
    if dry_run:
        told.text(preview(resolved))
        told.cells("services", preview_rows(resolved))
        told.note(*resolved.notes)
        told.end()
        return
    from infermodel import experiment
    from infermodel.files import safe_name
    from infermodel.report.folder import check_place
    from infermodel.report.write import write

    folder = REPORTS / safe_name(resolved.source.stem) if out is None else out
    with refusal(folder):
        check_place(folder)
    with progress(f"simulating {resolved.source.name}", quiet=quiet):
        result = experiment.run(resolved, replications=replications, jobs=jobs)
    capacities = find_capacities(resolved, jobs=jobs, quiet=quiet)
    verdicts = judge_claims(result, capacities)
    bands = find_bands(resolved, draws=draws, jobs=jobs, quiet=quiet)
    told.text(answer(result, capacities, verdicts, bands))
    with progress("writing the report", quiet=quiet) as say, refusal(folder):
        write(
            result,
            capacities,
            verdicts,
            folder,
            bands=bands,
            figures=figures,
            command=command_line(),
            requests=requests,
            replay=replay,
            on_progress=lambda file: say(f"writing {file}"),
        )
    told.text(f"\nreport: {folder / 'report.html'}")
    tell_report(told, result, capacities, verdicts, bands)
    told.file(folder)
    told.end()
    if check and not all(service.summary.objectives_met for service in result.services):
        context.exit(MISSED)


def tell_report(
    told: Told,
    result: Result,
    capacities: Sequence[Capacity],
    verdicts: Sequence[Verdict],
    bands: Sequence[AnswerBand] = (),
) -> None:
    """The short tables of a report, by their names without `.csv`, and how its services are deployed."""
    from infermodel.deploy import deployment_rows
    from infermodel.report.findings import Findings
    from infermodel.report.write import short_tables

    for name, rows in short_tables(Findings.of(result, capacities, verdicts, bands), capacities):
        told.table(name.removesuffix(".csv"), rows)
    told.table("deploy", deployment_rows(result.scenario.services))
    told.note(*notes_of(result, capacities))


def judge_claims(result: Result, capacities: Sequence[Capacity]) -> tuple[Verdict, ...]:
    """The scenario's claims answered; one that cannot be asked is bad input."""
    if not result.scenario.claims:
        return ()
    from infermodel.claims import BadClaim, answer_claims

    try:
        return answer_claims(result, {each.service: each for each in capacities})
    except BadClaim as bad:
        raise click.UsageError(str(bad)) from None


def find_capacities(scenario: ResolvedScenario, *, jobs: int, quiet: bool) -> tuple[Capacity, ...]:
    """The largest load of each service that has objectives, where the scenario asks for it, coarsely."""
    if scenario.capacity_width is None:
        return ()
    from infermodel.search.capacity_cache import cached_capacities

    with progress("looking for the largest load of each service", quiet=quiet) as say:
        return cached_capacities(
            scenario,
            CAPACITY_CACHE,
            width=scenario.capacity_width,
            jobs=jobs,
            on_found=lambda found: say(f"looking for the largest load of each service; {found.service} is done"),
        )


def find_bands(scenario: ResolvedScenario, *, draws: int, jobs: int, quiet: bool) -> tuple[AnswerBand, ...]:
    """How far the answers move with the uncertain constants, where draws of them are asked for."""
    if not draws:
        return ()
    from infermodel.experiment.uncertainty import bands
    from infermodel.fidelity.dataflow import REFITS

    with progress(f"simulating {draws} times with other constants", quiet=quiet):
        return bands(scenario, draws=draws, jobs=jobs, refits=REFITS)


def command_line() -> list[str]:
    """What was typed, with the program by its name, wherever it is installed."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


@contextmanager
def refusal(folder: Path) -> Iterator[None]:
    """A folder that cannot be written is bad input."""
    from infermodel.report.folder import NotAReport

    try:
        yield
    except NotAReport as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"{folder} cannot be written: {error.strerror}") from None
    except ModuleNotFoundError as error:
        raise click.UsageError(f"needs {error.name}: install infermodel[parquet]") from None


@contextmanager
def progress(doing: str, *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Say on stderr what is being done while it is, and a way to say more; silent where stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True)
    with console.status(escape(doing)) as status:
        yield lambda more: status.update(escape(more))
