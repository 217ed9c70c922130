"""The ledger of KV blocks of one replica: how many are in use, what prompts may share, what may be evicted."""

from __future__ import annotations

from collections import OrderedDict


class KvCache:
    """Blocks of one replica: held by requests, or free but still holding a prefix of somebody's prompt, or just free.

    Attributes:
        capacity: blocks of the replica.
        block_tokens: tokens of a block.
        used: blocks held by running requests; shared ones count once.
        cached: blocks that nobody holds and that a prompt with the same prefix may find.
    """

    def __init__(self, capacity: int, block_tokens: int) -> None:
        self.capacity = capacity
        self.block_tokens = block_tokens
        self.used = 0
        self._prefixes: dict[int, list[int]] = {}  # key -> [blocks, holders]
        self._evictable: OrderedDict[int, None] = OrderedDict()  # keys nobody holds, the next to go first
        self.cached = 0

    @property
    def free(self) -> int:
        """Blocks that a request can get, cached ones included."""
        return self.capacity - self.used

    def hold(self, count: int) -> None:
        """Requests get `count` more blocks (negative: give back). Cached blocks make room, the next to go first."""
        self.used = used = self.used + count
        if 0 <= used <= self.capacity - self.cached:
            return
        if not 0 <= used <= self.capacity:
            raise BrokenLedger(f"{used} of {self.capacity} KV blocks in use")
        self._evict(used + self.cached - self.capacity)

    def find_prefix(self, chain: tuple[tuple[int, int], ...], limit_tokens: int) -> int:
        """Tokens of a prompt that the cache holds, whole blocks, at most `limit_tokens`.

        Args:
            chain: (key, blocks) of the prompt's leading pieces in order; a key stands for the whole prefix up to it.
        """
        found = 0
        for key, length in chain:
            entry = self._prefixes.get(key)
            if entry is None:
                break
            found += entry[0]
            if entry[0] < length:
                break
        return min(found, limit_tokens // self.block_tokens) * self.block_tokens

    def claim_cost(self, chain: tuple[tuple[int, int], ...], cached_blocks: int) -> int:
        """Blocks that move from cached to used when the first `cached_blocks` of the chain are shared."""
        cost = 0
        for key, _ in chain:
            if cached_blocks <= 0:
                break
            length, holders = self._prefixes[key]
            cost += length if holders == 0 else 0
            cached_blocks -= length
        return cost

    def claim(self, chain: tuple[tuple[int, int], ...], cached_blocks: int) -> tuple[int, ...]:
        """Share the pieces that hold the first `cached_blocks`; returns their keys for `release_prefix`."""
        held = []
        for key, _ in chain:
            if cached_blocks <= 0:
                break
            entry = self._prefixes[key]
            if entry[1] == 0:
                del self._evictable[key]
                self.cached -= entry[0]
                self.used += entry[0]
            entry[1] += 1
            cached_blocks -= entry[0]
            held.append(key)
        return tuple(held)

    def publish(self, chain: tuple[tuple[int, int], ...], held: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        """A prompt is in the cache now: others may share its pieces.

        Returns:
            the keys its request holds now, and how many of its own blocks became shared ones (they stay in `used`).
        """
        moved, keys = 0, list(held)
        if held:  # the tail of the last shared piece may have been evicted: this request has computed it again
            entry, length = self._prefixes[held[-1]], chain[len(held) - 1][1]
            moved += length - entry[0]
            entry[0] = length
        for key, length in chain[len(held) :]:
            if key in self._prefixes:
                break  # someone computed the same prefix at the same time; ours stays private
            self._prefixes[key] = [length, 1]
            moved += length
            keys.append(key)
        return tuple(keys), moved

    def release_prefix(self, held: tuple[int, ...]) -> None:
        """A request lets go of shared pieces. What nobody holds becomes evictable, its tail first."""
        for key in reversed(held):
            entry = self._prefixes[key]
            entry[1] -= 1
            if entry[1] == 0:
                self.used -= entry[0]
                self.cached += entry[0]
                self._evictable[key] = None

    def _evict(self, count: int) -> None:
        while count > 0 and self._evictable:
            key = next(iter(self._evictable))
            entry = self._prefixes[key]
            gone = min(count, entry[0])
            entry[0] -= gone
            self.cached -= gone
            count -= gone
            if entry[0] == 0:
                del self._evictable[key], self._prefixes[key]


class BrokenLedger(Exception):
    """KV blocks went negative or above the replica's capacity: a bug, never a result."""
