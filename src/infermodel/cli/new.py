"""`infermodel new`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from infermodel.cli.told import Told, json_option
from infermodel.files import write_new


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path("scenario.yaml"))
@json_option
def new(path: Path, as_json: bool) -> None:
    """Write a commented scenario to PATH (scenario.yaml), to start from."""
    text = files("infermodel.scenario").joinpath("starter.yaml").read_text(encoding="utf-8")
    try:
        write_new(path, text)
    except FileExistsError:
        raise click.UsageError(f"{path} is there already; name another file") from None
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None
    told = Told("new", as_json=as_json)
    told.text(f"{path} written; try: infermodel run {path} --dry-run")
    told.file(path)
    told.end()
