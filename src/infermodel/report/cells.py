"""Cells and lines of CSV files: floats that read back to the same bits, and names that no spreadsheet runs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from infermodel.files import harmless


def cell(value: Any) -> str:
    """A value as text: shortest digits that read back to the same float, empty for NaN and None.

    >>> cell(0.1), cell(float("nan")), cell(True), cell(7), cell("=1+1")
    ('0.1', '', 'true', '7', "'=1+1")
    """
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return "" if isnan(value) else repr(float(value))
    return harmless(str(value))


def write_table(path: Path, header: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A CSV file with these columns; what a row lacks is empty."""
    with path.open("w", encoding="utf-8", newline="") as file:
        write_rows(file, header, rows)


def write_rows(file: TextIO, header: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """The same into an open file."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(harmless, header))
    writer.writerows([cell(row.get(name)) for name in header] for row in rows)


def write_lines(file: TextIO, columns: Sequence[NDArray[np.generic]], first: str = "") -> None:
    """Lines of CSV from columns of equal length, without a header; as `cell` writes them, several times faster.

    Args:
        file: open for writing.
        columns: numbers, or text that is known to be harmless and free of commas.
        first: leading cell of every line, already quoted.
    """
    if len(columns) == 0 or len(columns[0]) == 0:
        return
    texts = [_texts(column) for column in columns]
    lead = [[first] * len(texts[0])] if first else []
    file.write("\n".join(map(",".join, zip(*lead, *texts, strict=True))))
    file.write("\n")


def _texts(column: NDArray[np.generic]) -> list[str]:
    if column.dtype.kind == "f":
        texts = list(map(repr, column.astype(np.float64).tolist()))
        for index in np.flatnonzero(np.isnan(column.astype(np.float64))).tolist():
            texts[index] = ""
        return texts
    return list(map(str, column.tolist()))


def quoted(text: str) -> str:
    """One harmless cell as a CSV writer would put it.

    >>> quoted('a,b'), quoted("plain")
    ('"a,b"', 'plain')
    """
    safe = harmless(text)
    return '"' + safe.replace('"', '""') + '"' if "," in safe or '"' in safe else safe
