"""One pool of KV blocks for layers that see everything and layers that see a window: groups that share it.

An engine with such a pool (vLLM's hybrid KV cache) deals the layers of each kind to groups of equal size, so that a
block holds the same bytes whichever group takes it. Each group takes a block for every `block_tokens` of a sequence;
those whose layers have a window give back what has left it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

STATE = 0
"""The window of layers that keep a state in place of tokens."""

ALIKE = 1.5
"""Kinds of layers of which the largest is less than so many times the smallest make one group each, the smaller ones
padded (vLLM 0.33.0); else the smallest kind is one group, and the others are dealt to several of its size."""


@dataclass(frozen=True, slots=True)
class WindowGroups:
    """Groups of layers with one window, as one sequence sees them.

    Attributes:
        window: tokens that a query looks back on, itself included.
        groups: how many there are; each takes blocks of its own.
        held: blocks of a group that a decoding sequence comes to hold, however long it is.
        most: blocks of a group that it may hold while its prompt is computed: what its admission is charged at most.
    """

    window: int
    groups: int
    held: int
    most: int

    @classmethod
    def of_states(cls, groups: int, *, found_again: bool) -> WindowGroups:
        """Groups of layers whose block holds a state: one, or two where states at the ends of blocks are kept for
        prompts with the same beginning (vLLM 0.33.0, `mamba_cache_mode` align).
        """
        held = 1 + found_again
        return cls(STATE, groups, held, held)

    @classmethod
    def of(cls, window: int, groups: int, block_tokens: int, in_flight: int, steps_in_flight: int) -> WindowGroups:
        """With the blocks that follow from the window.

        A step whose last token attends to m tokens needs blocks up to m, and gives back those before
        w = m - window - steps_in_flight: a decoding sequence holds ceil(m / block) - floor(w / block) blocks, at most
        one more than the window has. While a prompt is computed the tokens in flight come to that.

        Args:
            window: tokens.
            groups: with this window.
            block_tokens: tokens of a block.
            in_flight: tokens that may be scheduled and not done.
            steps_in_flight: steps that run while the next is composed.

        Source: vLLM 0.33.0 (`SlidingWindowSpec.max_admission_blocks_per_request`, `remove_skipped_blocks`).

        >>> WindowGroups.of(128, 1, 16, 2 * 8192, 1)  # gpt-oss: (127 + 16,384) / 16, rounded up, and one
        WindowGroups(window=128, groups=1, held=9, most=1033)
        """
        held = ceil((window + steps_in_flight - 1) / block_tokens) + 1
        return cls(window, groups, held, ceil((window - 1 + in_flight) / block_tokens) + 1)


def aligned_block(block_tokens: int, token_bytes: float, state_bytes: float) -> int:
    """Tokens of a block that holds a layer's state as well as its keys and values: the smallest multiple of the
    kernel's block that does (vLLM 0.33.0, models with attention and recurrences).

    Args:
        block_tokens: of the kernel's block.
        token_bytes, state_bytes: of one layer on one GPU.

    >>> aligned_block(16, 1024.0, 1_081_344.0)  # Qwen3-Next on two GPUs, its state in 32 bits
    1056
    """
    return block_tokens * max(1, ceil(state_bytes / (block_tokens * token_bytes))) if token_bytes else block_tokens


def groups_of(bytes_per_token: Mapping[int | None, float]) -> dict[int | None, int]:
    """Into how many groups of equal size layers of each kind are dealt.

    Args:
        bytes_per_token: of all layers of a kind: with one window, or with none (None).

    >>> groups_of({None: 18, 128: 18}), groups_of({None: 10, 1024: 52})  # gpt-oss-120b, Gemma 3 27B
    ({None: 1, 128: 1}, {None: 1, 1024: 6})
    """
    least, most = min(bytes_per_token.values()), max(bytes_per_token.values())
    size = most if most < ALIKE * least else least
    return {window: ceil(each / size) for window, each in bytes_per_token.items()}


def block_bytes(
    layers: Mapping[int | None, int],
    bytes_per_token: Mapping[int | None, float],
    groups: Mapping[int | None, int],
    block_tokens: int,
) -> float:
    """Bytes of a block on one GPU: those of the group with the most layers there.

    Args:
        layers: of the GPU, by kind.
        bytes_per_token: of these layers of a kind together.
        groups: of the whole model, by kind; its layers are dealt to them in turn.
        block_tokens: tokens of a block.

    >>> block_bytes({None: 10, 1024: 52}, {None: 40960, 1024: 212992}, {None: 1, 1024: 6}, 16)  # Gemma 3
    655360.0
    """
    widest = (
        ceil(count / groups[window]) * bytes_per_token[window] / count for window, count in layers.items() if count
    )
    return block_tokens * max(widest)
