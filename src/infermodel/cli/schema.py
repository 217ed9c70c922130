"""`infermodel schema`."""

from __future__ import annotations

import click

from infermodel.cli.told import Told, json_option
from infermodel.search.reference import FILES, reference_of, reference_rows_of


@click.command()
@click.argument("kind", type=click.Choice(tuple(FILES)), default="scenario")
@json_option
def schema(kind: str, as_json: bool) -> None:
    """Print every key that a file of a KIND may hold, a scenario if omitted: what is written, default, meaning."""
    told = Told("schema", as_json=as_json)
    told.text(reference_of(kind).rstrip("\n"))
    told.table("keys", reference_rows_of(kind))
    told.end()
