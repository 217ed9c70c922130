"""Requests by their numbers, drawn ones too, and a server that takes one at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from infermodel.simulation import Limits
from infermodel.tables import RequestTable
from infermodel.workload.requests import Requests

ONE_AT_A_TIME = Limits(max_sequences=1, max_batched_tokens=10_000, max_context=10_000)


def requests(arrivals: Sequence[float], prompts: Sequence[int], outputs: Sequence[int]) -> Requests:
    count = len(arrivals)
    zeros = np.zeros(count, np.int64)
    return Requests(np.array(arrivals, float), np.array(prompts), np.array(outputs), zeros, zeros - 1)


draws = st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 50), st.integers(1, 20)), min_size=1, max_size=60).map(
    lambda rows: (np.cumsum([row[0] for row in rows]).tolist(), [r[1] for r in rows], [r[2] for r in rows])
)


def bits(table: RequestTable) -> dict[str, bytes]:
    """Every column to the bit."""
    return {f.name: np.asarray(getattr(table, f.name)).tobytes() for f in dataclasses.fields(table)}
