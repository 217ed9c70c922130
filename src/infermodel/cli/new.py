"""`infermodel new`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path("scenario.yaml"))
def new(path: Path) -> None:
    """Write a commented scenario to PATH (scenario.yaml), to start from."""
    text = files("infermodel.scenario").joinpath("starter.yaml").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise click.UsageError(f"{path} is there already; name another file") from None
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None
    click.echo(f"{path} written; try: infermodel run {path} --dry-run")
