"""Requests as columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from infermodel.workload.images import PromptImages


@dataclass(frozen=True)
class Requests:
    """A block of requests in order of arrival, one entry of each column a request.

    Attributes:
        arrived_at: seconds from the start, non-decreasing (NaN in closed loops: set when the user sends it).
        prompt_tokens: at least 1.
        output_tokens: at least 1.
        priority: lower goes first; zeros where nobody asked.
        prompt_id: requests with the same id (>= 0) have the same prompt; -1: a prompt of its own.
        block_hashes: per request the hashes of its prompt's leading full blocks, or None where there are none. They may
            go on over the output, where a later prompt begins with it.
        hash_block_tokens: tokens of a hashed block.
        after: number, among all requests of the traffic, of the one after whose answer a request is sent; -1: it comes
            at its time. None: all do. The time of one that follows is that at which its conversation began.
        wait_s: from that answer until it is sent.
        cached_tokens: leading tokens of its prompt that need not be computed, whatever the cache holds; None: none.
        images: of each prompt, None where it has none; their tokens count into `prompt_tokens`. None: none has any.
        key: number of its key among those of all tenants, in their order; None: keys are drawn, if there are any.
    """

    arrived_at: NDArray[np.float64]
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    priority: NDArray[np.int64]
    prompt_id: NDArray[np.int64]
    block_hashes: tuple[tuple[int, ...], ...] | None = None
    hash_block_tokens: int = 0
    after: NDArray[np.int64] | None = None
    wait_s: NDArray[np.float64] | None = None
    cached_tokens: NDArray[np.int64] | None = None
    key: NDArray[np.int64] | None = None
    images: tuple[PromptImages | None, ...] | None = None

    def __len__(self) -> int:
        return len(self.prompt_tokens)

    def only(self, at: int) -> Requests:
        """One of them, as a block of its own."""
        part = slice(at, at + 1)
        return replace(
            self,
            arrived_at=self.arrived_at[part],
            prompt_tokens=self.prompt_tokens[part],
            output_tokens=self.output_tokens[part],
            priority=self.priority[part],
            prompt_id=self.prompt_id[part],
            block_hashes=self.block_hashes and self.block_hashes[part],
            after=None,
            wait_s=None,
            cached_tokens=None if self.cached_tokens is None else self.cached_tokens[part],
            key=None if self.key is None else self.key[part],
            images=self.images and self.images[part],
        )
