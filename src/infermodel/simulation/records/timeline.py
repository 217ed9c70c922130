"""What the replicas did, summed in bins of time that grow wider in a long run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from infermodel.cost.step import BOUNDS
from infermodel.simulation.records.leaps import Column, Leaps
from infermodel.tables import FIRST_BIN_S, MOST_BINS, Timeline

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


class OverTime:
    """Sums over all replicas, a column of each for every bin."""

    def __init__(self) -> None:
        self._bin_s = FIRST_BIN_S
        self._columns = np.zeros((len(TIMELINE_COLUMNS), 0))

    def fold(self, leaps: Leaps) -> None:
        """Add what these steps did to the bins in which they did it."""
        start, end = leaps.start_s, leaps.end_s
        self._widen(float(end.max()))
        first = np.floor(start / self._bin_s).astype(np.int64)
        count = np.maximum(np.ceil(end / self._bin_s).astype(np.int64), first + 1) - first
        which = np.repeat(np.arange(len(start)), count)
        bins = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + first[which]
        inside = np.minimum(end[which], (bins + 1) * self._bin_s) - np.maximum(start[which], bins * self._bin_s)
        seconds = np.maximum(inside, 0.0)
        share = seconds / (end - start)[which]
        rows: list[Column] = [share * values[which] for values in (leaps.output_tokens, leaps.prompt_tokens)]
        rows.append(seconds)
        rows.append(share * leaps.sum(leaps.first_joules, leaps.slope_joules)[which])
        rows.append(share * leaps.sum(leaps.first_flops, leaps.slope_flops)[which])
        rows.append(share * leaps.sum(leaps.first_bytes, leaps.slope_bytes)[which])
        rows += [seconds * values[which] for values in (leaps.sequences + leaps.waiting, leaps.kv_blocks)]
        width = self._columns.shape[1]
        for row, values in enumerate(rows):
            self._columns[row] += np.bincount(bins, weights=values, minlength=width)
        bounds = leaps.bound.astype(np.int64)[which] * width + bins
        by_bound = np.bincount(bounds, weights=seconds, minlength=len(BOUNDS) * width)
        self._columns[len(rows) :] += by_bound.reshape(len(BOUNDS), width)

    def _widen(self, until_s: float) -> None:
        """Make room up to `until_s`, with wider bins if there would be too many."""
        while until_s > self._bin_s * MOST_BINS:
            self._bin_s *= 2
            odd = self._columns.shape[1] % 2
            padded = np.pad(self._columns, ((0, 0), (0, odd)))
            self._columns = padded[:, ::2] + padded[:, 1::2]
        missing = int(np.ceil(until_s / self._bin_s)) - self._columns.shape[1]
        if missing > 0:
            self._columns = np.pad(self._columns, ((0, 0), (0, missing)))

    def table(self, until_s: float) -> Timeline:
        """The sums over time so far, with bins up to `until_s`."""
        self._widen(until_s)
        edges = np.arange(self._columns.shape[1] + 1, dtype=np.float64) * self._bin_s
        columns: Mapping[str, NDArray[np.float64]] = dict(zip(TIMELINE_COLUMNS, self._columns, strict=True))
        return Timeline(edges, columns)
