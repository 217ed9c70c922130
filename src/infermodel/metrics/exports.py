"""The long tables of a run, one row a request or a bin of time, with the meaning of their columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infermodel.metrics.latency import Column as Values
from infermodel.metrics.latency import latencies
from infermodel.metrics.schema import Column
from infermodel.metrics.throughput import BOUND_NAMES, bin_edges, bin_joules
from infermodel.tables import FINISHED, REJECTED, UNFINISHED, RequestTable, ServiceRecord

STATUS_NAMES = {FINISHED: "finished", UNFINISHED: "unfinished", REJECTED: "rejected"}

REQUEST_COLUMNS = (
    Column("arrived_at", "s", "sent by the client"),
    Column("prompt_tokens", "tokens", "of the prompt"),
    Column("output_tokens", "tokens", "asked for; delivered by a finished request"),
    Column("cached_tokens", "tokens", "of the prompt, found in the prefix cache when first scheduled"),
    Column("admitted_at", "s", "seen and accepted by the service; empty: rejected"),
    Column("first_scheduled_at", "s", "start of the first step that worked on it"),
    Column("first_token_at", "s", "the client has the first token"),
    Column("last_token_at", "s", "the client has the last token"),
    Column("finished_at", "s", "end of the request; empty: unfinished or rejected"),
    Column("replica", "", "number of the replica that served it last; -1: none"),
    Column("preemptions", "", "times that its KV memory was taken and computed again"),
    Column("priority", "", "lower goes first"),
    Column("status", "", "finished, unfinished or rejected"),
    Column("queue_time_s", "s", "first_scheduled_at - arrived_at"),
    Column("ttft_s", "s", "first_token_at - arrived_at"),
    Column("tpot_s", "s", "(last_token_at - first_token_at) / (output_tokens - 1); empty: one token, or unfinished"),
    Column("e2e_s", "s", "finished_at - arrived_at"),
    Column("output_speed_tok_s", "tokens/s", "1 / tpot_s"),
)
"""Columns of `requests.csv`: the primitive times, and what follows from them. Times count from the start of the run."""

TIMELINE_COLUMNS = (
    Column("start_s", "s", "the bin starts"),
    Column("end_s", "s", "the bin ends"),
    Column("output_tok_s", "tokens/s", "output tokens made"),
    Column("prompt_tok_s", "tokens/s", "prompt tokens computed, recomputation included, cached ones not"),
    Column("arrivals_per_s", "requests/s", "requests that arrived"),
    Column("waiting", "requests", "arrived, not rejected and not yet scheduled; mean over the bin"),
    Column("running", "sequences", "decoding; mean over the bin"),
    Column("kv_use", "share", "of the KV blocks in use, mean over the bin"),
    Column("utilisation", "share", "of the replica-seconds in which a step ran"),
    Column("mfu", "share", "useful FLOPs / (peak FLOP/s x replica-seconds)"),
    Column("mbu", "share", "useful bytes / (peak bandwidth x replica-seconds)"),
    *(Column(f"bound_{name}", "share", f"of the replica-seconds, bound by {name}") for name in BOUND_NAMES),
    Column("power_w", "W", "of all replicas' devices, idle power included; mean over the bin"),
)
"""Columns of `timeline.csv`: sums over all replicas of a service, by bins of time."""


def request_rows(requests: RequestTable) -> dict[str, NDArray[np.generic]]:
    """The columns of `REQUEST_COLUMNS`; a time that never was is NaN."""
    derived = latencies(requests)
    rows: dict[str, NDArray[np.generic]] = {}
    for each in REQUEST_COLUMNS:
        if each.name == "status":
            rows[each.name] = np.array([STATUS_NAMES[status] for status in requests.status.tolist()], dtype=np.str_)
        else:
            rows[each.name] = derived[each.name] if each.name in derived else getattr(requests, each.name)
    return rows


def timeline_rows(record: ServiceRecord) -> dict[str, Values]:
    """The columns of `TIMELINE_COLUMNS`, one value a bin; the last bin ends with the simulation."""
    edges_s = bin_edges(record)
    kept = np.diff(edges_s) > 0
    seconds = np.diff(edges_s)[kept]
    sums = {name: values[kept] for name, values in record.timeline.columns.items()}
    requests = record.requests
    accepted = requests.status != REJECTED
    replica_s = record.replicas * seconds
    arrivals = np.histogram(requests.arrived_at, edges_s)[0][kept]
    waiting_s = np.diff(_seconds_before(requests.arrived_at[accepted], edges_s)) - np.diff(
        _seconds_before(requests.first_scheduled_at[accepted], edges_s)
    )
    values = (
        edges_s[:-1][kept],
        edges_s[1:][kept],
        sums["output_tokens"] / seconds,
        sums["prompt_tokens"] / seconds,
        arrivals / seconds,
        waiting_s[kept] / seconds,
        sums["sequence_s"] / seconds,
        sums["kv_block_s"] / sum(seconds * pool.replicas * pool.kv_blocks for pool in record.pools),
        sums["busy_s"] / replica_s,
        sums["flops"] / sum(pool.replicas * seconds * pool.peak_flops for pool in record.pools),
        sums["bytes"] / sum(pool.replicas * seconds * pool.peak_bandwidth for pool in record.pools),
        *(sums[f"bound_{name}_s"] / replica_s for name in BOUND_NAMES),
        bin_joules(record)[kept] / seconds,
    )
    return {each.name: column for each, column in zip(TIMELINE_COLUMNS, values, strict=True)}


def _seconds_before(instants: Values, times: Values) -> Values:
    """Per time t the sum of t - instant over the instants before it; NaN is never.

    >>> _seconds_before(np.array([1.0, 2.0, np.nan]), np.array([0.0, 2.0, 5.0])).tolist()
    [0.0, 1.0, 7.0]
    """
    known = np.sort(instants[~np.isnan(instants)])
    count = np.searchsorted(known, times)
    total = np.concatenate([[0.0], np.cumsum(known)])
    seconds: Values = count * times - total[count]
    return seconds
