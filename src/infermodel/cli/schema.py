"""`infermodel schema`."""

from __future__ import annotations

import click

from infermodel.scenario.reference import reference


@click.command()
def schema() -> None:
    """Print every key that a scenario may hold: what is written, default, meaning."""
    click.echo(reference(), nl=False)
