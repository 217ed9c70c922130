"""Runs of names, and runs of blocks that hold what they name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

NOBODY: Final = -1


class Node:
    """A run of names: blocks `first` to `end` of all texts that go through it, and the pieces that hold them."""

    __slots__ = ("children", "end", "first", "names", "parent", "pieces")

    def __init__(self, names: Sequence[int], first: int, end: int, parent: Node | None) -> None:
        self.names = names
        self.first = first
        self.end = end
        self.parent = parent
        self.children: dict[int, Node] = {}
        self.pieces: list[Piece] = []  # in the order in which they are looked for


class Piece:
    """A run of blocks that one request wrote, one after the other; all of it has the same holders.

    Attributes:
        node: what the blocks are called; None: names that nobody looks for.
        first: place of the first block in the context of whoever holds it.
        end: place after the last one; while `writer` writes, as far as it may come.
        holders: requests that hold it.
        writer: the request that writes it, `NOBODY` when that is over.
        upper: the piece that its writer wrote after it, where it was cut in two or goes on under other names.
    """

    __slots__ = ("after", "before", "end", "first", "holders", "node", "upper", "writer")

    before: Piece
    after: Piece

    def __init__(self, node: Node | None, first: int, end: int, holders: int, writer: int = NOBODY) -> None:
        self.node = node
        self.first = first
        self.end = end
        self.holders = holders
        self.writer = writer
        self.upper: Piece | None = None
