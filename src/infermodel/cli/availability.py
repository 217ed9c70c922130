"""`infermodel availability`."""

from __future__ import annotations

import click

from infermodel import api
from infermodel.cli.progress import progress
from infermodel.cli.told import Told, json_option, quiet_option, set_option


@click.command()
@click.argument("scenario", type=click.Path())
@set_option
@json_option
@quiet_option
def availability(scenario: str, changes: tuple[str, ...], as_json: bool, quiet: bool) -> None:
    """What the services of SCENARIO whose systems fail deliver over months, and in each state of the fleet."""
    told = Told("availability", as_json=as_json, quiet=quiet)
    asked = api.load(scenario, set=changes)
    with progress(quiet=told.quiet) as say:
        answer = api.availability(asked, on_progress=say)
    told.answer(answer)
    told.end()
