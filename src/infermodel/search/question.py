"""What the files of sweeps and of plans have in common: a question about a base scenario."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr

from infermodel.scenario.schema.types import Words
from infermodel.scenario.schema.values import Block, Kind, Text, refuse


class Paths(Kind):
    """One path of the scenario or several that take the same value."""

    def read(self, value: Any) -> tuple[str, ...]:
        """The paths."""
        listed = value if isinstance(value, list) else [value]
        if not listed or not all(isinstance(each, str) and each.strip() for each in listed):
            refuse("expected a path such as services.0.limits.max_sequences, or a list of them")
        return tuple(listed)

    def unit(self) -> str:
        """For the reference table."""
        return "path, or list of paths"


def parted(changes: Sequence[str], own_keys: Sequence[str]) -> tuple[list[str], list[str]]:
    """Changes of a question's own keys, and those of its base.

    >>> parted(["spares=0", "seed=7"], ["spares"])
    (['spares=0'], ['seed=7'])
    """
    own = [change for change in changes if change.partition("=")[0].partition(".")[0] in own_keys]
    return own, [change for change in changes if change not in own]


class Question(Block):
    """A question about a base scenario, in a file of its own."""

    title: Words = Field(description="the question in a sentence")
    description: Annotated[str, Text(may_be_empty=True)] = Field(default="", description="prose for the page")
    base: Words = Field(description="the scenario, or for `ask: plan` the plan, named from this file's folder")
    set: Annotated[tuple[str, ...], Paths()] = Field(default=(), description="changes to the base, as for `--set`")

    _file: Path = PrivateAttr(default=Path())

    @property
    def source(self) -> Path:
        """The file."""
        return self._file

    @property
    def base_path(self) -> Path:
        """The base scenario's file."""
        return self._file.parent / self.base
