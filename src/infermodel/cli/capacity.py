"""`infermodel capacity`."""

from __future__ import annotations

import os
from math import inf
from pathlib import Path

import click

from infermodel import api
from infermodel.cli import JOBS, REPLICATIONS
from infermodel.cli.place import REPORTS, checked, command_line, refusal, report_name
from infermodel.cli.progress import progress
from infermodel.cli.told import Told, json_option, png_option, quiet_option, set_option


class Quantity(click.ParamType[float]):
    """A quantity as scenarios write it, to SI: `5 min`, `2%`."""

    def __init__(self, dimension: str, *, most: float = inf) -> None:
        self.name, self.most = dimension, most

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """In SI; what measures something else, is not positive or too large is refused."""
        from infermodel.units import parse

        try:
            found = parse(value, self.name)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not 0 < found <= self.most:
            self.fail(
                f"{value} is not more than 0{f' and at most {self.most:g}' if self.most < inf else ''}", param, ctx
            )
        return found


@click.command()
@click.argument("scenario", type=click.Path())
@set_option
@click.option(
    "--width", type=Quantity("share", most=1.0), default=0.02, show_default=True, help="Of a bracket, relative: 2%."
)
@click.option("--replications", type=REPLICATIONS, default=16, show_default=True, help="At most, for each load.")
@click.option("--jobs", type=JOBS, default=lambda: os.cpu_count() or 1, help="Processes; all cores.")
@click.option("--time-limit", type=Quantity("time"), help="Such as 5 min; then the brackets so far are the answer.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the report; reports/<scenario>-capacity.")
@png_option
@json_option
@quiet_option
def capacity(
    scenario: str,
    changes: tuple[str, ...],
    width: float,
    replications: int,
    jobs: int,
    time_limit: float | None,
    out: Path | None,
    png: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """The largest load that each service of SCENARIO sustains at its objectives, with a report."""
    asked = api.load(scenario, set=changes)
    told = Told("capacity", as_json=as_json, quiet=quiet)
    folder = checked(out or REPORTS / report_name(asked.name, changes, "capacity"))
    with progress(quiet=told.quiet) as say:
        answer = api.capacity(
            asked,
            width=width,
            replications=replications,
            time_limit_s=inf if time_limit is None else time_limit,
            jobs=jobs,
            on_progress=say,
        )
    with progress("writing the report", quiet=told.quiet) as say, refusal(folder):
        answer.write(folder, png=png, command=command_line(), on_progress=say)
    told.answer(answer)
    told.text(f"\nreport: {folder / 'report.html'}")
    told.file(folder)
    told.end()
