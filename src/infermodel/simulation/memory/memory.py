"""What a scheduler asks of the KV memory of its replica: what is there of a prompt, room for more, and what comes back.

No clock is kept here: what a request finds says itself when it can be read.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Final

from infermodel.cost.block_pool import KvMemory
from infermodel.simulation.memory.ledger import Ledger
from infermodel.simulation.memory.prefixes import Held, Prefixes, Text, own_names
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.spec import Limits

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
    """What a request holds that others may find: runs of blocks, and how many blocks it found there."""

    __slots__ = ("found", "runs")

    def __init__(self) -> None:
        self.runs: Held = ()
        self.found = 0


Reach = Callable[[int], int]
"""Tokens of a running request: of those before, and of the step that is composed."""


class Memory(Ledger):
    """KV blocks of one replica, what can be found in them, and what is set aside.

    What each request holds lies in a list, at the number that its column `holding` says; numbers are used again.

    Attributes:
        caches: whether anything can be found.
        whole: groups of layers that see everything: blocks of the pool for every block of a sequence.
        windows: groups of layers that see a window.
        groups: of both kinds.

    Args:
        room: how many blocks, and who shares them.
        limits: whether and from when on blocks can be found.
        scheduled: tokens of a running request when the step that is being composed is done.
        computed: those of the steps that are done.
        holding: the column that says where what a request holds is listed; None: the log's own.
    """

    def __init__(
        self,
        room: KvMemory,
        log: RequestLog,
        *,
        limits: Limits,
        scheduled: Reach,
        computed: Reach,
        holding: array[int] | None = None,
    ) -> None:
        super().__init__(room.blocks, room.block_tokens)
        self.whole, self.windows = room.whole, room.windows
        self.groups = room.groups
        self._log, self._scheduled, self._computed = log, scheduled, computed
        self._holding = log.holding if holding is None else holding
        self.caches, self._findable_when, self._answers = (
            limits.prefix_caching and room.whole > 0,
            limits.blocks_findable,
            limits.caches_answers,
        )
        self._prefixes: Prefixes | None = None
        self._holdings: list[Holding] = []
        self._vacant: list[int] = []  # numbers of holdings that nobody has
        self._reserved = 0

    def find(self, request: int, limit: int) -> Found:
        """What is there of the first `limit` tokens of a request; of what its log says was cached, all."""
        if self._log.known_tokens and self._is_brought(request):
            known = min(self._log.known_tokens[request], limit) // self.block_tokens
            return Found(known * self.block_tokens, known * self.whole, HERE) if known else NOTHING
        if self._prefixes is None or self._is_nameless(request):
            return NOTHING
        text = self._text(request)
        if text.laid == 0:
            return NOTHING
        count, unheld = self._prefixes.find(text, limit // self.block_tokens)
        return Found(count * self.block_tokens, unheld * self.whole, HERE) if count else NOTHING

    def cost(self, found: Found, tokens: int) -> int:
        """Free blocks that it takes until `tokens` of a request are here of which `found` is found."""
        block = self.block_tokens
        whole = found.blocks + self.whole * (-(-tokens // block) - found.tokens // block)
        return whole + self.in_windows(tokens, found.tokens) if self.windows else whole

    def charge(self, found: Found, tokens: int) -> int:
        """Free blocks that must be there to admit a request until `tokens` of it are here: of windows no more than they
        ever hold (vLLM's `max_admission_blocks_per_request`).
        """
        block = self.block_tokens
        count = -(-tokens // block)
        total = found.blocks + self.whole * (count - found.tokens // block)
        for each in self.windows:
            behind = max(0, found.tokens - each.window + 1) // block
            total += each.groups * max(0, min(count, each.most) - behind)
        return total

    def in_windows(self, tokens: int, settled: int) -> int:
        """Blocks in windows of a prompt of which `tokens` are here or under way: what lies behind the window of the
        token after the first `settled` has been given back.
        """
        block = self.block_tokens
        count, total = -(-tokens // block), 0
        for each in self.windows:
            behind = max(0, settled - each.window + 1) // block
            total += each.groups * max(count - behind, min(count, each.held))
        return total

    def held_in_windows(self, tokens: int) -> int:
        """Blocks in windows of a decoding sequence that has so many tokens."""
        count, total = -(-tokens // self.block_tokens), 0
        for each in self.windows:
            total += each.groups * min(count, each.held)
        return total

    def held(self, tokens: int) -> int:
        """Blocks of a decoding sequence that has so many tokens."""
        whole = self.whole * -(-tokens // self.block_tokens)
        return whole + self.held_in_windows(tokens) if self.windows else whole

    def slide(self, count: int) -> None:
        """So many blocks are behind their windows now, and given back; others may take them, after all that wait."""
        if not self.caches:
            self.grow(-count)
            return
        self._tree().leave_nameless(count // self.whole)
        self.free += count
        self.cached += count // self.whole * self.whole

    def turn_over(self, count: int) -> None:
        """So many blocks were taken and as many given back behind windows: what was cached in them is gone."""
        if self.caches and count:
            count = min(count, self.free)
            self.grow(count)
            self.slide(count)

    def take(self, request: int, found: Found) -> None:
        """A request holds what it has found; what it computes it gets by `grow`, and others may find it."""
        if self._log.known_tokens and self._is_brought(request):
            self.grow(found.blocks)
            return
        if not self.caches or self._is_nameless(request):
            return
        text = self._text(request)
        if text.laid == 0:
            return
        count = found.tokens // self.block_tokens
        runs, claimed = self._tree().hold(text, count, request)
        self.cached -= claimed * self.whole
        self.free -= claimed * self.whole
        if not self._vacant:
            self._vacant.append(len(self._holdings))
            self._holdings.append(Holding())
        self._holding[request] = number = self._vacant.pop()
        held = self._holdings[number]
        held.runs, held.found = runs, count

    def give_back(
        self, request: int, tokens: int, windowed: int = 0, *, named_tokens: int | None = None, ended: bool = False
    ) -> None:
        """A request that has `tokens` here ends or gives way; what it wrote may still be found.

        Args:
            request: which.
            tokens: of it.
            windowed: blocks that it has in windows.
            named_tokens: of its tokens, those whose blocks have names, since they were known; None: all.
            ended: it does not come back.
        """
        block, whole = self.block_tokens, self.whole
        own = -(-tokens // block)
        if not self.caches:
            self.grow(-own * whole - windowed)
            return
        if named_tokens is None:
            named_tokens = tokens
        if windowed:
            self.slide(windowed)
        if ended and self._is_nameless(request):
            named = named_tokens // block if self._answers else 0
            self._tree().leave_nameless(named)
            self.free += own * whole
            self.cached += named * whole
        else:
            self.grow((self._leave(request, named_tokens, ended=ended) - own) * whole)

    def lose(self) -> None:
        """Everything is gone; the requests have given back what they held."""
        self.free, self.cached, self._reserved = self.capacity, 0, 0
        self._prefixes = None

    def reserve(self, count: int) -> None:
        """Set blocks aside for what a request may come to need (negative: no more)."""
        self._reserved += count

    def may_reserve(self, count: int) -> bool:
        """Whether so many blocks are not set aside yet."""
        return self._reserved + count <= self.capacity

    def _leave(self, request: int, tokens: int, *, ended: bool) -> int:
        """Let go of the blocks that can be found; returns how many of a request's blocks those are."""
        prefixes, block, number = self._tree(), self.block_tokens, self._holding[request]
        text = self._text(request)
        full = (tokens if ended else self._findable(request, tokens, tokens)) // block
        held: Held = ()
        found = 0
        if number >= 0:
            held, found = self._holdings[number].runs, self._holdings[number].found
            self._holding[request] = -1
            self._vacant.append(number)
        named = max(found, min(full, text.blocks))
        laid = held[-1][1] if held else 0
        cached = max(0, named - laid)  # blocks under names that are nobody else's
        if cached:
            if ended:
                prefixes.leave_nameless(cached)
            else:
                prefixes.leave_own(text, held, request, named)
        cached += prefixes.release(held, request, named)
        self.free += cached * self.whole
        self.cached += cached * self.whole
        return named

    def _findable(self, request: int, scheduled: int, computed: int) -> int:
        """Tokens of a running request that others may find."""
        if self._findable_when == "scheduled":
            return scheduled
        prompt = self._log.prompt_tokens[request]
        if self._findable_when == "computed":
            return min(computed, prompt)
        return prompt if computed >= prompt else 0

    def _written(self, request: int) -> int:
        """Blocks of a running request that others may find."""
        scheduled = self._scheduled if self._findable_when == "scheduled" else self._computed
        tokens = scheduled(request)
        return self._findable(request, tokens, tokens) // self.block_tokens

    def _forget(self, count: int) -> int:
        places = -(-count // self.whole)
        self._tree().forget(places)
        return places * self.whole

    def _tree(self) -> Prefixes:
        if self._prefixes is None:
            self._prefixes = Prefixes(
                self.block_tokens,
                self._log.hash_block_tokens or self.block_tokens,
                self._written,
                at_once=self._findable_when == "scheduled",
            )
        return self._prefixes

    def _is_brought(self, request: int) -> bool:
        """Whether a log says what of a request is cached; one that gave way looks for its blocks as others do."""
        log = self._log
        return request in log.known_tokens and not (self.caches and log.preemptions[request])

    def _is_nameless(self, request: int) -> bool:
        """Whether nobody can find blocks of a request, not even itself."""
        log = self._log
        return log.prompt_id[request] < 0 and not log.block_hashes and not log.preemptions[request]

    def _text(self, request: int) -> Text:
        """What the blocks of a request are called."""
        log, block = self._log, self.block_tokens
        prompt = log.prompt_tokens[request]
        tokens = prompt + log.output_tokens[request] if self._answers else prompt
        names: Sequence[int] | None = log.block_hashes.get(request)
        if names is not None:
            named = min(len(names) * log.hash_block_tokens, tokens) // block
        elif log.prompt_id[request] >= 0:
            names, named = prompt_names(log.prompt_id[request]), prompt // block
        else:
            names, named = (), 0
        if not self._answers:
            return Text(names, named, None, named)
        own = own_names(request) if log.preemptions[request] else None
        return Text(names, named, own, tokens // block)


def prompt_names(prompt_id: int) -> range:
    """Names of the blocks of a prompt that is repeated as a whole."""
    return range(prompt_id << 32, (prompt_id + 1) << 32)
