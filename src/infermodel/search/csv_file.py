"""Tables as CSV: the same rows, the same bytes."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Mapping
from math import isnan
from pathlib import Path
from typing import Any


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows under the columns of all of them, in order of appearance; a missing value and NaN are empty.

    >>> as_csv([{"a": 1.5, "b": True}, {"a": float("nan"), "c": "x"}])
    'a,b,c\\n1.5,true,\\n,,x\\n'
    """
    table = list(rows)
    names = list(dict.fromkeys(name for each in table for name in each))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([written(each.get(name)) for name in names] for each in table)
    return text.getvalue()


def written(value: Any) -> str:
    """A cell; floats so that they read back to the same bits."""
    if value is None or (isinstance(value, float) and isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(float(value)) if isinstance(value, float) else str(value)


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8", newline=""
    ) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
