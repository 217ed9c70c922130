"""A folder of a user's own benchmarks on the command line: what served them, and what each file is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from infermodel.cli.table import aligned
from infermodel.fidelity.bench import Told
from infermodel.fidelity.rows import Row


@dataclass(frozen=True)
class Served:
    """What served the runs of a folder, as named on the command line.

    Attributes:
        named: model, GPU and engine by their names in the catalog.
        version: of the engine.
        tensor_parallel: GPUs that share each layer.
        precisions: of weights, and of keys and values.
        asked_as: names under which clients asked for the model.
    """

    named: tuple[str, str, str]
    version: str
    tensor_parallel: int
    precisions: tuple[str, str]
    asked_as: tuple[str, ...]


def served_options(option: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that say what served a folder of runs.

    Args:
        option: with which they belong, for the help.
    """
    options = (
        click.option("--served", nargs=3, metavar="MODEL GPU ENGINE", help=f"{option}: what served (catalog names)."),
        click.option("--engine-version", default="", help=f"{option}: of the engine, such as 0.18.0."),
        click.option("--tensor-parallel", type=click.IntRange(1), default=1, help=f"{option}: GPUs sharing a layer."),
        click.option("--precision", default="bf16", help=f"{option}: of the weights."),
        click.option("--kv-precision", default="bf16", help=f"{option}: of keys and values."),
        click.option("--asked-as", multiple=True, help=f"{option}: name of MODEL for clients (default: its own)."),
    )

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        for each in reversed(options):
            command = each(command)
        return command

    return with_options


def rows_of_folder(folder: Path, served: Served, *, quiet: bool) -> tuple[Row, ...]:
    """The rows of a folder of results, after a table of what each file is.

    Raises:
        click.UsageError: a name is not in the catalog, a result is broken, or no run is one of this server.
    """
    from infermodel.fidelity import bench
    from infermodel.fidelity.server import Skipped, server_of
    from infermodel.formats.text import FormatError

    try:
        server = bench.served_by(*served.named, served.version, served.tensor_parallel, *served.precisions)
        server_of(server)
        runs, passed = bench.bench_runs(folder, server, served.asked_as)
    except (Skipped, FormatError, FileNotFoundError) as error:
        raise click.UsageError(str(error)) from error
    told = [("run", "tool", "model", "load", "answered", "taken"), *map(_line, runs)]
    said = "\n".join([aligned(told), *(f"passed over: {each}" for each in passed)]) if runs else "\n".join(passed)
    rows = tuple(each.row for each in runs if each.row is not None)
    if not rows:
        raise click.UsageError(f"no run in {folder} tells of {served.named[0]} on this server\n\n{said}")
    if not quiet:
        click.echo(said + "\n")
    return rows


def _line(told: Told) -> tuple[str, ...]:
    run = told.run
    answered = f"{run.answered} of {run.requests}" if run.failed else str(run.answered)
    taken = "yes" if run.model else "yes, on your word: the file names no model"
    return (told.id, f"{run.tool} {run.version}", run.model or "not told", str(run.load), answered, told.why or taken)
