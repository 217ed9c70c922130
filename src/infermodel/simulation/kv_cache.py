"""The ledger of KV blocks of one replica: who holds how many, what a leap will need, what may be evicted.

Decoding sequences are kept as a histogram of their context modulo the block size. All of them grow by a token a step,
so the histogram says how many new blocks any number of steps needs, without a look at a single sequence: a sequence
whose next token has context c needs a new block in that step if c - 1 fills whole blocks.
"""

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
        self.decoding = 0
        # The histogram twice in a row, so that any run of residues is one slice.
        self._residues = [0] * (2 * block_tokens)
        self._prefixes: dict[int, list[int]] = {}  # key -> [blocks, holders]
        self._evictable: OrderedDict[int, None] = OrderedDict()  # keys nobody holds, the next to go first
        self.cached = 0

    @property
    def free(self) -> int:
        """Blocks that a request can get, cached ones included."""
        return self.capacity - self.used

    def join(self, offset: int) -> None:
        """A sequence starts to decode: its context in step s (of the replica's decode steps) is offset + s."""
        residue = offset % self.block_tokens
        self._residues[residue] += 1
        self._residues[residue + self.block_tokens] += 1
        self.decoding += 1

    def leave(self, offset: int) -> None:
        """A sequence with this offset decodes no more; its blocks are released separately."""
        residue = offset % self.block_tokens
        self._residues[residue] -= 1
        self._residues[residue + self.block_tokens] -= 1
        self.decoding -= 1

    def growth(self, step: int, steps: int) -> int:
        """New blocks that the decoding sequences need in `steps` steps from `step` on.

        >>> cache = KvCache(100, 16)
        >>> for _ in range(128): cache.join(17)   # contexts 17, 18, ...: all cross at the same step
        >>> cache.growth(0, 1), cache.growth(1, 8), cache.growth(0, 16), cache.growth(0, 17)
        (128, 0, 128, 256)
        """
        if steps == 1:
            return self._residues[(1 - step) % self.block_tokens]
        block = self.block_tokens
        whole = steps // block
        # In step s those with (offset + s) % B == 1 % B cross; going through the steps, their offsets descend.
        last = (1 - step) % block + block
        return whole * self.decoding + sum(self._residues[last - steps + whole * block + 1 : last + 1])

    def steps_that_fit(self, step: int, steps: int, room: int) -> int:
        """The most steps, up to `steps`, whose growth from `step` on stays within `room` blocks."""
        at_most = self.decoding * (steps // self.block_tokens + 1)  # each sequence enters so many new blocks
        if at_most <= room or self.growth(step, steps) <= room:
            return steps
        fits, fails = 0, steps
        while fails - fits > 1:
            middle = (fits + fails) // 2
            if self.growth(step, middle) <= room:
                fits = middle
            else:
                fails = middle
        return fits

    def grow(self, step: int, steps: int) -> None:
        """The decoding sequences have done `steps` steps from `step` on."""
        self.hold(self.growth(step, steps))

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
