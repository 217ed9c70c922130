"""Prompts on their way into the KV cache, and the chunks of them that a step takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from infermodel.cost.step import Chunk
from infermodel.simulation.memory.ledger import blocks

ENDLESS: Final = 1 << 60
"""Steps of a batch that nothing changes."""


class Prefill:
    """A prompt on its way into the KV cache: `done` of `target` tokens are there, a step adds `chunk`.

    `settled` of them are in no step that may still run while the next is composed; `windowed` blocks are in windows.
    """

    __slots__ = ("chunk", "done", "request", "settled", "target", "windowed")

    def __init__(self, request: int, target: int, done: int, chunk: int = 0) -> None:
        self.request = request
        self.target = target
        self.done = done
        self.chunk = chunk
        self.settled = done
        self.windowed = 0


class LongPrompts:
    """Tokens that a step takes of one prompt at most: an engine may bound it as long as there is somebody whom a long
    prompt would keep waiting (vLLM's `long_prefill_token_threshold`).

    Attributes:
        most: so many in the step that is composed.
        alone: there is one request only, which the bound spares until another comes.

    >>> long_prompts = LongPrompts(2048)
    >>> long_prompts.compose(requests=2), long_prompts.most, long_prompts.compose(requests=1), long_prompts.alone
    (None, 2048, None, True)
    """

    __slots__ = ("_bound", "alone", "most")

    def __init__(self, bound: int) -> None:
        self._bound = self.most = bound or ENDLESS
        self.alone = False

    def compose(self, requests: int) -> None:
        """A step is composed while the scheduler knows of so many requests, running or waiting."""
        self.alone = requests == 1 and self._bound < ENDLESS
        self.most = ENDLESS if self.alone else self._bound


def assign_chunks(
    prefills: Sequence[Prefill], budget: int, block_tokens: int, most: int = ENDLESS, groups: int = 1
) -> tuple[int, int]:
    """Share the step's token budget among the prompts in progress, first come first served, whole rests first.

    Sets `chunk` of each prefill (0: waits this step), `most` at most.

    Returns:
        budget left, and KV blocks that the chunks newly need of all `groups` of layers.

    >>> a, b = Prefill(0, 100, 0), Prefill(1, 100, 32)
    >>> assign_chunks([a, b], 128, 16), a.chunk, b.chunk
    ((0, 9), 100, 28)
    """
    needed = 0
    for prefill in prefills:
        prefill.chunk = min(prefill.target - prefill.done, budget, most)
        budget -= prefill.chunk
        needed += blocks(prefill.done + prefill.chunk, block_tokens) - blocks(prefill.done, block_tokens)
    return budget, needed * groups


def pieces(prefills: Sequence[Prefill]) -> tuple[tuple[Chunk, ...], int, int]:
    """Chunks of the next steps, how many of them end their prompt, and how often all of them can repeat.

    >>> pieces([Prefill(0, 100, 0, 40), Prefill(1, 30, 0, 10)])
    ((Chunk(new=40, before=0), Chunk(new=10, before=0)), 0, 2)
    """
    chunks, finishing, most = [], 0, ENDLESS
    for prefill in prefills:
        chunk, done = prefill.chunk, prefill.done
        if chunk:
            chunks.append(Chunk(chunk, done))
            full = (prefill.target - done - 1) // chunk
            if full == 0:
                finishing += 1
            if full < most:
                most = full
    return tuple(chunks), finishing, most or 1
