"""What a command says, for a person or for a program: text on a terminal, or one JSON object of one shape.

    {"infermodel": version, "command": name, "tables": {name: [row, ...]}, "notes": [...], "files": [...]}

Rows are objects whose keys are the columns of docs/tables.md where a table stands there. What is not known is null;
infinity, which JSON has no number for, is the text "inf" or "-inf".
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from math import isinf, isnan
from pathlib import Path
from typing import Any

import click
import numpy as np

from infermodel import __version__
from infermodel.answers.answer import Answer

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead (docs/json.md).")
quiet_option = click.option("--quiet", is_flag=True, help="Print nothing but what is wrong.")
png_option = click.option("--png", is_flag=True, help="Write each picture as PNG, too: 1,600 by 900 pixels.")

_changes = partial(click.option, "--set", "changes", metavar="PATH=VALUE", multiple=True)
set_option = _changes(help="Change a key; services by index or name.")
question_set_option = _changes(help="Change a key of it or of its base.")


class Told:
    """Collects what a command has found.

    Attributes:
        quiet: whether nothing but JSON, or nothing at all, is to be printed.
    """

    def __init__(self, command: str, *, as_json: bool, quiet: bool = False) -> None:
        self._command, self._as_json, self.quiet = command, as_json, quiet or as_json
        self._tables: dict[str, list[Any]] = {}
        self._notes: list[str] = []
        self._files: list[str] = []

    def text(self, text: str) -> None:
        """For a person only."""
        if not self.quiet:
            click.echo(text)

    def answer(self, answer: Answer) -> None:
        """Its text for a person; its tables and notes for a program."""
        if not self.quiet:
            click.echo(answer.answer)
        if self._as_json:
            for name, rows in answer.rows.items():
                self.table(name, rows)
            self.note(*answer.notes)

    def table(self, name: str, rows: Iterable[Any]) -> None:
        """For a program only: rows are mappings or dataclasses; a name that comes again goes on."""
        if self._as_json:
            self._tables.setdefault(name, []).extend(plain(row) for row in rows)

    def cells(self, name: str, rows: Sequence[Sequence[str]]) -> None:
        """The same, of a table as it is printed: the first row names the columns."""
        self.table(name, (dict(zip(rows[0], row, strict=True)) for row in rows[1:]))

    def note(self, *notes: str) -> None:
        """For a program only: what a reader should know."""
        self._notes += notes

    def file(self, path: Path | str) -> None:
        """For a program only: something was written."""
        self._files.append(str(path))

    def end(self) -> None:
        """Print what was collected, where it is asked for."""
        if self._as_json:
            found = {"tables": self._tables, "notes": self._notes, "files": self._files}
            click.echo(json.dumps({"infermodel": __version__, "command": self._command, **found}, indent=2))


def plain(value: Any) -> Any:
    """A value as JSON has it.

    >>> plain({"a": float("nan"), "b": (1, float("inf")), "c": "text", 3: None})
    {'a': None, 'b': [1, 'inf'], 'c': 'text', '3': None}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return None if isnan(value) else ("-inf" if value < 0 else "inf") if isinf(value) else value
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)
