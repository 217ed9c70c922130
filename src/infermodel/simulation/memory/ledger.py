"""The ledger of KV blocks of one replica: how many are free, and how many of those still hold what may be found."""

from __future__ import annotations


def blocks(tokens: int, block_tokens: int) -> int:
    """KV blocks that hold `tokens`.

    >>> blocks(0, 16), blocks(1, 16), blocks(16, 16), blocks(17, 16)
    (0, 1, 1, 2)
    """
    return -(-tokens // block_tokens)


class Ledger:
    """Counts of blocks: held by requests, or free but still with a name that may be found, or just free.

    Attributes:
        capacity: blocks in all.
        block_tokens: tokens of a block.
        free: blocks that a request can get, cached ones included; one that several hold counts as held once.
        cached: blocks that nobody holds and whose tokens may be found again; they are taken when no others are left.
    """

    def __init__(self, capacity: int, block_tokens: int) -> None:
        self.capacity = capacity
        self.block_tokens = block_tokens
        self.free = capacity
        self.cached = 0

    @property
    def used(self) -> int:
        """Blocks that requests hold."""
        return self.capacity - self.free

    def grow(self, count: int) -> None:
        """Requests get `count` more blocks (negative: give back); cached ones make room where no others are left.

        Raises:
            BrokenLedger: there are not so many.
        """
        self.free = free = self.free - count
        if self.cached <= free <= self.capacity:
            return
        if not 0 <= free <= self.capacity:
            raise BrokenLedger(f"{self.used} of {self.capacity} KV blocks in use")
        self.make_room(0)

    def make_room(self, count: int) -> None:
        """The next `count` blocks are spoken for: cached ones give up what they hold where no others are left."""
        short = count + self.cached - self.free
        if short > 0:
            self.cached -= self._forget(short)

    def _forget(self, count: int) -> int:
        """Give up what is cached in `count` blocks; returns in how many it was, a few more where they go together."""
        return count


class BrokenLedger(Exception):
    """KV blocks went negative or above the replica's capacity: a bug, never a result."""
