"""Records of a server so simple that every number can be worked by hand: one request at a time, in order of arrival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel.tables import FINISHED, GapHistogram, PoolRecord, RequestTable, ServiceRecord, Timeline

PROMPT_TOKENS, PREFILL_S, TOKEN_S = 100, 1.0, 0.5
IDLE_W, BUSY_W = 100.0, 300.0
BLOCK_TOKENS = 16


def time_in_bins(
    starts: NDArray[np.float64], ends: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Seconds of the intervals that fall in each bin."""
    low, high = edges[:-1, None], edges[1:, None]
    return np.clip(np.minimum(ends, high) - np.maximum(starts, low), 0, None).sum(axis=1)


def request_table(**columns: Sequence[float] | NDArray[np.generic]) -> RequestTable:
    """A table of finished requests with what is given, and the rest zero or equal to the arrival."""
    arrived = np.asarray(columns["arrived_at"], dtype=np.float64)
    n = len(arrived)
    zeros = np.zeros(n, dtype=np.int64)
    filled = {
        "prompt_tokens": zeros + PROMPT_TOKENS,
        "output_tokens": zeros + 1,
        "cached_tokens": zeros,
        "admitted_at": arrived,
        "first_scheduled_at": arrived,
        "first_token_at": arrived,
        "last_token_at": arrived,
        "finished_at": arrived,
        "replica": zeros,
        "preemptions": zeros,
        "priority": zeros,
        "status": zeros + FINISHED,
    } | {name: np.asarray(values) for name, values in columns.items()}
    return RequestTable(**{**filled, "arrived_at": arrived})


def one_at_a_time(
    arrivals: Sequence[float], output_tokens: Sequence[int], *, bin_s: float = 10.0, idle_after_s: float = 0.0
) -> ServiceRecord:
    """A request holds the server for 1 s of prefill (its first token), then 0.5 s for each further token."""
    arrived = np.asarray(arrivals, dtype=np.float64)
    tokens = np.asarray(output_tokens, dtype=np.int64)
    starts, free_at = [], 0.0
    for at, n in zip(arrived, tokens, strict=True):
        starts.append(max(at, free_at))
        free_at = starts[-1] + PREFILL_S + (n - 1) * TOKEN_S
    start = np.array(starts)
    first = start + PREFILL_S
    last = first + (tokens - 1) * TOKEN_S
    ended_at = float(last[-1]) + idle_after_s
    edges = np.arange(0.0, ended_at + bin_s, bin_s)
    busy_s = time_in_bins(start, last, edges)
    blocks = -(-(PROMPT_TOKENS + tokens) // BLOCK_TOKENS)
    gaps = int((tokens - 1).sum())
    token_times = np.concatenate([f + TOKEN_S * np.arange(n) for f, n in zip(first, tokens, strict=True)])
    columns = {
        "output_tokens": np.histogram(token_times, edges)[0].astype(np.float64),
        "prompt_tokens": PROMPT_TOKENS * np.histogram(first, edges)[0].astype(np.float64),
        "busy_s": busy_s,
        "joules": BUSY_W * busy_s,
        "flops": 4.0 * busy_s,
        "bytes": 6.0 * busy_s,
        "sequence_s": time_in_bins(first, last, edges),
        "kv_block_s": sum(
            b * time_in_bins(s[None], e[None], edges) for b, s, e in zip(blocks, start, last, strict=True)
        ),
        "bound_compute_s": time_in_bins(start, first, edges),
        "bound_memory_s": time_in_bins(first, last, edges),
        "bound_network_s": 0 * busy_s,
        "bound_latency_s": 0 * busy_s,
        "bound_host_s": 0 * busy_s,
    }
    pool = PoolRecord(
        gaps=GapHistogram(np.array([0.4, 0.6]), np.array([gaps]), gaps * TOKEN_S, gaps),
        timeline=Timeline(edges, columns),
        replicas=1,
        replica_totals={
            "steps": np.array([float(tokens.sum())]),
            "busy_s": np.array([busy_s.sum()]),
            "joules": np.array([BUSY_W * busy_s.sum()]),
            "output_tokens": np.array([float(tokens.sum())]),
            "prompt_tokens": np.array([PROMPT_TOKENS * float(len(arrived))]),
            "preemptions": np.array([0.0]),
            "up_s": np.array([ended_at]),
            "peak_w": np.array([BUSY_W]),
        },
        idle_w=IDLE_W,
        peak_flops=8.0,
        peak_bandwidth=8.0,
        kv_blocks=20,
        kv_block_tokens=BLOCK_TOKENS,
    )
    return ServiceRecord(
        name="by hand",
        requests=request_table(
            arrived_at=arrived,
            output_tokens=tokens,
            first_scheduled_at=start,
            first_token_at=first,
            last_token_at=last,
            finished_at=last,
        ),
        pools=(pool,),
        ended_at=ended_at,
        events=len(arrived),
    )


def in_pool(record: ServiceRecord, **changes: Any) -> ServiceRecord:
    """The record with something else said of its only pool."""
    return replace(record, pools=(replace(record.pool, **changes),))
