"""What a scheduler asks of the KV memory of its replica: what is there of a prompt, room for more, and what comes back.

No clock is kept here: what a request finds says itself when it can be read.
"""

from __future__ import annotations

from typing import Final

from infermodel.simulation.memory.ledger import Ledger
from infermodel.simulation.memory.prefixes import Chain, Keys, Prefixes
from infermodel.simulation.recorder import RequestLog

HERE: Final = 0.0
"""When what lies in this memory can be read: a time that has passed."""


class Found:
    """What of a request need not be computed here.

    Attributes:
        tokens: leading ones, whole blocks.
        blocks: free ones that holding them takes.
        ready_at: when they can be read, seconds.
    """

    __slots__ = ("blocks", "ready_at", "tokens")

    def __init__(self, tokens: int, blocks: int, ready_at: float) -> None:
        self.tokens = tokens
        self.blocks = blocks
        self.ready_at = ready_at


NOTHING: Final = Found(0, 0, HERE)


class Holding:
    """What a request holds that others may find: keys of the pieces, and how many of its blocks lie in them."""

    __slots__ = ("blocks", "keys")

    def __init__(self) -> None:
        self.keys: Keys = ()
        self.blocks = 0


class Memory(Ledger):
    """KV blocks of one replica, what can be found in them, and what is set aside.

    What each request holds lies in a list, at the number that its column `holding` says; numbers are used again.
    """

    def __init__(self, capacity: int, block_tokens: int, log: RequestLog, *, prefix_caching: bool) -> None:
        super().__init__(capacity, block_tokens)
        self._log = log
        self._prefixes = Prefixes() if prefix_caching else None
        self._holdings: list[Holding] = []
        self._vacant: list[int] = []  # numbers of holdings that nobody has
        self._reserved = 0

    def find(self, request: int, limit: int) -> Found:
        """What is there of the first `limit` tokens of a request."""
        if self._prefixes is None:
            return NOTHING
        chain = self._chain(request)
        count = self._prefixes.find(chain, limit // self.block_tokens)
        if count == 0:
            return NOTHING
        return Found(count * self.block_tokens, self._prefixes.unheld(chain, count), HERE)

    def cost(self, found: Found, tokens: int) -> int:
        """Free blocks that it takes until `tokens` of a request are here of which `found` is found."""
        block = self.block_tokens
        return found.blocks - (-tokens // block) - found.tokens // block

    def take(self, request: int, found: Found) -> None:
        """A request holds what it has found; what it computes it gets by `grow`."""
        if self._prefixes is None or found.tokens == 0:
            return
        keys, moved = self._prefixes.claim(self._chain(request), found.tokens // self.block_tokens)
        self.cached -= moved
        self.grow(moved)
        self._hold(request, keys, found.tokens // self.block_tokens)

    def publish(self, request: int) -> None:
        """All of the prompt is here: others may find it."""
        if self._prefixes is None:
            return
        number = self._log.holding[request]
        held = self._holdings[number] if number >= 0 else None
        keys, moved = self._prefixes.publish(self._chain(request), held.keys if held is not None else ())
        if held is not None:
            held.keys = keys
            held.blocks += moved
        elif keys:
            self._hold(request, keys, moved)

    def give_back(self, request: int, tokens: int) -> None:
        """A request that has `tokens` here ends or gives way; what it shared may still be found."""
        own = -(-tokens // self.block_tokens)
        if self._prefixes is not None and self._log.holding[request] >= 0:
            own -= self._let_go(self._prefixes, request)
        self.grow(-own)

    def lose(self) -> None:
        """Everything is gone; the requests have given back what they held."""
        self.free, self.cached, self._reserved = self.capacity, 0, 0
        if self._prefixes is not None:
            self._prefixes = Prefixes()

    def reserve(self, count: int) -> None:
        """Set blocks aside for what a request may come to need (negative: no more)."""
        self._reserved += count

    def may_reserve(self, count: int) -> bool:
        """Whether so many blocks are not set aside yet."""
        return self._reserved + count <= self.capacity

    def _hold(self, request: int, keys: Keys, count: int) -> None:
        if not self._vacant:
            self._vacant.append(len(self._holdings))
            self._holdings.append(Holding())
        self._log.holding[request] = number = self._vacant.pop()
        held = self._holdings[number]
        held.keys, held.blocks = keys, count

    def _let_go(self, prefixes: Prefixes, request: int) -> int:
        """A request shares no more; returns how many of its blocks it shared."""
        number = self._log.holding[request]
        held = self._holdings[number]
        unheld = prefixes.release(held.keys)
        self.cached += unheld
        self.free += unheld
        self._log.holding[request] = -1
        self._vacant.append(number)
        return held.blocks

    def _forget(self, count: int) -> int:
        return self._prefixes.forget(count) if self._prefixes is not None else 0

    def _chain(self, request: int) -> Chain:
        """The pieces of a prompt that others may share."""
        log, block = self._log, self.block_tokens
        hashes = log.block_hashes.get(request)
        if hashes is not None:
            whole = log.prompt_tokens[request] // log.hash_block_tokens
            return tuple([(key, log.hash_block_tokens // block) for key in hashes[:whole]])
        if log.prompt_id[request] < 0:
            return ()
        return ((log.prompt_id[request], log.prompt_tokens[request] // block),)
