"""Leaps of replicas over steps: a row of a buffer each, and as columns when the buffer is full.

So memory does not grow with the number of steps, and whoever sums them up does so with numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from infermodel.cost.step import BOUNDS, DecodeLine, Ramp

Column: TypeAlias = NDArray[np.float64]
BOUND_INDEX: Final = {bound: index for index, bound in enumerate(BOUNDS)}


class Leaps(NamedTuple):
    """Consecutive steps of one batch, a column each; those from `first_s` on are of the ramp that they followed."""

    replica: Column
    start_s: Column
    end_s: Column
    sequences: Column
    output_tokens: Column
    prompt_tokens: Column
    kv_blocks: Column  # mean over the leap
    steps: Column
    first_s: Column
    slope_s: Column
    first_joules: Column
    slope_joules: Column
    first_flops: Column
    slope_flops: Column
    first_bytes: Column
    slope_bytes: Column
    bound: Column  # index into BOUNDS
    waiting: Column  # decoding sequences that get no token

    def sum(self, first: Column, slope: Column) -> Column:
        """Over the steps of each leap, what is `first` in its first step and `slope` more in every further one."""
        return self.steps * first + slope * (self.steps * (self.steps - 1) / 2)


LEAP: Final = Struct("=8d")
"""Of any leap: replica, start, end, sequences, steps, KV blocks, sum of contexts, number of its line or `MIXED`."""
RAMP: Final = Struct("=12d")
"""Of a mixed leap: output tokens, prompt tokens, first and slope of seconds, joules, FLOPs and bytes, bound, sequences
that wait."""
MIXED: Final = -1
LEAPS = 4096
"""Leaps that are folded at once."""
LEAP_BYTES: Final = LEAP.size
RAMP_BYTES: Final = RAMP.size
BUFFER_BYTES: Final = LEAP_BYTES * LEAPS


class LeapBuffer:
    """The latest leaps of replicas that share a step model.

    Args:
        fold: called with them, once in a while.
    """

    def __init__(self, fold: Callable[[Leaps], None]) -> None:
        self._fold = fold
        self._rows = bytearray(BUFFER_BYTES)
        self._filled = 0
        self._ramps = bytearray(RAMP_BYTES * LEAPS)
        self._ramps_filled = 0
        self._lines: dict[int, DecodeLine] = {}

    def record(
        self,
        replica: int,
        start_s: float,
        end_s: float,
        steps: int,
        sequences: int,
        kv_blocks: float,
        context_tokens: int,
        line: DecodeLine,
    ) -> None:
        """A replica has done `steps` steps of plain decoding on a line, with so much context in the first of them."""
        number = line.number
        self._lines[number] = line
        LEAP.pack_into(
            self._rows, self._filled, replica, start_s, end_s, sequences, steps, kv_blocks, context_tokens, number
        )
        self._filled = filled = self._filled + LEAP_BYTES
        if filled == BUFFER_BYTES:
            self.empty()

    def record_ramp(
        self,
        replica: int,
        start_s: float,
        end_s: float,
        steps: int,
        sequences: int,
        waiting: int,
        kv_blocks: float,
        output_tokens: int,
        prompt_tokens: int,
        ramp: Ramp,
    ) -> None:
        """A replica has done `steps` steps of a ramp, while `waiting` further sequences got no token."""
        RAMP.pack_into(
            self._ramps, self._ramps_filled, output_tokens, prompt_tokens,
            ramp.first_s, ramp.slope_s, ramp.first_joules, ramp.slope_joules,
            ramp.first_flops, ramp.slope_flops, ramp.first_bytes, ramp.slope_bytes, BOUND_INDEX[ramp.bound_by],
            waiting,
        )  # fmt: skip
        self._ramps_filled += RAMP_BYTES
        LEAP.pack_into(self._rows, self._filled, replica, start_s, end_s, sequences, steps, kv_blocks, 0, MIXED)
        self._filled = filled = self._filled + LEAP_BYTES
        if filled == BUFFER_BYTES:
            self.empty()

    def empty(self) -> None:
        """Hand on what is recorded, and forget it."""
        if self._filled:
            self._fold(self._taken())

    def _taken(self) -> Leaps:
        """The recorded leaps, which are forgotten."""
        rows = np.frombuffer(self._rows, np.float64, self._filled // 8).reshape(-1, 8).T
        ramps = np.frombuffer(self._ramps, np.float64, self._ramps_filled // 8).reshape(-1, 12).T
        self._filled = self._ramps_filled = 0
        replica, start_s, end_s, sequences, steps, kv_blocks, context, number = np.ascontiguousarray(rows)
        costs = np.empty((12, len(replica)))
        mixed, decodes = np.flatnonzero(number == MIXED), np.flatnonzero(number != MIXED)
        lines = np.zeros((13, max(self._lines, default=0) + 1))
        for line in self._lines.values():
            lines[:, line.number] = *line.costs(), BOUND_INDEX[line.bound_by]
        index, tokens = number[decodes].astype(np.int64), context[decodes]
        decoded = [(sequences * steps)[decodes], np.zeros(len(decodes))]
        for first, more, slope in lines[:12].reshape(4, 3, -1):  # seconds, joules, FLOPs, bytes
            decoded += [first[index] + more[index] * tokens, slope[index]]
        decoded += [lines[12, index], np.zeros(len(decodes))]
        for cost, of_mixed, of_decodes in zip(costs, ramps, decoded, strict=True):
            cost[mixed] = of_mixed
            cost[decodes] = of_decodes
        output, prompt, *ramp = costs
        return Leaps(replica, start_s, end_s, sequences, output, prompt, kv_blocks, steps, *ramp)
