"""Everything about requests but when they come: lengths, priorities, and what prompts have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from infermodel.workload.arrivals import require_positive
from infermodel.workload.images import Images, PromptImages
from infermodel.workload.lengths import Lengths, draw_weighted, require_weights
from infermodel.workload.requests import Requests

Streams = Callable[[str], np.random.Generator]


@dataclass(frozen=True)
class Prefix:
    """Prompts that come again: request by request one of `distinct_prompts` texts.

    Attributes:
        distinct_prompts: how many texts there are; each keeps its length.
        order: `cyclic` sends them in turn (benchmark tools do), `uniform` picks each time at random.
    """

    distinct_prompts: int
    order: Literal["cyclic", "uniform"] = "cyclic"

    def __post_init__(self) -> None:
        require_positive("distinct_prompts", self.distinct_prompts)


@dataclass(frozen=True)
class SystemPrompts:
    """Texts that many prompts begin with.

    Attributes:
        count: how many there are, each as likely as the others.
        tokens: of each; a prompt that begins with one has at least one token more.
        share: of requests that begin with one; the others begin with nothing that anybody else has.
    """

    count: int
    tokens: int
    share: float = 1.0

    def __post_init__(self) -> None:
        require_positive("count", self.count)
        require_positive("tokens", self.tokens)
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie above 0 and at most at 1, not {self.share}")


@dataclass(frozen=True)
class CachedShare:
    """A share of every prompt that need not be computed, for those who know no more of their cache than that.

    Attributes:
        share: of its tokens, the leading ones, all but the last at most.
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must lie from 0 to 1, not {self.share}")


Shared = Prefix | SystemPrompts | CachedShare
"""What prompts have in common."""


@dataclass(frozen=True)
class Priorities:
    """Shares of requests by priority; lower numbers go first."""

    levels: tuple[int, ...]
    shares: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.levels:
            raise ValueError("priorities need at least one level")
        require_weights(len(self.levels), self.shares)


def request_bodies(
    prompt: Lengths,
    output: Lengths,
    prefix: Shared | None,
    priorities: Priorities | None,
    streams: Streams,
    images: Images | None = None,
) -> Callable[[NDArray[np.float64]], Requests]:
    """A source of everything about requests but their arrival: given the times of the next ones, it draws the rest.

    With prompts that come again, one length for each is drawn before the first request, and whether it holds images.
    """
    prompt_generator, output_generator = streams("prompt_tokens"), streams("output_tokens")
    id_generator, priority_generator = streams("prompt_id"), streams("priority")
    image_generator = streams("images") if images is not None else id_generator
    length_of_prompt = images_of_prompt = np.zeros(0, np.int64)
    if isinstance(prefix, Prefix):
        length_of_prompt = prompt.draw(prompt_generator, prefix.distinct_prompts)
        if images is not None:
            images_of_prompt = images.counts(prefix.distinct_prompts, image_generator)
    sent = 0

    def draw(arrived_at: NDArray[np.float64]) -> Requests:
        nonlocal sent
        count = len(arrived_at)
        if isinstance(prefix, Prefix):
            if prefix.order == "cyclic":
                prompt_id = np.arange(sent, sent + count, dtype=np.int64) % prefix.distinct_prompts
            else:
                prompt_id = id_generator.integers(prefix.distinct_prompts, size=count, dtype=np.int64)
            prompt_tokens = length_of_prompt[prompt_id]
        else:
            prompt_id = np.full(count, -1, dtype=np.int64)
            prompt_tokens = prompt.draw(prompt_generator, count)
        sent += count
        if priorities is None:
            priority = np.zeros(count, dtype=np.int64)
        else:
            levels = np.array(priorities.levels, dtype=np.int64)
            priority = draw_weighted(levels, priorities.shares, priority_generator, count)
        drawn = Requests(arrived_at, prompt_tokens, output.draw(output_generator, count), priority, prompt_id)
        if isinstance(prefix, SystemPrompts):
            drawn = with_system_prompts(drawn, prefix, id_generator)
        if images is not None:
            comes_again = isinstance(prefix, Prefix)
            counts = images_of_prompt[prompt_id] if comes_again else images.counts(count, image_generator)
            drawn = with_images(drawn, images, counts)
        if isinstance(prefix, CachedShare):
            tokens = drawn.prompt_tokens
            cached = np.minimum(np.floor(prefix.share * tokens).astype(np.int64), tokens - 1)
            return replace(drawn, cached_tokens=cached)
        return drawn

    return draw


def with_system_prompts(drawn: Requests, prompts: SystemPrompts, generator: np.random.Generator) -> Requests:
    """Requests of which a share begins with one of these texts: a hashed block of its own."""
    count = len(drawn)
    which = generator.integers(prompts.count, size=count)
    begins = generator.random(count) < prompts.share
    names = tuple((int(number),) if begin else () for number, begin in zip(which, begins, strict=True))
    longer = np.where(begins, np.maximum(drawn.prompt_tokens, prompts.tokens + 1), drawn.prompt_tokens)
    return replace(drawn, prompt_tokens=longer, block_hashes=names, hash_block_tokens=prompts.tokens)


def with_images(drawn: Requests, images: Images, counts: NDArray[np.int64]) -> Requests:
    """Requests whose prompts hold so many images each, behind the texts that they begin with."""
    begun = drawn.block_hashes or ((),) * len(drawn)
    held = tuple(
        PromptImages(count, drawn.hash_block_tokens * len(names), images) if count else None
        for count, names in zip(counts.tolist(), begun, strict=True)
    )
    return replace(drawn, prompt_tokens=drawn.prompt_tokens + counts * images.seen.tokens, images=held)
