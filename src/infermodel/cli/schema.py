"""`infermodel schema`."""

from __future__ import annotations

import click

from infermodel.cli.told import Told, json_option
from infermodel.scenario.reference import reference, reference_rows


@click.command()
@json_option
def schema(as_json: bool) -> None:
    """Print every key that a scenario may hold: what is written, default, meaning."""
    told = Told("schema", as_json=as_json)
    told.text(reference().rstrip("\n"))
    told.table("keys", reference_rows())
    told.end()
