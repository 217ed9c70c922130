"""The KV memory of vLLM 0.33.0, block by block, as its released source has it (`vllm/v1/core`: `block_pool.py`,
`kv_cache_manager.py`, `single_type_kv_cache_manager.py`, `kv_cache_coordinator.py`).

Every block is an object. Blocks that nobody refers to lie in one list, the free list, whether they have a name (the
hash of their tokens and of all tokens before them) or not; a named block in it can still be found, and loses its name
only when it is handed out again. Slow, obvious, and written from the engine: nothing of `infermodel` is used.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

Name = int
"""What a full block is called: the same for equal tokens after equal tokens."""


@dataclass(eq=False)
class Block:
    """Room for so many tokens of one group of layers."""

    number: int
    references: int = 0
    name: tuple[Name, int] | None = None  # and the group of layers whose block it is


NOWHERE = Block(-1)
"""Stands in a table for a block behind the window."""


@dataclass
class Table:
    """The blocks of one request: of each group of layers, and how many of these were given their names."""

    blocks: list[list[Block]]
    named: list[int]


@dataclass
class Memory:
    """The blocks of an engine.

    Attributes:
        capacity: blocks that requests can hold (the engine's number less its null block).
        block: tokens of a block.
        windows: of each group of layers, the tokens that it attends to; None is all of them.
        caching: whether blocks get names.
        in_flight: most tokens that are scheduled and not done: what a window is charged for at admission.
        lookahead_names: tokens after a block that belong to its name (drafters of the EAGLE kind).
    """

    capacity: int
    block: int = 16
    windows: Sequence[int | None] = (None,)
    caching: bool = True
    in_flight: int = 0
    lookahead_names: int = 0
    free: OrderedDict[int, Block] = field(default_factory=OrderedDict)
    found_by: dict[tuple[Name, int], dict[int, Block]] = field(default_factory=dict)
    tables: dict[Hashable, Table] = field(default_factory=dict)
    evictions: int = 0
    _names: dict[tuple[Name, tuple[Hashable, ...]], Name] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.free = OrderedDict((number, Block(number)) for number in range(self.capacity))

    # ---- names ----------------------------------------------------------------------------------------------------

    def extend_names(self, names: list[Name], tokens: Sequence[Hashable]) -> None:
        """Name the full blocks of `tokens` that have none yet."""
        while (end := (len(names) + 1) * self.block) + self.lookahead_names <= len(tokens):
            of = (names[-1] if names else -1, tuple(tokens[end - self.block : end + self.lookahead_names]))
            names.append(self._names.setdefault(of, len(self._names)))

    def find(self, names: list[Name], most: int) -> tuple[list[list[Block]], int]:
        """The longest start of at most `most` tokens whose blocks every group of layers still has, and its tokens."""
        longest = min(most // self.block, len(names)) if self.caching else 0
        for group, window in enumerate(self.windows):
            if window is None:  # as long as it goes on from the start; a window may begin anywhere
                missing = (i for i, name in enumerate(names[:longest]) if (name, group) not in self.found_by)
                longest = next(missing, longest)
        for length in range(longest, 0, -1):
            hits = [self._hit(names, length, group) for group in range(len(self.windows))]
            if None not in hits:
                return [hit for hit in hits if hit is not None], length * self.block
        return [[] for _ in self.windows], 0

    def _hit(self, names: list[Name], length: int, group: int) -> list[Block] | None:
        """The first `length` blocks of a group, of which a window needs only the last; None if one is missing."""
        window = self.windows[group]
        first = 0 if window is None else max(0, length - ceiling(window - 1, self.block))
        found = [self.found_by.get((name, group)) for name in names[first:length]]
        if not all(found):
            return None
        return [NOWHERE] * first + [next(iter(blocks.values())) for blocks in found if blocks]

    def _give_names(self, key: Hashable, names: list[Name], tokens: int) -> None:
        """Make the full blocks of the first `tokens` tokens findable."""
        table = self.tables[key]
        full = min(tokens // self.block, len(names))
        if full <= min(table.named):
            return
        for group, blocks in enumerate(table.blocks):
            for i in range(table.named[group], full):
                if blocks[i] is not NOWHERE:
                    blocks[i].name = (names[i], group)
                    self.found_by.setdefault((names[i], group), {})[blocks[i].number] = blocks[i]
            table.named[group] = max(table.named[group], full)

    def name_computed(self, key: Hashable, names: list[Name], tokens: int) -> None:
        """A step has brought tokens of an answer: the blocks that they fill can be found (`cache_blocks`)."""
        if self.caching:
            self._give_names(key, names, tokens)

    # ---- taking and giving ----------------------------------------------------------------------------------------

    def _behind(self, group: int, tokens: int) -> int:
        """Whole blocks before the window of the token after the first `tokens`."""
        window = self.windows[group]
        return 0 if window is None else max(0, tokens - window + 1) // self.block

    def _most_held(self, group: int, tokens: int) -> int:
        """Blocks that admission charges for `tokens` tokens: a window needs no more than it and what is under way."""
        window, needed = self.windows[group], ceiling(tokens, self.block)
        if window is None:
            return needed
        return min(needed, ceiling(window - 1 + self.in_flight, self.block) + 1)

    def _to_take(self, key: Hashable, hits: list[list[Block]], computed: int, upto: int, *, admission: bool) -> int:
        """Blocks out of the free list for a request to have `upto` tokens, `computed` of which it has or finds."""
        total = 0
        for group, hit in enumerate(hits):
            needed = self._most_held(group, upto) if admission else ceiling(upto, self.block)
            if key in self.tables:
                total += max(0, needed - len(self.tables[key].blocks[group]))
                continue
            behind = self._behind(group, computed)
            total += max(0, needed - max(behind, len(hit)))
            total += sum(block.references == 0 for block in hit[behind:] if block is not NOWHERE)
        return total

    def allocate(
        self,
        key: Hashable,
        names: list[Name],
        known: int,
        computed: int,
        new: int,
        *,
        hits: list[list[Block]] | None = None,
        lookahead: int = 0,
        settled: int | None = None,
        whole: bool = False,
        spare: int = 0,
    ) -> bool:
        """Room for `new` more tokens after the `computed` ones (`allocate_slots`); False if there is none.

        Args:
            key: the request.
            names: of its full blocks.
            known: tokens of it that are known.
            computed: tokens that it has in memory, and those it finds there.
            new: tokens of this step.
            hits: the blocks that it finds.
            lookahead: tokens beyond, which a drafter writes.
            settled: of `computed`, those whose step is over; blocks behind their window are given back.
            whole: refuse unless all of its known tokens would fit now (`scheduler_reserve_full_isl`).
            spare: blocks to be left (`watermark`).
        """
        if key in self.tables and self._has_room(key, computed + new + lookahead):
            self.name_computed(key, names, min(computed + new, known))
            return True
        hits = hits if hits is not None else [[] for _ in self.windows]
        if whole and self._to_take(key, hits, computed, known, admission=True) + spare > len(self.free):
            return False
        if key in self.tables:
            self._leave_behind(key, computed if settled is None else settled)
        upto = computed + new + lookahead
        if self._to_take(key, hits, computed, upto, admission=False) + spare > len(self.free):
            return False
        if key not in self.tables:
            self.tables[key] = Table([[] for _ in self.windows], [0 for _ in self.windows])
            for group, hit in enumerate(hits):
                behind = self._behind(group, computed)
                for block in hit[behind:]:
                    self._touch(block)
                self.tables[key].blocks[group] = [NOWHERE] * min(behind, len(hit)) + hit[behind:]
                self.tables[key].named[group] = len(hit)
        for blocks in self.tables[key].blocks:
            while len(blocks) < ceiling(upto, self.block):
                blocks.append(self._take())
        if self.caching:
            self._give_names(key, names, min(computed + new, known))
        return True

    def _has_room(self, key: Hashable, upto: int) -> bool:
        """Whether the last block of a request that runs has room, and nothing lies behind a window."""
        blocks = self.tables[key].blocks
        return self.windows == (None,) and upto <= self.block * len(blocks[0])

    def _touch(self, block: Block) -> None:
        if block is not NOWHERE:
            if block.references == 0:
                del self.free[block.number]
            block.references += 1

    def _take(self) -> Block:
        """The first of the free list; whoever looked for its old content finds it no more."""
        _, block = self.free.popitem(last=False)
        if block.name is not None:
            same = self.found_by[block.name]
            del same[block.number]
            if not same:
                del self.found_by[block.name]
            block.name = None
            self.evictions += 1
        block.references = 1
        return block

    def _put(self, blocks: list[Block]) -> None:
        """Blocks that are let go, in the order in which they shall be taken: those with a name at the end of the free
        list, those without at its front.
        """
        for block in blocks:
            if block is NOWHERE:
                continue
            block.references -= 1
            if block.references == 0:
                self.free[block.number] = block
                if block.name is None:
                    self.free.move_to_end(block.number, last=False)

    def _leave_behind(self, key: Hashable, tokens: int) -> None:
        """Give back the blocks before the window (`remove_skipped_blocks`)."""
        for group, blocks in enumerate(self.tables[key].blocks):
            gone = []
            for i in range(min(self._behind(group, tokens), len(blocks)) - 1, -1, -1):
                if blocks[i] is NOWHERE:
                    break
                gone.append(blocks[i])
                blocks[i] = NOWHERE
            self._put(gone)

    def release(self, key: Hashable) -> None:
        """Give back all blocks of a request, the last of them first to be taken again."""
        table = self.tables.pop(key)
        for blocks in table.blocks:
            self._put(blocks[::-1])

    def used(self) -> int:
        """Blocks that somebody refers to."""
        return self.capacity - len(self.free)


def ceiling(tokens: int, block: int) -> int:
    """Blocks of `block` tokens for so many tokens."""
    return -(-tokens // block)
