"""What each replica did over the whole run."""

from __future__ import annotations

import numpy as np

from infermodel.simulation.records.leaps import Column, Leaps

SHORT_OF = ("seats", "budget", "blocks")
"""What the head of a queue may wait for: a place among `max_sequences`, tokens of a step, room for keys and values."""

NOTHING, SEATS, BUDGET, BLOCKS = 0, 1, 2, 3
"""None of them, or its place among them, from 1."""


class Totals:
    """Sums of each replica.

    Attributes:
        columns: by name, a sum of each replica; of `peak_w` the most.
    """

    def __init__(self, replicas: int) -> None:
        names = ("steps", "busy_s", "joules", "output_tokens", "prompt_tokens", "step_sum_s", "peak_w")
        self.columns: dict[str, Column] = {
            name: np.zeros(replicas) for name in (*names, *(f"short_of_{each}_s" for each in SHORT_OF))
        }

    def waited(self, replica: int, short_of: int, seconds: float) -> None:
        """Requests have waited for something while a replica worked."""
        self.columns[f"short_of_{SHORT_OF[short_of - 1]}_s"][replica] += seconds

    def fold(self, leaps: Leaps) -> None:
        """Add these steps."""
        replica, count = leaps.replica.astype(np.int64), len(self.columns["steps"])
        duration, joules = leaps.end_s - leaps.start_s, leaps.sum(leaps.first_joules, leaps.slope_joules)
        for name, values in (
            ("steps", leaps.steps),
            ("busy_s", duration),
            ("joules", joules),
            ("output_tokens", leaps.output_tokens),
            ("prompt_tokens", leaps.prompt_tokens),
            ("step_sum_s", leaps.sum(leaps.first_s, leaps.slope_s)),
        ):
            self.columns[name] += np.bincount(replica, weights=values, minlength=count)
        np.maximum.at(self.columns["peak_w"], replica, joules / duration)
