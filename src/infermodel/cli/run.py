"""`infermodel run`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from infermodel.cli import MISSED
from infermodel.cli.answer import answer, preview
from infermodel.experiment.result import Capacity
from infermodel.scenario import ResolvedScenario, load, resolve


@click.command()
@click.argument("scenario", type=click.Path())
@click.option("--set", "changes", metavar="PATH=VALUE", multiple=True, help="Change a key; services by index or name.")
@click.option("--seed", type=click.IntRange(0), help="Seed of all random numbers, instead of the scenario's.")
@click.option("--replications", type=click.IntRange(1), default=1, show_default=True, help="Runs that differ by seed.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes for replications.")
@click.option("--dry-run", is_flag=True, help="Check the scenario and show what would run.")
@click.option("--check", is_flag=True, help="Exit with status 1 if an objective is missed.")
@click.option("--quiet", is_flag=True, help="Print nothing but what is wrong.")
@click.pass_context
def run(
    context: click.Context,
    scenario: str,
    changes: tuple[str, ...],
    seed: int | None,
    replications: int,
    jobs: int,
    dry_run: bool,
    check: bool,
    quiet: bool,
) -> None:
    """Simulate SCENARIO: latency, throughput and price at its load, and the largest load at its objectives."""
    seeded = changes if seed is None else (*changes, f"seed={seed}")
    resolved = resolve(load(scenario, seeded))
    if dry_run:
        if not quiet:
            click.echo(preview(resolved))
        return
    from infermodel import experiment

    with progress(f"simulating {resolved.source.name}", quiet=quiet):
        result = experiment.run(resolved, replications=replications, jobs=jobs)
    capacities = tuple(find_capacities(resolved, quiet=quiet))
    if not quiet:
        click.echo(answer(result, capacities))
    if check and not all(service.summary.objectives_met for service in result.services):
        context.exit(MISSED)


def find_capacities(scenario: ResolvedScenario, *, quiet: bool) -> Iterator[Capacity]:
    """The largest load of each service that has objectives, where the scenario asks for it."""
    from infermodel.search.capacity import find_capacity

    for service in scenario.services:
        if scenario.capacity_width is not None and service.objectives:
            with progress(f"looking for the capacity of {service.name}", quiet=quiet):
                yield find_capacity(scenario, service, width=scenario.capacity_width)


@contextmanager
def progress(doing: str, *, quiet: bool) -> Iterator[None]:
    """Say on stderr what is being done while it is, on a terminal."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    with console.status(escape(doing)):
        yield
