"""Requests as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
    """

    arrived_at: NDArray[np.float64]
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    priority: NDArray[np.int64]
    prompt_id: NDArray[np.int64]
    block_hashes: tuple[tuple[int, ...], ...] | None = None
    hash_block_tokens: int = 0

    def __len__(self) -> int:
        return len(self.prompt_tokens)
