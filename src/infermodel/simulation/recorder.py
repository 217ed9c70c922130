"""What a run leaves behind: columns of primitive times per request, and sums over time of what the replicas did.

A leap is a row of a buffer. A full buffer is folded with numpy into the gap histogram, the timeline and the replicas'
totals, so that memory does not grow with the number of steps.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from math import nan
from struct import Struct
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from infermodel.cost.step import BOUNDS, DecodeLine, Ramp
from infermodel.tables import (
    FINISHED,
    FIRST_BIN_S,
    GAP_EDGES_S,
    MOST_BINS,
    REJECTED,
    UNFINISHED,
    GapHistogram,
    RequestTable,
    Texts,
    Timeline,
)
from infermodel.workload.requests import Requests

Column = NDArray[np.float64]
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


class RequestLog:
    """Columns of a service's requests, in order of arrival; replicas write primitive times into them."""

    def __init__(self) -> None:
        self.arrived_at: array[float] = array("d")
        self.prompt_tokens = array("q")
        self.output_tokens = array("q")
        self.priority = array("q")
        self.prompt_id = array("q")
        self.admitted_at = array("d")
        self.first_scheduled_at = array("d")
        self.first_token_at = array("d")
        self.last_token_at = array("d")
        self.replica = array("i")
        self.preemptions = array("i")
        self.cached_tokens = array("l")
        self.admission = array("q")  # number of its last admission, among those of its replica
        self.holding = array("i")  # of what a request holds in its replica's memory and others may find; -1: nothing
        self.finished = bytearray()
        self.rejected: list[int] = []
        self.resumed: dict[int, tuple[int, float]] = {}  # preempted or lost: tokens given so far, time of the last
        self.routed_again_at: dict[int, float] = {}  # those that an outage sent to another replica, or held up
        self.keys: dict[int, int] = {}  # of an API with rate limits
        self.block_hashes: dict[int, tuple[int, ...]] = {}
        self.hash_block_tokens = 0

    def __len__(self) -> int:
        return len(self.arrived_at)

    def extend(self, block: Requests) -> int:
        """Append requests; returns the number of the first."""
        first, count = len(self), len(block)
        self.arrived_at.frombytes(np.ascontiguousarray(block.arrived_at, np.float64).tobytes())
        for column, values in (
            (self.prompt_tokens, block.prompt_tokens),
            (self.output_tokens, block.output_tokens),
            (self.priority, block.priority),
            (self.prompt_id, block.prompt_id),
        ):
            column.frombytes(np.ascontiguousarray(values, np.int64).tobytes())
        never = array("d", [nan]) * count
        for times in (self.admitted_at, self.first_scheduled_at, self.first_token_at, self.last_token_at):
            times.extend(never)
        self.finished.extend(bytes(count))
        self.replica.extend(array("i", [-1]) * count)
        self.preemptions.extend(array("i", [0]) * count)
        self.cached_tokens.extend(array("l", [0]) * count)
        self.admission.extend(array("q", [0]) * count)
        self.holding.extend(array("i", [-1]) * count)
        if block.block_hashes is not None:
            self.block_hashes.update(enumerate(block.block_hashes, first))
            self.hash_block_tokens = block.hash_block_tokens
        return first

    def table(self, count: int) -> RequestTable:
        """The first `count` requests, most columns without a copy: no requests can be added as long as it lives."""
        status = np.where(np.frombuffer(bytes(self.finished), np.uint8) == 1, FINISHED, UNFINISHED).astype(np.int64)
        status[self.rejected] = REJECTED
        status = status[:count]

        def times(column: array[float]) -> NDArray[np.float64]:
            return np.asarray(memoryview(column)[:count])

        def integers(column: array[int]) -> NDArray[np.int64]:
            return np.asarray(memoryview(column)[:count]).astype(np.int64, copy=False)

        last = times(self.last_token_at)
        return RequestTable(
            arrived_at=times(self.arrived_at),
            prompt_tokens=integers(self.prompt_tokens),
            output_tokens=integers(self.output_tokens),
            cached_tokens=integers(self.cached_tokens),
            admitted_at=times(self.admitted_at),
            first_scheduled_at=times(self.first_scheduled_at),
            first_token_at=times(self.first_token_at),
            last_token_at=last,
            finished_at=np.where(status == FINISHED, last, np.nan),
            replica=integers(self.replica),
            preemptions=integers(self.preemptions),
            priority=integers(self.priority),
            status=status,
        )

    def texts(self, count: int) -> Texts:
        """What the prompts of the first `count` requests have in common; views, as in `table`."""
        prompt_id = np.asarray(memoryview(self.prompt_id)[:count]).astype(np.int64, copy=False)
        return Texts(prompt_id, self.block_hashes, self.hash_block_tokens)


TIMELINE_COLUMNS = (
    "output_tokens",
    "prompt_tokens",
    "busy_s",
    "joules",
    "flops",
    "bytes",
    "sequence_s",
    "kv_block_s",
    *(f"bound_{bound}_s" for bound in BOUNDS),
)


SHORT_OF = ("seats", "budget", "blocks")
"""What the head of a queue may wait for: a place among `max_sequences`, tokens of a step, room for keys and values."""

NOTHING, SEATS, BUDGET, BLOCKS = 0, 1, 2, 3
"""None of them, or its place among them, from 1."""


class StepRecorder:
    """Folds leaps into sums, a block at a time."""

    def __init__(self, replicas: int) -> None:
        self._rows = bytearray(BUFFER_BYTES)
        self._filled = 0
        self._ramps = bytearray(RAMP_BYTES * LEAPS)
        self._ramps_filled = 0
        self._lines: dict[int, DecodeLine] = {}
        self.gap_counts = np.zeros(len(GAP_EDGES_S) - 1, np.int64)
        self.gap_total_s = 0.0
        self.gaps = 0
        self.open_gaps_s = 0.0  # of gaps in which somebody gave way who had waited: seconds until then
        self.bin_s = FIRST_BIN_S
        self.columns = np.zeros((len(TIMELINE_COLUMNS), 0))
        names = ("steps", "busy_s", "joules", "output_tokens", "prompt_tokens", "step_sum_s", "peak_w")
        self.totals = {name: np.zeros(replicas) for name in (*names, *(f"short_of_{each}_s" for each in SHORT_OF))}

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
            self.fold()

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
            self.fold()

    def waited(self, replica: int, short_of: int, seconds: float) -> None:
        """Requests have waited for something while a replica worked."""
        self.totals[f"short_of_{SHORT_OF[short_of - 1]}_s"][replica] += seconds

    def single_gap(self, seconds: float) -> None:
        """A gap of one request alone, such as the one a preemption makes."""
        self.gap_counts[np.searchsorted(GAP_EDGES_S, seconds, "right") - 1] += 1
        self.gap_total_s += seconds
        self.gaps += 1

    def lengthen_gaps(self, count: int, step_s: float, by_s: float) -> None:
        """So many gaps of a step that took `step_s` were longer than it."""
        for seconds, change in ((step_s, -count), (step_s + by_s, count)):
            self.gap_counts[np.searchsorted(GAP_EDGES_S, seconds, "right") - 1] += change
        self.gap_total_s += count * by_s

    def gaps_of_nothing(self, count: int) -> None:
        """Tokens that came together with the one before them."""
        self.gap_counts[0] += count
        self.gaps += count

    def fold(self) -> None:
        """Add the recorded leaps to the sums and forget them."""
        if not self._filled:
            return
        leaps = self._leaps()
        self._fold_gaps(leaps)
        self._fold_totals(leaps)
        self._fold_timeline(leaps)

    def _leaps(self) -> Leaps:
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

    def _fold_gaps(self, leaps: Leaps) -> None:
        n, k, first, slope = leaps.sequences, leaps.steps, leaps.first_s, leaps.slope_s
        self.gaps += int((n * k).sum())
        self.gap_total_s += float((n * (leaps.end_s - leaps.start_s)).sum())
        low = np.searchsorted(GAP_EDGES_S, first, "right") - 1
        high = np.searchsorted(GAP_EDGES_S, first + slope * (k - 1), "right") - 1
        below = np.zeros(len(k))  # gaps of the leap already counted
        for depth in range(int((high - low).max()) + 1):
            inside = low + depth <= high
            bins = np.minimum(low + depth, high)
            edge = GAP_EDGES_S[bins + 1]
            with np.errstate(divide="ignore", invalid="ignore"):
                upto = np.where(bins == high, k, np.ceil((edge - first) / slope))
            upto = np.clip(np.maximum(upto, below), 0, k)
            np.add.at(self.gap_counts, bins[inside], (n * (upto - below))[inside].astype(np.int64))
            below = np.where(inside, upto, below)

    def _fold_totals(self, leaps: Leaps) -> None:
        replica, count = leaps.replica.astype(np.int64), len(self.totals["steps"])
        duration, joules = leaps.end_s - leaps.start_s, leaps.sum(leaps.first_joules, leaps.slope_joules)
        for name, values in (
            ("steps", leaps.steps),
            ("busy_s", duration),
            ("joules", joules),
            ("output_tokens", leaps.output_tokens),
            ("prompt_tokens", leaps.prompt_tokens),
            ("step_sum_s", leaps.sum(leaps.first_s, leaps.slope_s)),
        ):
            self.totals[name] += np.bincount(replica, weights=values, minlength=count)
        np.maximum.at(self.totals["peak_w"], replica, joules / duration)

    def _fold_timeline(self, leaps: Leaps) -> None:
        start, end = leaps.start_s, leaps.end_s
        self._widen(float(end.max()))
        first = np.floor(start / self.bin_s).astype(np.int64)
        count = np.maximum(np.ceil(end / self.bin_s).astype(np.int64), first + 1) - first
        which = np.repeat(np.arange(len(start)), count)
        bins = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + first[which]
        inside = np.minimum(end[which], (bins + 1) * self.bin_s) - np.maximum(start[which], bins * self.bin_s)
        seconds = np.maximum(inside, 0.0)
        share = seconds / (end - start)[which]
        rows: list[Column] = [share * values[which] for values in (leaps.output_tokens, leaps.prompt_tokens)]
        rows.append(seconds)
        rows.append(share * leaps.sum(leaps.first_joules, leaps.slope_joules)[which])
        rows.append(share * leaps.sum(leaps.first_flops, leaps.slope_flops)[which])
        rows.append(share * leaps.sum(leaps.first_bytes, leaps.slope_bytes)[which])
        rows += [seconds * values[which] for values in (leaps.sequences + leaps.waiting, leaps.kv_blocks)]
        width = self.columns.shape[1]
        for row, values in enumerate(rows):
            self.columns[row] += np.bincount(bins, weights=values, minlength=width)
        bounds = leaps.bound.astype(np.int64)[which] * width + bins
        by_bound = np.bincount(bounds, weights=seconds, minlength=len(BOUNDS) * width)
        self.columns[len(rows) :] += by_bound.reshape(len(BOUNDS), width)

    def _widen(self, until_s: float) -> None:
        """Make room up to `until_s`, with wider bins if there would be too many."""
        while until_s > self.bin_s * MOST_BINS:
            self.bin_s *= 2
            odd = self.columns.shape[1] % 2
            padded = np.pad(self.columns, ((0, 0), (0, odd)))
            self.columns = padded[:, ::2] + padded[:, 1::2]
        missing = int(np.ceil(until_s / self.bin_s)) - self.columns.shape[1]
        if missing > 0:
            self.columns = np.pad(self.columns, ((0, 0), (0, missing)))

    def gap_histogram(self, waits_s: float = 0.0) -> GapHistogram:
        """All gaps so far, pooled over tokens; `waits_s` of those that have not ended."""
        return GapHistogram(
            GAP_EDGES_S, self.gap_counts.copy(), self.gap_total_s, self.gaps, self.open_gaps_s + waits_s
        )

    def timeline(self, until_s: float) -> Timeline:
        """The sums over time so far, with bins up to `until_s`."""
        self._widen(until_s)
        edges = np.arange(self.columns.shape[1] + 1, dtype=np.float64) * self.bin_s
        columns: Mapping[str, NDArray[np.float64]] = dict(zip(TIMELINE_COLUMNS, self.columns, strict=True))
        return Timeline(edges, columns)
