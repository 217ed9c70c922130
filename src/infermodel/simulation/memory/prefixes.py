"""Beginnings of prompts that lie in KV blocks: which of them are there, how many hold them, and what goes first."""

from __future__ import annotations

from collections import OrderedDict

Chain = tuple[tuple[int, int], ...]
"""A prompt's leading pieces in order: (key, whole blocks) each. A key stands for the whole prompt up to its end."""

Keys = tuple[int, ...]


class Piece:
    """A piece of prompts: `blocks` of it are there, and `holders` requests hold them."""

    __slots__ = ("blocks", "holders")

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.holders = 1


class Prefixes:
    """The pieces that are there, by key. It counts blocks, the ledger has them."""

    def __init__(self) -> None:
        self._pieces: dict[int, Piece] = {}
        self._unheld: OrderedDict[int, None] = OrderedDict()  # keys of pieces that nobody holds, the next to go first

    def find(self, chain: Chain, most: int) -> int:
        """Leading blocks of a chain that are there, at most so many."""
        found = 0
        for key, length in chain:
            piece = self._pieces.get(key)
            if piece is None:
                break
            found += piece.blocks
            if piece.blocks < length:
                break
        return min(found, most)

    def unheld(self, chain: Chain, blocks: int) -> int:
        """Blocks that nobody holds in the pieces of the first `blocks` of a chain."""
        count = 0
        for key, _ in chain:
            if blocks <= 0:
                break
            piece = self._pieces[key]
            if piece.holders == 0:
                count += piece.blocks
            blocks -= piece.blocks
        return count

    def claim(self, chain: Chain, blocks: int) -> tuple[Keys, int]:
        """Hold the pieces of the first `blocks` of a chain: their keys, and how many of their blocks nobody held."""
        keys, moved = [], 0
        for key, _ in chain:
            if blocks <= 0:
                break
            piece = self._pieces[key]
            if piece.holders == 0:
                del self._unheld[key]
                moved += piece.blocks
            piece.holders += 1
            blocks -= piece.blocks
            keys.append(key)
        return tuple(keys), moved

    def publish(self, chain: Chain, held: Keys) -> tuple[Keys, int]:
        """A prompt whose request holds the pieces `held` is there as a whole: others may find it.

        Returns:
            the keys that its request holds now, and how many of its own blocks belong to pieces now.
        """
        moved, keys = 0, list(held)
        if held:  # the tail of the last shared piece may have been given up: this request has computed it again
            last, length = self._pieces[held[-1]], chain[len(held) - 1][1]
            moved += length - last.blocks
            last.blocks = length
        for key, length in chain[len(held) :]:
            if key in self._pieces:
                break  # someone computed the same prefix at the same time; ours stays private
            self._pieces[key] = Piece(length)
            moved += length
            keys.append(key)
        return tuple(keys), moved

    def release(self, held: Keys) -> int:
        """A request lets go of pieces. What nobody holds may go, its tail first; returns how many blocks that is."""
        count = 0
        for key in reversed(held):
            piece = self._pieces[key]
            piece.holders -= 1
            if piece.holders == 0:
                count += piece.blocks
                self._unheld[key] = None
        return count

    def forget(self, count: int) -> int:
        """Give up `count` blocks that nobody holds, or all that there are; returns how many."""
        left = count
        while left > 0 and self._unheld:
            key = next(iter(self._unheld))
            piece = self._pieces[key]
            gone = min(left, piece.blocks)
            piece.blocks -= gone
            left -= gone
            if piece.blocks == 0:
                del self._unheld[key], self._pieces[key]
        return count - left
