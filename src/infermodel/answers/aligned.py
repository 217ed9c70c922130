"""Plain tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from infermodel.scenario.errors import printable, text_width


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows with their cells under each other, the first row a heading.

    >>> print(aligned([("name", "n"), ("a", "10")]))
    name  n
    ----  --
    a     10
    """
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(text_width(cell) for cell in column) for column in zip(*shown, strict=True)]
    shown.insert(1, ["-" * width for width in widths])
    lines = (
        "  ".join(cell + " " * (width - text_width(cell)) for cell, width in zip(row, widths, strict=True))
        for row in shown
    )
    return "\n".join(line.rstrip() for line in lines)
