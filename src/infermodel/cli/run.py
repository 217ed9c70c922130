"""`infermodel run`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from infermodel.cli import MISSED
from infermodel.cli.answer import answer, preview
from infermodel.experiment.result import Capacity
from infermodel.scenario import ResolvedScenario, load, resolve

CAPACITY_CACHE = Path("reports/.capacity")
"""Capacities found before, by what they depend on."""


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
    capacities = find_capacities(resolved, quiet=quiet)
    if not quiet:
        click.echo(answer(result, capacities))
    if check and not all(service.summary.objectives_met for service in result.services):
        context.exit(MISSED)


def find_capacities(scenario: ResolvedScenario, *, quiet: bool) -> tuple[Capacity, ...]:
    """The largest load of each service that has objectives, where the scenario asks for it, coarsely."""
    from infermodel.search.capacity_cache import cached_capacities

    if scenario.capacity_width is None:
        return ()
    with progress("looking for the largest load of each service", quiet=quiet):
        return cached_capacities(scenario, CAPACITY_CACHE, width=scenario.capacity_width, jobs=os.cpu_count() or 1)


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
