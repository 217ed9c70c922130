"""The decoding sequences of a replica, kept as sums that grow by arithmetic, not by a visit to each.

Every sequence has an offset: in step s, counted over the replica's decode steps, its context is offset + s. So the sum
of contexts follows from the sum of offsets, and the KV blocks that any number of steps needs follow from a histogram
of offsets modulo the block size: a sequence whose next token has context c needs a new block in that step if c - 1
fills whole blocks.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final

from infermodel.cost.block_pool import WindowGroups
from infermodel.cost.step import Windowed

NOBODY: Final = -(1 << 60)
"""Below every offset."""


class Decoding:
    """The sequences that get a token in each step.

    Attributes:
        step: decode steps so far.
        offset: of each sequence by request, in the order in which they began to decode.
        sequences: how many they are.
        offsets: their offsets together; so their contexts in the step to come are `offsets + sequences * step`.
        windows: the contexts as each window of the model sees them.
        turned_over: blocks that the last steps took and gave back behind a window.

    Args:
        windows: of the model.
        block_tokens: tokens of a KV block.
        whole: groups of layers that take a block whenever a sequence enters one.
        pooled: groups of layers that hold only a window.
    """

    def __init__(
        self, windows: tuple[int, ...], block_tokens: int, whole: int = 1, pooled: tuple[WindowGroups, ...] = ()
    ) -> None:
        self.step = 0
        self.offset: dict[int, int] = {}
        self.sequences = 0
        self.offsets = 0
        self.windows = [Window(width) for width in windows]
        self.turned_over = 0
        self._most = NOBODY  # the largest offset, where it is known
        self._block_tokens = block_tokens
        self._crossings = Crossings(block_tokens)
        self._whole = whole
        self._fillings = [Filling(each, block_tokens) for each in pooled]
        self._narrow = bool(windows or pooled)  # some layers see a window only

    def join(self, request: int, context: int) -> None:
        """`request` decodes from the step to come on, in which its context is `context`."""
        offset = context - self.step
        self.offset[request] = offset
        self.sequences += 1
        self.offsets += offset
        self._crossings.count(offset, 1)
        if offset > self._most > NOBODY:
            self._most = offset
        if self._narrow:
            for window in self.windows:
                window.join(request, context, self.step)
            for filling in self._fillings:
                filling.join(request, context, self.step)

    def leave(self, request: int) -> int:
        """`request` decodes no more; returns the context that its next token would have had."""
        offset = self.offset.pop(request)
        self.sequences -= 1
        self.offsets -= offset
        self._crossings.count(offset, -1)
        if offset == self._most:
            self._most = NOBODY
        context = offset + self.step
        if self._narrow:
            for window in self.windows:
                window.leave(request, context, self.step)
            for filling in self._fillings:
                filling.leave(request)
        return context

    def grow(self, request: int, tokens: int) -> None:
        """`request` has got further tokens, beside the one of each step."""
        offset = self.offset[request]
        self.offset[request] = offset + tokens
        self.offsets += tokens
        self._crossings.count(offset, -1)
        self._crossings.count(offset + tokens, 1)
        if offset + tokens > self._most > NOBODY:
            self._most = offset + tokens
        context, step = offset + self.step, self.step
        for window in self.windows:
            window.leave(request, context, step)
            window.join(request, context + tokens, step)
        for filling in self._fillings:
            filling.leave(request)
            filling.join(request, context + tokens, step)

    def advance(self, steps: int) -> int:
        """Every sequence has got a token in each of `steps` steps; returns the KV blocks that this newly took.

        Blocks that sequences took and gave back behind a window are `turned_over`.
        """
        step, sequences = self.step, self.sequences
        opened = self._crossings.within(step, steps, sequences) if sequences else 0
        grown = self._whole * opened
        if self._fillings:
            self.turned_over = 0
            for filling in self._fillings:
                taken = filling.growth(step, steps)
                grown += taken
                self.turned_over += filling.groups * opened - taken
        self.step = step + steps
        if self.windows:
            for window in self.windows:
                window.advance(steps)
        return grown

    def longest(self) -> int:
        """The longest context in the step to come; 0 without sequences."""
        if not self.sequences:
            return 0
        if self._most == NOBODY:
            self._most = max(self.offset.values())
        return self.step + self._most

    def windowed(self) -> tuple[Windowed, ...]:
        """The sums as each window of the model sees them."""
        return tuple([Windowed(window.total, window.growing) for window in self.windows])

    def steps_until_full_window(self, steps: int) -> int:
        """The most steps, up to `steps`, before some sequence outgrows a window."""
        for window in self.windows:
            steps = min(steps, window.steps_left(self.step, steps))
        for filling in self._fillings:
            steps = min(steps, filling.steps_left(self.step, steps))
        return steps

    def growth(self, steps: int) -> int:
        """KV blocks that the sequences newly need in the next `steps` steps.

        >>> decoding = Decoding((), 16)
        >>> for request in range(128): decoding.join(request, 17)  # contexts 17, 18, ...: all cross at the same step
        >>> decoding.growth(1), decoding.growth(16), decoding.growth(17)
        (128, 128, 256)
        >>> decoding.advance(1), decoding.growth(8)
        (128, 0)
        """
        grown = self._whole * self._crossings.within(self.step, steps, self.sequences)
        for filling in self._fillings:
            grown += filling.growth(self.step, steps)
        return grown

    def steps_that_fit(self, steps: int, room: int) -> int:
        """The most steps, up to `steps`, whose growth stays within `room` blocks."""
        groups = self._whole + sum([filling.groups for filling in self._fillings])
        at_most = groups * self.sequences * (steps // self._block_tokens + 1)  # each enters so many new blocks
        if at_most <= room or self.growth(steps) <= room:
            return steps
        fits, fails = 0, steps
        while fails - fits > 1:
            middle = (fits + fails) // 2
            if self.growth(middle) <= room:
                fits = middle
            else:
                fails = middle
        return fits


class Crossings:
    """A histogram of offsets modulo the block size, which tells how many sequences enter a new block."""

    __slots__ = ("_block_tokens", "_residues")

    def __init__(self, block_tokens: int) -> None:
        self._block_tokens = block_tokens
        self._residues = [0] * (2 * block_tokens)  # twice in a row, so that any run of residues is one slice

    def count(self, offset: int, change: int) -> None:
        """Sequences with this offset come (1) or go (-1)."""
        block, residues = self._block_tokens, self._residues
        residue = offset % block
        residues[residue] = residues[residue + block] = residues[residue] + change

    def within(self, step: int, steps: int, sequences: int) -> int:
        """Blocks that these sequences enter in the next `steps` steps after `step`."""
        block = self._block_tokens
        # In step s those with (offset + s) % B == 1 % B cross; going through the steps, their offsets descend.
        last = (1 - step) % block + block
        if steps == 1:
            return self._residues[last]
        whole = steps // block
        return whole * sequences + sum(self._residues[last - steps + whole * block + 1 : last + 1])


class Filling:
    """Sequences that hold ever more blocks of groups with a window, until they hold as many as any does."""

    __slots__ = ("_crossings", "_fills_at", "_heap", "_width", "groups")

    def __init__(self, window: WindowGroups, block_tokens: int) -> None:
        self.groups = window.groups
        self._width = (window.held - 1) * block_tokens + 2  # a context of one less enters the last block
        self._crossings = Crossings(block_tokens)
        self._fills_at: dict[int, int] = {}  # request -> step in which its context equals the width
        self._heap: list[tuple[int, int]] = []

    def join(self, request: int, context: int, step: int) -> None:
        """As `Decoding.join`."""
        if context < self._width:
            self._fills_at[request] = fills_at = step + self._width - context
            self._crossings.count(self._width - fills_at, 1)
            heappush(self._heap, (fills_at, request))

    def leave(self, request: int) -> None:
        """`request` decodes no more."""
        fills_at = self._fills_at.pop(request, None)
        if fills_at is not None:
            self._crossings.count(self._width - fills_at, -1)

    def growth(self, step: int, steps: int) -> int:
        """Blocks that these sequences need in the next `steps` steps, none of which fills a window."""
        return self.groups * self._crossings.within(step, steps, len(self._fills_at))

    def steps_left(self, step: int, steps: int) -> int:
        """The most steps, up to `steps`, before some sequence holds all that it comes to hold."""
        heap = self._heap
        while heap:
            fills_at, request = heap[0]
            if self._fills_at.get(request) == fills_at:
                if fills_at > step:
                    return min(steps, fills_at - step)
                self.leave(request)
            heappop(heap)
        return steps


class Window:
    """The sum over sequences of min(context, width): those still shorter are `growing`."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.total = 0
        self._fills_at: dict[int, int] = {}  # request -> step in which its context equals the width
        self._heap: list[tuple[int, int]] = []

    @property
    def growing(self) -> int:
        """Sequences still shorter than the window."""
        return len(self._fills_at)

    def join(self, request: int, context: int, step: int) -> None:
        """As `Decoding.join`."""
        self.total += min(context, self.width)
        if context < self.width:
            fills_at = step + self.width - context
            self._fills_at[request] = fills_at
            heappush(self._heap, (fills_at, request))

    def leave(self, request: int, context: int, step: int) -> None:
        """`request`, whose context is `context` by now, decodes no more."""
        self.total -= min(context, self.width)
        self._fills_at.pop(request, None)

    def advance(self, steps: int) -> None:
        """As `Decoding.advance`; nobody fills the window before the last of the steps."""
        self.total += steps * len(self._fills_at)

    def steps_left(self, step: int, steps: int) -> int:
        """The most steps, up to `steps`, before some sequence outgrows the window."""
        heap = self._heap
        while heap:
            fills_at, request = heap[0]
            if self._fills_at.get(request) == fills_at:
                if fills_at > step:
                    return min(steps, fills_at - step)
                del self._fills_at[request]  # it sees its last `width` tokens from now on
            heappop(heap)
        return steps
