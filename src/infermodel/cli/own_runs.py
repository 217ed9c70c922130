"""The options that say what served a folder of a user's own benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click


def served_options(option: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What served a folder of runs, given to the command as one `served`: a `Served`, or None.

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
    beside = ("engine_version", "tensor_parallel", "precision", "kv_precision", "asked_as")

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def gathered(served: tuple[str, str, str] | None, **given: Any) -> Any:
            from infermodel.answers.own_runs import Served

            said = {name: given.pop(name) for name in beside}
            return command(served=Served(*served, **said) if served else None, **given)

        for each in reversed(options):
            gathered = each(gathered)
        return gathered

    return with_options
