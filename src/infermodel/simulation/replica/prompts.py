"""Prompts on their way into the KV cache, and the chunks of them that a step takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from infermodel.architecture import Seen
from infermodel.cost.forever import FOREVER
from infermodel.cost.step import Chunk
from infermodel.simulation.memory.ledger import blocks
from infermodel.simulation.memory.memory import Memory
from infermodel.workload.images import PromptImages

NO_CHUNKS: Final[tuple[Chunk, ...]] = ()

NO_IMAGES: Final[tuple[Seen, ...]] = ()


class Prefill:
    """A prompt on its way into the KV cache: `done` of `target` tokens are there, a step adds `chunk`.

    `settled` of them are in no step that may still run while the next is composed; `windowed` blocks are in windows.
    Of its images `encoded` have been, or are in the cache whole.
    """

    __slots__ = ("chunk", "done", "encoded", "images", "request", "settled", "target", "windowed")

    def __init__(
        self, request: int, target: int, done: int, chunk: int = 0, images: PromptImages | None = None
    ) -> None:
        self.request = request
        self.target = target
        self.done = done
        self.chunk = chunk
        self.settled = done
        self.windowed = 0
        self.images = images
        self.encoded = 0 if images is None else images.behind(done)


class LongPrompts:
    """Tokens that a step takes of one prompt at most: an engine may bound it as long as there is somebody whom a long
    prompt would keep waiting (vLLM's `long_prefill_token_threshold`).

    Attributes:
        bounded: whether there is a bound at all; else nothing need be composed.
        most: so many in the step that is composed.
        alone: there is one request only, which the bound spares until another comes.

    >>> long_prompts = LongPrompts(2048)
    >>> long_prompts.compose(requests=2), long_prompts.most, long_prompts.compose(requests=1), long_prompts.alone
    (None, 2048, None, True)
    """

    __slots__ = ("_bound", "alone", "bounded", "most")

    def __init__(self, bound: int) -> None:
        self._bound = self.most = bound or FOREVER
        self.bounded, self.alone = bound > 0, False

    def compose(self, requests: int) -> None:
        """A step is composed while the scheduler knows of so many requests, running or waiting."""
        self.alone = requests == 1 and self.bounded
        self.most = FOREVER if self.alone else self._bound


def assign_chunks(
    prefills: Sequence[Prefill], budget: int, block_tokens: int, most: int = FOREVER, groups: int = 1
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
    chunks, finishing, most = [], 0, FOREVER
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


def to_encode(prefills: Sequence[Prefill]) -> tuple[tuple[Seen, ...], bool]:
    """Images that the encoder works on before the next step's chunks are read, those that begin in them; and whether
    more come in later steps, which are then like no other.
    """
    found: list[Seen] = []
    more = False
    for prefill in prefills:
        images = prefill.images
        if images is not None and prefill.chunk:
            begun = images.begun_by(prefill.done + prefill.chunk)
            found.extend([images.of.seen] * (begun - prefill.encoded))
            more = more or begun < images.count
    return tuple(found), more


class Prompts:
    """The prompts in progress of a replica.

    Attributes:
        prefills: of each, in order of admission.
        chunks: of them that the next steps take.
        finishing: how many of the chunks end their prompt in the next step.
        images: that it encodes.

    Args:
        images: of the requests that have any.
    """

    def __init__(self, memory: Memory, images: Mapping[int, PromptImages], *, ahead: bool) -> None:
        self.prefills: list[Prefill] = []
        self.chunks, self.finishing, self.images = NO_CHUNKS, 0, NO_IMAGES
        self._memory, self._ahead, self._images = memory, ahead, images

    def take_pieces(self) -> int:
        """Set chunks and images of the next steps; returns for how many all of them can repeat."""
        self.chunks, self.finishing, most = pieces(self.prefills)
        if not self._images:
            return most
        self.images, more = to_encode(self.prefills)
        return 1 if self.images or more else most

    def of(self, request: int) -> Prefill:
        """That of a request, which is there."""
        return next(each for each in self.prefills if each.request == request)

    def growth(self, prefill: Prefill, steps: int) -> int:
        """KV blocks that a prompt takes in the next steps, as many as it holds in the last of them."""
        memory, done, block = self._memory, prefill.done, self._memory.block_tokens
        reached = done + prefill.chunk * steps
        if reached > prefill.target:
            reached = prefill.target
        grown = memory.whole * (-done // block - -reached // block)  # rounded up, both
        return grown + self._in_windows(prefill, steps) - prefill.windowed if memory.windows else grown

    def growth_of_all(self, steps: int) -> int:
        """The same of all prompts."""
        return sum([self.growth(prefill, steps) for prefill in self.prefills])

    def _in_windows(self, prefill: Prefill, steps: int) -> int:
        """Blocks in windows that a prompt holds in the last of the next steps."""
        done, chunk, settled = prefill.done, prefill.chunk, prefill.settled
        if chunk == 0:
            return prefill.windowed
        if steps > 1:
            settled = done + chunk * (steps - 1 - self._ahead)
        return self._memory.in_windows(min(prefill.target, done + chunk * steps), settled)

    def advance(self, steps: int) -> tuple[int, list[Prefill]]:
        """So many steps are done: prompt tokens that they computed, and the prompts that are complete and go on."""
        memory = self._memory
        prompt_tokens, grown, unfinished, complete = 0, 0, [], []
        for prefill in self.prefills:
            done, chunk = prefill.done, prefill.chunk
            if chunk:
                reached = done + chunk * steps
                if prefill.images is not None:
                    prefill.encoded = max(prefill.encoded, prefill.images.begun_by(reached))
                if reached >= prefill.target:
                    reached = prefill.target
                    complete.append(prefill)
                else:
                    unfinished.append(prefill)
                prompt_tokens += reached - done
                grown += self.growth(prefill, steps)
                if memory.windows:
                    memory.grow(grown)
                    grown = 0
                    self._slide(prefill, steps, reached)
                prefill.done = reached
            else:
                unfinished.append(prefill)
        if grown:
            memory.grow(grown)
        self.prefills = unfinished
        return prompt_tokens, complete

    def _slide(self, prefill: Prefill, steps: int, reached: int) -> None:
        """A prompt has come that far: what the step after the next ones finds behind its windows is given back."""
        held = self._in_windows(prefill, steps)
        prefill.settled = prefill.done + prefill.chunk * (steps - 1) if self._ahead else reached
        prefill.windowed = self._memory.in_windows(reached, prefill.settled)
        self._memory.slide(held - prefill.windowed)
