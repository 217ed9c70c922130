"""Tables that say what their columns are: unit and meaning live beside each field, documents are made from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table that users read.

    Attributes:
        unit: as printed; empty for names, flags and counts of nothing.
        meaning: one line.
    """

    name: str
    unit: str
    meaning: str


def column(unit: str, meaning: str) -> Any:
    """A dataclass field that is a column of a table."""
    return field(metadata={"unit": unit, "meaning": meaning})


def columns(record: type) -> tuple[Column, ...]:
    """The columns that a dataclass declares, in order; fields without a declaration are no columns."""
    return tuple(
        Column(each.name, each.metadata["unit"], each.metadata["meaning"])
        for each in fields(record)
        if "meaning" in each.metadata
    )


def row(record: Any) -> dict[str, Any]:
    """The declared columns of one record, by name."""
    return {each.name: getattr(record, each.name) for each in columns(type(record))}


def measures(record: Any) -> list[str]:
    """Names of the columns that hold what can be averaged: floats, neither counts nor flags."""
    return [name for name, value in row(record).items() if type(value) is float]


def markdown(table: Iterable[Column]) -> str:
    """The columns as a Markdown table."""
    lines = [f"| `{each.name}` | {each.unit or '-'} | {each.meaning} |" for each in table]
    return "\n".join(["| column | unit | meaning |", "|---|---|---|", *lines])
