"""One pool of KV blocks for layers that see everything and layers that see a window: groups that share it.

An engine with such a pool (vLLM's hybrid KV cache) deals the layers of each kind to groups of equal size, so that a
block holds the same bytes whichever group takes it. Each group takes a block for every `block_tokens` of a sequence;
those whose layers have a window give back what has left it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

from infermodel.cost.forever import FOREVER

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


@dataclass(frozen=True, slots=True)
class KvMemory:
    """Room for keys and values on one replica.

    Attributes:
        tokens: tokens of context that fit, whole blocks; with windows, as many as sequences of the longest served
            context have that fit at once.
        block_tokens: tokens of a block.
        bytes_per_token: over all devices of the replica.
        weights_bytes: weights on all devices of the replica.
        longest: tokens of the longest single sequence that fits; 0: as many as all.
        pool: blocks that groups of layers share; 0: those of `tokens`.
        block_bytes: of a block of the pool on all devices; 0: of as many tokens.
        whole: groups of layers that see everything.
        windows: groups of those that see a window.
        ranks: of data-parallel attention, each with an equal part in which all of a sequence lies.
    """

    tokens: int
    block_tokens: int
    bytes_per_token: float
    weights_bytes: float
    longest: int = 0
    pool: int = 0
    block_bytes: float = 0.0
    whole: int = 1
    windows: tuple[WindowGroups, ...] = ()
    ranks: int = 1

    @property
    def blocks(self) -> int:
        """Of the pool."""
        return self.pool or self.tokens // self.block_tokens

    @property
    def groups(self) -> int:
        """Of layers, of both kinds."""
        return self.whole + sum([each.groups for each in self.windows])

    @property
    def fits_alone(self) -> int:
        """Tokens of the longest sequence that can be held at all."""
        return self.alone_in(self.blocks // self.ranks)

    @property
    def of_rank(self) -> KvMemory:
        """A rank's part, whole blocks.

        >>> KvMemory(tokens=100, block_tokens=8, bytes_per_token=1.0, weights_bytes=0.0, ranks=2).of_rank.tokens
        48
        """
        if self.ranks == 1:
            return self
        tokens = self.tokens // self.ranks // self.block_tokens * self.block_tokens
        return replace(self, tokens=tokens, pool=self.pool // self.ranks, ranks=1)

    def alone_in(self, pool: int) -> int:
        """Tokens of the longest sequence that a pool of so many blocks holds.

        >>> window = WindowGroups(128, 1, 9, 1033)  # gpt-oss: 1,033 blocks of a window while a prompt is computed
        >>> memory = KvMemory(0, 16, 1.0, 0.0, windows=(window,))
        >>> memory.alone_in(9233), memory.alone_in(9)  # 8,200 blocks and 1,033; 4 and 5
        (131200, 64)
        """
        if not self.whole and sum(each.groups * each.most for each in self.windows) <= pool:
            return FOREVER
        return (bisect_right(range(pool + 1), pool, key=self.charged) - 1) * self.block_tokens

    def charged(self, blocks: int) -> int:
        """Blocks of the pool that a prompt of so many blocks is charged at most: windows hold what is under way beside
        what they see, and may begin within a block (vLLM 0.33.0).
        """
        return self.whole * blocks + sum(each.groups * min(blocks + 1, each.most) for each in self.windows)

    @property
    def in_whole(self) -> int:
        """Tokens of contexts that lie in memory at most; layers that see everything hold all of them."""
        return self.blocks * self.block_tokens // self.whole if self.whole else FOREVER

    def sequences(self, context: float) -> float:
        """How many sequences of this mean context decode at once.

        >>> KvMemory(160, 16, 1.0, 0.0).sequences(40)
        4.0
        >>> window = WindowGroups(128, 1, 9, 1033)
        >>> KvMemory(0, 16, 1.0, 0.0, pool=7200, windows=(window,)).sequences(1008)  # 63 and 9 blocks each
        100.0
        """
        if not self.windows:
            return self.tokens / context
        block = self.block_tokens
        held = self.whole * context + sum(each.groups * min(context, each.held * block) for each in self.windows)
        return self.blocks * block / held
