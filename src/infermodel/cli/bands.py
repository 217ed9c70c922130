"""`infermodel bands`."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import click

from infermodel.cli.run import progress
from infermodel.cli.table import aligned
from infermodel.scenario import load, resolve


@click.command()
@click.argument("scenario", type=click.Path())
@click.option("--set", "changes", metavar="PATH=VALUE", multiple=True, help="Change a key; services by index or name.")
@click.option("--draws", type=click.IntRange(2), default=30, show_default=True, help="How often constants are drawn.")
@click.option("--jobs", type=click.IntRange(1), default=lambda: os.cpu_count() or 1, help="Processes; all cores.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the bands as CSV.")
@click.option("--quiet", is_flag=True, help="Print nothing but what is wrong.")
def bands(scenario: str, changes: tuple[str, ...], draws: int, jobs: int, out: Path | None, quiet: bool) -> None:
    """How far the answers of SCENARIO on GPUs move within the uncertainty of the constants (90 % of the draws)."""
    resolved = resolve(load(scenario, changes))
    from infermodel.experiment.uncertainty import bands as find

    with progress(f"simulating {resolved.source.name} {draws} times", quiet=quiet):
        found = find(resolved, draws=draws, jobs=jobs)
    if not found:
        raise click.UsageError("no service runs on GPUs: the constants of wafers and LPUs were fitted to single speeds")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["service", "answer", "value", "low", "high", "draws"])
            writer.writerows(
                (b.service, b.answer, f"{b.value:.6g}", f"{b.low:.6g}", f"{b.high:.6g}", b.draws) for b in found
            )
    if not quiet:
        rows = [(b.service, b.answer, f"{b.value:.4g}", f"{b.low:.4g}", f"{b.high:.4g}", str(b.draws)) for b in found]
        click.echo(aligned([("service", "answer", "with the catalog's values", "5 %", "95 %", "draws"), *rows]))
