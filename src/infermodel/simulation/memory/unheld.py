"""The line in which runs of blocks that nobody holds wait to be used again."""

from __future__ import annotations

from infermodel.simulation.memory.pieces import Piece


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
