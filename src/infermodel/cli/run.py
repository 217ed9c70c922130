"""`infermodel run`."""

from __future__ import annotations

import click

from infermodel.cli.table import aligned
from infermodel.scenario import ResolvedScenario, load, resolve


@click.command()
@click.argument("scenario", type=click.Path())
@click.option("--set", "changes", metavar="PATH=VALUE", multiple=True, help="Change a key; services by index or name.")
@click.option("--seed", type=click.IntRange(0), help="Seed of all random numbers, instead of the scenario's.")
@click.option("--dry-run", is_flag=True, required=True, help="Check the scenario and show what would run.")
@click.option("--quiet", is_flag=True, help="Print nothing but what is wrong.")
def run(scenario: str, changes: tuple[str, ...], seed: int | None, dry_run: bool, quiet: bool) -> None:
    """Simulate SCENARIO."""
    seeded = changes if seed is None else (*changes, f"seed={seed}")
    resolved = resolve(load(scenario, seeded))
    if not quiet:
        click.echo(summary(resolved))


def summary(scenario: ResolvedScenario) -> str:
    """What would run: a line a service, and the digest."""
    rows = [("service", "model", "fleet", "replicas", "devices each", "engine", "weights", "KV room of a replica")]
    for service in scenario.services:
        memory = service.step_model.kv_memory
        rows.append(
            (
                service.name,
                service.architecture.title,
                f"{service.systems} x {service.system.title}",
                str(service.replicas),
                str(service.devices_per_replica),
                service.engine.name,
                f"{memory.weights_bytes / 1e9:.1f} GB {service.deployment.precision.weights}",
                f"{memory.tokens:,} tokens",
            )
        )
    notes = [f"note: {note}" for note in scenario.notes]
    return "\n".join([scenario.title, "", aligned(rows), "", *notes, f"sound; digest {scenario.digest[:16]}"])
