"""Runs of blocks as they lie in KV memory, and the line in which those that nobody holds wait to be used again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from infermodel.simulation.memory.prefixes import Node

NOBODY: Final = -1


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


class Unheld:
    """Pieces that nobody holds, the next to go first; of each piece its last block goes first."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends = ends = Piece(None, 0, 0, 0)
        ends.before = ends.after = ends

    def first(self) -> Piece:
        """The next to go."""
        return self._ends.after

    def append(self, piece: Piece) -> None:
        """A piece that nobody holds any more: it goes after all others."""
        self.insert(piece, self._ends)

    def append_nameless(self, count: int) -> None:
        """As `append`, of blocks whose names nobody looks for; they join others of the kind."""
        last = self._ends.before
        if last.node is None and last is not self._ends:
            last.end += count
        elif count:
            self.append(Piece(None, 0, count, 0))

    @staticmethod
    def insert(piece: Piece, successor: Piece) -> None:
        """Put a piece right before another."""
        before = successor.before
        piece.before, piece.after = before, successor
        before.after = successor.before = piece

    @staticmethod
    def remove(piece: Piece) -> None:
        """Somebody holds it again, or it is gone."""
        before, after = piece.before, piece.after
        before.after, after.before = after, before
