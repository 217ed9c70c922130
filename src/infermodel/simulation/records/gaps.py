"""Gaps between the tokens of a request, pooled over all of them in a histogram."""

from __future__ import annotations

import numpy as np

from infermodel.simulation.records.leaps import Leaps
from infermodel.tables import GAP_EDGES_S, GapHistogram


class Gaps:
    """How many gaps were how long.

    Attributes:
        open_s: of gaps in which somebody gave way who had waited: seconds until then.
    """

    def __init__(self) -> None:
        self.open_s = 0.0
        self._counts = np.zeros(len(GAP_EDGES_S) - 1, np.int64)
        self._total_s = 0.0
        self._gaps = 0

    def single(self, seconds: float) -> None:
        """A gap of one request alone, such as the one a preemption makes."""
        self._counts[np.searchsorted(GAP_EDGES_S, seconds, "right") - 1] += 1
        self._total_s += seconds
        self._gaps += 1

    def lengthen(self, count: int, step_s: float, by_s: float) -> None:
        """So many gaps of a step that took `step_s` were longer than it."""
        for seconds, change in ((step_s, -count), (step_s + by_s, count)):
            self._counts[np.searchsorted(GAP_EDGES_S, seconds, "right") - 1] += change
        self._total_s += count * by_s

    def of_nothing(self, count: int) -> None:
        """Tokens that came together with the one before them."""
        self._counts[0] += count
        self._gaps += count

    def fold(self, leaps: Leaps) -> None:
        """Add the gaps of these steps."""
        n, k, first, slope = leaps.sequences, leaps.steps, leaps.first_s, leaps.slope_s
        self._gaps += int((n * k).sum())
        self._total_s += float((n * (leaps.end_s - leaps.start_s)).sum())
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
            np.add.at(self._counts, bins[inside], (n * (upto - below))[inside].astype(np.int64))
            below = np.where(inside, upto, below)

    def histogram(self, waits_s: float = 0.0) -> GapHistogram:
        """All gaps so far, pooled over tokens; `waits_s` of those that have not ended."""
        return GapHistogram(GAP_EDGES_S, self._counts.copy(), self._total_s, self._gaps, self.open_s + waits_s)
