"""`infermodel capacity`."""

from __future__ import annotations

import os
from dataclasses import replace
from math import inf
from pathlib import Path
from time import monotonic

import click

from infermodel.cli import JOBS, REPLICATIONS
from infermodel.cli.answer import capacity_table
from infermodel.cli.run import REPORTS, command_line, progress, refusal, tell_report
from infermodel.cli.told import Told, json_option
from infermodel.scenario import load, resolve


class Duration(click.ParamType[float]):
    """A time with its unit, to seconds."""

    name = "time"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds; what is no time is refused."""
        from infermodel.units import parse

        try:
            return parse(value, "time")
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("scenario", type=click.Path())
@click.option("--set", "changes", metavar="PATH=VALUE", multiple=True, help="Change a key; services by index or name.")
@click.option(
    "--width", type=click.FloatRange(1e-9, 1), default=0.02, show_default=True, help="Of a bracket, relative."
)
@click.option("--replications", type=REPLICATIONS, default=16, show_default=True, help="At most, for each load.")
@click.option("--jobs", type=JOBS, default=lambda: os.cpu_count() or 1, help="Processes; all cores.")
@click.option("--time-limit", type=Duration(), help="Such as 5 min; then the brackets so far are the answer.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the report; reports/<scenario>-capacity.")
@json_option
@click.option("--quiet", is_flag=True, help="Print nothing but what is wrong.")
def capacity(
    scenario: str,
    changes: tuple[str, ...],
    width: float,
    replications: int,
    jobs: int,
    time_limit: float | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """The largest load that each service of SCENARIO sustains at its objectives, with a report."""
    until = inf if time_limit is None else monotonic() + time_limit
    resolved = resolve(load(scenario, changes))
    if not any(service.objectives for service in resolved.services):
        raise click.UsageError(f"{scenario} has no objectives: give it some, such as objectives: {{ttft_p99: 1 s}}")
    told = Told("capacity", as_json=as_json, quiet=quiet)
    quiet = told.quiet
    from infermodel import experiment
    from infermodel.files import safe_name
    from infermodel.report.folder import check_place
    from infermodel.report.write import write
    from infermodel.search.capacity import find_capacities
    from infermodel.search.probe import DEEP

    folder = out or REPORTS / f"{safe_name(resolved.source.stem)}-capacity"
    with refusal(folder):
        check_place(folder)
    with progress(f"simulating {resolved.source.name}", quiet=quiet):
        result = experiment.run(resolved)
    effort = replace(DEEP, replications=replications)
    with progress(f"looking for the capacity of {len(resolved.services)} services", quiet=quiet):
        found = find_capacities(resolved, width=width, effort=effort, jobs=jobs, until=until)
    with progress("writing the report", quiet=quiet), refusal(folder):
        write(result, found, (), folder, command=command_line())
    told.text(capacity_table(resolved.title, found))
    told.text(f"\nreport: {folder / 'report.html'}")
    tell_report(told, result, found, ())
    told.file(folder)
    told.end()
