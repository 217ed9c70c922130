"""Where a command writes, and what it says of itself there."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from infermodel.files import safe_name

REPORTS = Path("reports")
"""Where reports go, each in a folder named after its scenario."""

CAPACITY_CACHE = REPORTS / ".capacity"
"""Capacities found before, by what they depend on."""


def report_name(name: str, changes: Sequence[str], what: str = "") -> str:
    """Name of the folder of a report that is told none: with other values it stands beside that with the file's own.

    Args:
        name: of the file.
        changes: `PATH=VALUE`, as typed.
        what: a word for reports that are not of a run.

    >>> report_name("my", ()), report_name("my", ("services.0.fleet.systems=4",), "capacity")
    ('my', 'my-services.0.fleet.systems_4-capacity')
    """
    return safe_name("-".join([name, *changes, *([what] if what else [])]), longest=200)


def command_line() -> list[str]:
    """What was typed, with the program by its name, wherever it is installed and also where Python runs the package."""
    program = Path(sys.argv[0])
    return [program.parent.name if program.name == "__main__.py" else program.name, *sys.argv[1:]]


@contextmanager
def refusal(folder: Path) -> Iterator[None]:
    """A folder that cannot be written, or a format that is not installed, is bad input."""
    try:
        yield
    except OSError as error:
        raise click.UsageError(f"{folder} cannot be written: {error.strerror}") from None
    except ModuleNotFoundError as error:
        raise click.UsageError(f"needs {error.name}: install infermodel[parquet]") from None


def checked(folder: Path) -> Path:
    """The folder, if a report can go there.

    Raises:
        InputError: something else is there.
    """
    from infermodel.report.folder import check_place

    with refusal(folder):
        check_place(folder)
    return folder
