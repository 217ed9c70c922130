"""A table of a page: a sentence before it, heads and rows of words, drawn by `grid.html.jinja`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | tuple[str, str]
"""What it says, and in small what stands below that; `~~1~~` is struck out."""


@dataclass(frozen=True)
class Grid:
    """A table whose first column is words.

    Attributes:
        title: above it; empty for none.
        lead: sentence before it.
        heads: of the columns.
        rows: each as long as the heads.
        words: columns, by number, that hold words and not figures, beside the first.
    """

    title: str
    lead: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: frozenset[int] = frozenset()
