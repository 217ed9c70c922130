"""`infermodel run`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import click

from infermodel import api
from infermodel.cli import DRAWS, JOBS, MISSED, REPLICATIONS
from infermodel.cli.place import CAPACITY_CACHE, REPORTS, checked, command_line, refusal, report_name
from infermodel.cli.progress import progress
from infermodel.cli.told import Told, json_option, png_option, quiet_option, set_option


@click.command()
@click.argument("scenario", type=click.Path())
@set_option
@click.option("--seed", type=click.IntRange(0), help="Seed of all random numbers, instead of the scenario's.")
@click.option("--replications", type=REPLICATIONS, default=1, show_default=True, help="Runs that differ by seed.")
@click.option("--jobs", type=JOBS, default=lambda: os.cpu_count() or 1, help="Processes; all cores.")
@click.option("--draws", type=DRAWS, default=0, help="Draw uncertain constants that often, for bands.")
@click.option("--dry-run", is_flag=True, help="Check the scenario and show what would run.")
@click.option("--check", is_flag=True, help="Exit with status 1 if an objective is missed.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the report; reports/<scenario>, with what --set and --seed change, if omitted.",
)
@click.option("--figures/--no-figures", default=True, help="Whether to draw pictures.")
@click.option("--requests", type=click.Choice(["csv", "parquet"]), default="csv", help="Format of the requests' table.")
@click.option("--replay", is_flag=True, help="Write what each service was sent for load generators, too.")
@png_option
@json_option
@quiet_option
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
    png: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Simulate SCENARIO and report latency, throughput and price at its load and at the largest it sustains."""
    changes = changes if seed is None else (*changes, f"seed={seed}")
    asked = api.load(scenario, set=changes)
    told = Told("run", as_json=as_json, quiet=quiet)
    if dry_run:
        told.answer(asked)
        told.end()
        return
    folder = checked(REPORTS / report_name(asked.name, changes) if out is None else out)
    with progress(quiet=told.quiet) as say:
        answer = api.run(
            asked, replications=replications, draws=draws, jobs=jobs, cache=CAPACITY_CACHE, on_progress=say
        )
    told.answer(answer)
    with progress("writing the report", quiet=told.quiet) as say, refusal(folder):
        answer.write(
            folder, figures=figures, png=png, requests=requests, replay=replay, command=command_line(), on_progress=say
        )
    told.text(f"\nreport: {folder / 'report.html'}")
    told.file(folder)
    told.end()
    if check and not answer.objectives_met:
        context.exit(MISSED)
