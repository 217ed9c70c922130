"""Beginnings of texts that lie in KV blocks: a tree of runs of names, each with the blocks that hold it.

A name stands for a block's tokens and all before it, so texts that begin alike share a path from the root, and part
where their names differ. A run of blocks is one entry; it is cut only where texts part or holders differ. The same
names may lie in memory several times, written by requests that could not find each other; that which was there first
is found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from infermodel.simulation.memory.pieces import NOBODY, Node, Piece
from infermodel.simulation.memory.unheld import Unheld


class Text(NamedTuple):
    """What the blocks of a request's prompt and answer are called.

    Attributes:
        names: of the blocks that others may look for.
        named: how many blocks those are.
        own: names of the blocks after them, which only the request itself looks for once it has given way; None: not
            even that.
        blocks: full blocks of the whole text.
    """

    names: Sequence[int]
    named: int
    own: Sequence[int] | None
    blocks: int

    @property
    def laid(self) -> int:
        """Blocks that can be found by somebody."""
        return self.named if self.own is None else self.blocks


Held = tuple[tuple[Piece, int], ...]
"""What a request holds: the first piece of each run, and the place where that run ends."""


class Prefixes:
    """The blocks that have names, held or not. It counts blocks; the ledger has them.

    Args:
        block_tokens: of a KV block.
        name_tokens: of the blocks that have names.
        written: blocks so far of a request that is writing, as far as others may find them.
        at_once: whether they may as soon as a step is composed, so that who goes on from them in it gets ahead.
    """

    def __init__(self, block_tokens: int, name_tokens: int, written: Callable[[int], int], *, at_once: bool) -> None:
        self._block_tokens, self._name_tokens, self._written = block_tokens, name_tokens, written
        self._at_once = at_once
        self._root = Node((), 0, 0, None)
        self._unheld = Unheld()

    def find(self, text: Text, most: int) -> tuple[int, int]:
        """Leading blocks of a text that are there, at most so many, and how many of them nobody holds."""
        node, at, unheld = self._root, 0, 0
        while at < most:
            names, end = self._names(text, at)
            child = node.children.get(names[self._index(at)]) if at < end else None
            if child is None:
                break
            same = self._alike(child, names, min(child.end, end, most))
            for piece in child.pieces:
                reached = min(self._reached(piece), same)
                if reached > at:
                    if piece.holders == 0:
                        unheld += reached - at
                    at = reached
            if at < child.end:
                break
            node = child
        return at, unheld

    def hold(self, text: Text, found: int, writer: int) -> tuple[Held, int]:
        """A request holds the first `found` blocks of its text, which are there, and writes those after them.

        Returns:
            what it holds, and how many of the found blocks nobody held.
        """
        runs: list[tuple[Piece, int]] = []
        node, at, claimed, last = self._root, 0, 0, None
        while at < found:
            names, _ = self._names(text, at)
            node = node.children[names[self._index(at)]]
            piece = next(each for each in node.pieces if self._reached(each) > at)
            end = min(found, self._reached(piece))
            if end < node.end:
                node = self._cut(node, end)
            if piece.holders == 0:
                Unheld.remove(piece)
                claimed += end - at
            piece.holders += 1
            if last is not None and last.upper is piece:
                runs[-1] = runs[-1][0], end
            else:
                runs.append((piece, end))
            at, last = end, piece
        if at < text.laid:
            runs.append((self._write(text, node, at, writer), text.laid))
        return tuple(runs), claimed

    def _write(self, text: Text, node: Node, at: int, writer: int) -> Piece:
        """Lay out what a request is going to write below a node, from `at` on; returns the first piece of it."""
        first = last = None
        while at < text.laid:
            names, end = self._names(text, at)
            key = names[self._index(at)]
            child = node.children.get(key)
            if child is None:
                child = node.children[key] = Node(names, at, end, node)
            else:
                same = self._alike(child, names, min(child.end, end))
                if same < child.end:
                    child = self._cut(child, same)
            piece = Piece(child, at, child.end, 1, writer)
            child.pieces.insert(self._ahead_of(child, max(at, child.first)), piece)
            if last is None:
                first = piece
            else:
                last.upper = piece
            node, at, last = child, child.end, piece
        assert first is not None
        return first

    def _ahead_of(self, node: Node, at: int) -> int:
        """Place among the pieces of a node for one that is written from block `at` on, in this step: before those whose
        writers have not come so far and whose steps are bounded like this one's, so that they stay behind.
        """
        if not self._at_once:
            return len(node.pieces)
        behind = (i for i, piece in enumerate(node.pieces) if piece.writer != NOBODY and self._reached(piece) <= at)
        return next(behind, len(node.pieces))

    def release(self, held: Held, writer: int, written: int) -> int:
        """A request lets go, its last block first; what it wrote up to block `written` may be found.

        Returns:
            how many of the blocks nobody holds now.
        """
        count = 0
        for first, end in reversed(held):
            for piece in reversed(_run(first, end)):
                if piece.writer == writer:
                    piece.writer = NOBODY
                    piece.end = max(piece.first, min(piece.end, written))
                piece.holders -= 1
                if piece.end == piece.first:
                    self._drop(piece)
                elif piece.holders == 0:
                    self._unheld.append(piece)
                    count += piece.end - piece.first
        return count

    def leave_own(self, text: Text, held: Held, request: int, end: int) -> None:
        """A request that gives way has blocks up to `end` under names of its own: it may find them when it is back."""
        first = text.named
        node = _run(*held[-1])[-1].node if held else self._root
        assert node is not None
        names = own_names(request)
        node.children[names[self._index(first)]] = child = Node(names, first, end, node)
        piece = Piece(child, first, end, 0)
        child.pieces.append(piece)
        self._unheld.append(piece)

    def leave_nameless(self, count: int) -> None:
        """So many blocks that nobody holds have names that nobody looks for."""
        self._unheld.append_nameless(count)

    def forget(self, count: int) -> None:
        """Give up `count` blocks that nobody holds."""
        unheld = self._unheld
        while count > 0:
            piece = unheld.first()
            gone = min(count, piece.end - piece.first)
            piece.end -= gone
            count -= gone
            if piece.end == piece.first:
                unheld.remove(piece)
                self._drop(piece)

    # ---- names and places -----------------------------------------------------------------------------------------

    @staticmethod
    def _names(text: Text, at: int) -> tuple[Sequence[int], int]:
        """The names that tell block `at` of a text from others, and the block up to which they do."""
        if at < text.named or text.own is None:
            return text.names, text.named
        return text.own, text.blocks

    def _index(self, block: int) -> int:
        """Which name tells a block: that of the named block in which it ends."""
        return ((block + 1) * self._block_tokens - 1) // self._name_tokens

    def _alike(self, node: Node, names: Sequence[int], end: int) -> int:
        """The block up to which a node has these names, at most `end`."""
        if node.names is names:
            return end
        begin = self._index(node.first)
        low, high = node.first, end + 1  # alike up to `low`, not up to `high`
        middle = end
        while high - low > 1:
            upto = self._index(middle - 1) + 1
            if node.names[begin:upto] == names[begin:upto]:
                low = middle
            else:
                high = middle
            middle = (low + high) // 2
        return low

    def _reached(self, piece: Piece) -> int:
        """The place up to which a piece can be found."""
        return piece.end if piece.writer == NOBODY else min(piece.end, self._written(piece.writer))

    def _cut(self, node: Node, at: int) -> Node:
        """Cut a node, and its pieces, before block `at`; returns what stands before it."""
        parent = node.parent
        assert parent is not None
        lower = Node(node.names, node.first, at, parent)
        lower.pieces, uppers = node.pieces, []
        for piece in lower.pieces:
            piece.node = lower
            if piece.end <= at:
                continue
            upper = Piece(node, at, piece.end, piece.holders, piece.writer)
            upper.upper, piece.upper, piece.end = piece.upper, upper, at
            if piece.holders == 0:
                Unheld.insert(upper, piece)
            uppers.append(upper)
        parent.children[node.names[self._index(node.first)]] = lower
        if uppers:
            node.first, node.parent, node.pieces = at, lower, uppers
            lower.children[node.names[self._index(at)]] = node
        return lower

    def _drop(self, piece: Piece) -> None:
        """A piece holds nothing any more."""
        node = piece.node
        if node is None:
            return
        node.pieces.remove(piece)
        if not node.pieces:
            assert node.parent is not None
            assert not node.children
            del node.parent.children[node.names[self._index(node.first)]]


def own_names(request: int) -> range:
    """Names that nobody else has."""
    return range(-(request + 1) << 32, -request << 32)


def _run(piece: Piece, end: int) -> list[Piece]:
    """The pieces of a run that ends at block `end`."""
    pieces = [piece]
    while piece.end < end and piece.upper is not None:
        piece = piece.upper
        pieces.append(piece)
    return pieces
