"""Contexts of the decoding sequences of a replica, kept as sums that grow by arithmetic, not by a visit to each."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final

from infermodel.cost.step import Windowed

NOBODY: Final = -(1 << 60)
"""Below every offset."""

MOST_STALE: Final = 256
"""Sequences that have left are dropped from the order of lengths when they are more than this and half of it."""


class Contexts:
    """Every decoding sequence has an offset; in step s (a replica's count of decode steps) its context is offset + s.

    Attributes:
        offset: of each decoding request, in the order in which they began to decode.
        total: sum of contexts in the step to come.
        windows: the same seen through each window of the model.
    """

    def __init__(self, windows: tuple[int, ...]) -> None:
        self.offset: dict[int, int] = {}
        self.total = 0
        self._by_length: list[tuple[int, int]] = []  # heap of (-offset, request), those that have left included
        self._most = NOBODY  # largest offset, where it is known
        self.windows = [Window(width) for width in windows]

    def join(self, request: int, context: int, step: int) -> int:
        """`request` decodes from step `step` on, where its context is `context`; returns its offset."""
        offset = context - step
        self.offset[request] = offset
        self.total += context
        self._rank(request, offset)
        for window in self.windows:
            window.join(request, context, step)
        return offset

    def _rank(self, request: int, offset: int) -> None:
        if offset > self._most > NOBODY:
            self._most = offset
        heappush(self._by_length, (-offset, request))
        if len(self._by_length) > MOST_STALE + 2 * len(self.offset):
            self._by_length = sorted((-offset, request) for request, offset in self.offset.items())

    def grow(self, request: int, tokens: int, step: int) -> None:
        """`request` has got further tokens, beside the one of each step."""
        context = self.offset[request] + step
        self.offset[request] += tokens
        self.total += tokens
        self._rank(request, self.offset[request])
        for window in self.windows:
            window.leave(request, context, step)
            window.join(request, context + tokens, step)

    def leave(self, request: int, step: int) -> int:
        """`request` decodes no more; returns its offset."""
        offset = self.offset.pop(request)
        self.total -= offset + step
        if offset == self._most:
            self._most = NOBODY
        for window in self.windows:
            window.leave(request, offset + step, step)
        return offset

    def advance(self, steps: int) -> int:
        """Every sequence has grown by a token in each of `steps` steps; returns how many tokens that were."""
        grown = steps * len(self.offset)
        self.total += grown
        if self.windows:
            for window in self.windows:
                window.advance(steps)
        return grown

    def longest(self, step: int) -> int:
        """The longest context in step `step`; 0 without sequences."""
        if self._most > NOBODY:
            return step + self._most
        heap, offsets = self._by_length, self.offset
        while heap:
            shortness, request = heap[0]
            if offsets.get(request) == -shortness:
                self._most = -shortness
                return step - shortness
            heappop(heap)
        return 0

    def windowed(self) -> tuple[Windowed, ...]:
        """The sums as each window of the model sees them."""
        if not self.windows:
            return ()
        return tuple([Windowed(window.total, window.growing) for window in self.windows])

    def steps_until_full_window(self, step: int, steps: int) -> int:
        """The most steps, up to `steps`, before some sequence outgrows a window."""
        for window in self.windows:
            steps = min(steps, window.steps_left(step, steps))
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
        """As `Contexts.join`."""
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
        """As `Contexts.advance`; nobody fills the window before the last of the steps."""
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
