"""Laws that every run obeys, whatever it models: checked on each record; a broken one is a bug, never a result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf

import numpy as np
from numpy.typing import NDArray

from infermodel.metrics.latency import Column
from infermodel.metrics.link_laws import LINK_LAWS, between_pools_s, joined
from infermodel.metrics.state_laws import STATE_LAWS
from infermodel.metrics.statement import TOLERANCE, Law, Statement, within_each
from infermodel.metrics.throughput import BOUND_NAMES, bin_edges, bin_joules
from infermodel.tables import FINISHED, REJECTED, UNFINISHED, PoolRecord, ServiceRecord


class BrokenLaw(RuntimeError):
    """A run contradicts itself; the message names the run, the law and the numbers."""


@dataclass(frozen=True, slots=True)
class CheckedLaw:
    """A law that held, and the largest relative deviation seen."""

    law: str
    deviation: float


def _finished(record: ServiceRecord) -> NDArray[np.bool_]:
    finished: NDArray[np.bool_] = record.requests.status == FINISHED
    return finished


def _begun(record: ServiceRecord) -> NDArray[np.bool_]:
    """Unfinished requests that have got their first token: how many more they have got, the record does not say."""
    begun: NDArray[np.bool_] = (record.requests.status == UNFINISHED) & ~np.isnan(record.requests.first_token_at)
    return begun


def _was_up(record: ServiceRecord) -> bool:
    """Whether no replica was ever down, be it for no time, as where a spare takes over at once."""
    if any(pool.states is not None and bool((pool.states.state == "down").any()) for pool in record.pools):
        return False
    return bool(np.all(record.replica_totals["up_s"] >= record.ended_at * (1 - TOLERANCE)))


def _is_plain(record: ServiceRecord) -> bool:
    """Whether nothing was computed twice: no preemption, no outage."""
    return _was_up(record) and not record.requests.preemptions.any()


def requests_are_conserved(record: ServiceRecord) -> Iterator[Statement]:
    """Each request that arrived is finished, unfinished or rejected, and has just the times that belong to that."""
    requests = record.requests
    counts = {status: int(np.sum(requests.status == status)) for status in (FINISHED, UNFINISHED, REJECTED)}
    yield Statement("finished + unfinished + rejected requests", sum(counts.values()), len(requests))
    yield Statement("requests with an end", int(np.isfinite(requests.finished_at).sum()), counts[FINISHED])
    started = np.isfinite(requests.first_scheduled_at) & (requests.status == REJECTED)
    yield Statement("rejected requests that were scheduled", int(started.sum()), 0)


def time_never_runs_backwards(record: ServiceRecord) -> Iterator[Statement]:
    """Arrivals are in order, and so are the primitive times of each request."""
    requests = record.requests
    yield Statement("arrivals out of order", int(np.sum(np.diff(requests.arrived_at) < 0)), 0)
    names = ("arrived_at", "admitted_at", "first_scheduled_at", "first_token_at", "last_token_at", "finished_at")
    for before, after in pairwise(names):
        wrong = getattr(requests, after) < getattr(requests, before)
        yield Statement(f"requests with {after} earlier than {before}", int(np.sum(wrong)), 0)
        alone = np.isnan(getattr(requests, before)) & ~np.isnan(getattr(requests, after))
        yield Statement(f"requests with {after} and no {before}", int(np.sum(alone)), 0)


def output_tokens_are_conserved(record: ServiceRecord) -> Iterator[Statement]:
    """Tokens that steps made = tokens that requests got; unfinished requests may have got any number they asked for."""
    requests = record.requests
    given = float(requests.output_tokens[_finished(record)].sum())
    begun = _begun(record)
    made = float(record.timeline.columns["output_tokens"].sum())
    most = given + float(requests.output_tokens[begun].sum())
    if record.link is not None:  # whose first token was made, and not given yet
        most += float(np.sum(~np.isnan(record.link.handover.prefilled_at) & np.isnan(requests.first_token_at)))
        given, most = given + record.link.lost_tokens, most + record.link.lost_tokens
    yield Statement("output tokens made", made, given + float(begun.sum()), most)
    yield Statement("output tokens of all replicas", float(record.replica_totals["output_tokens"].sum()), made)


def prompt_tokens_are_conserved(record: ServiceRecord) -> Iterator[Statement]:
    """Prompt tokens computed = prompts without what was cached; more where something was computed twice."""
    requests = record.requests
    computed = float(record.timeline.columns["prompt_tokens"].sum())
    yield Statement("prompt tokens of all replicas", float(record.replica_totals["prompt_tokens"].sum()), computed)
    if not _was_up(record):
        return
    needed = requests.prompt_tokens - requests.cached_tokens
    if record.link is not None and record.link.recomputes:
        needed = needed + joined(record.link)  # the last token of each, once more
    complete = (_finished(record) | _begun(record)) & (requests.preemptions == 0)
    partly = ~np.isnan(requests.first_scheduled_at)
    most = float(needed[partly].sum()) if _is_plain(record) else inf
    yield Statement("prompt tokens computed", computed, float(needed[complete].sum()), most)


def gaps_sum_to_the_time_between_tokens(record: ServiceRecord) -> Iterator[Statement]:
    """TTFT + the sum of its gaps is each request's last token: summed, gaps = last token - first token."""
    requests, gaps = record.requests, record.gaps
    finished, begun = _finished(record), _begun(record)
    seconds = float((requests.last_token_at - requests.first_token_at)[finished].sum())
    late = float((record.ended_at - requests.first_scheduled_at[begun]).sum())
    scale = float(requests.last_token_at[finished].sum())
    yield Statement(
        "seconds of all gaps", gaps.total_s + record.front_end_stretch_s, seconds, seconds + late, scale=scale
    )
    count = float((requests.output_tokens[finished] - 1).sum())
    most = count + float((requests.output_tokens[begun] - 1).sum())
    yield Statement("gaps", gaps.gaps, count, most)
    yield Statement("gaps in the histogram", float(gaps.counts.sum()), gaps.gaps)


def little_holds_for_sequences(record: ServiceRecord) -> Iterator[Statement]:
    """Sample-path Little: decoding sequences integrated over time = decoding time summed over requests.

    A preempted request waits for its next token without decoding: then the integral is the smaller one. So does one on
    its way between pools.
    """
    integral, waits_s = float(record.timeline.columns["sequence_s"].sum()), between_pools_s(record)
    decoding_s, scale = record.gaps.total_s - float(waits_s.sum()), record.gaps.total_s
    most_s = record.gaps.total_s - float(waits_s[_finished(record)].sum()) + record.gaps.open_s
    if not _is_plain(record):
        decoding_s, most_s = 0.0, record.gaps.total_s + record.gaps.open_s
    yield Statement("sequence-seconds", integral, decoding_s, most_s, scale=scale)


def little_holds_for_kv_blocks(record: ServiceRecord) -> Iterator[Statement]:
    """Sample-path Little for memory: a request holds at least its prompt's blocks while it decodes, and never more than
    its whole context's blocks from its first step to its last token; layers with a window may hold less. Where blocks
    are shared or taken away there is no such bound."""
    if not _is_plain(record) or record.requests.cached_tokens.any():
        return
    if record.link is not None:  # where it is decoded; of what is held until it is copied, idle replicas say nothing
        handover = record.link.handover
        early = ~np.isnan(handover.reserved_at) & (record.requests.output_tokens == 1)
        if not (handover.cached_tokens.any() or early.any()):
            yield _kv_of_one(record, record.pools[-1], joined(record.link), handover.reserved_at)
        return
    for number, pool in enumerate(record.pools):
        rows = np.ones(len(record.requests), np.bool_) if record.pool_of is None else record.pool_of == number
        since = np.where(rows, record.requests.first_scheduled_at, np.nan)
        yield _kv_of_one(record, pool, rows, since)


def _kv_of_one(record: ServiceRecord, pool: PoolRecord, rows: NDArray[np.bool_], since: Column) -> Statement:
    """Of these requests, which hold blocks of the pool since then (NaN: none)."""
    requests, finished, block = record.requests, _finished(record) & rows, pool.kv_block_tokens
    held = float(pool.timeline.columns["kv_block_s"].sum())
    whole, groups = pool.kv_groups
    prompt_blocks = whole * -(-requests.prompt_tokens // block)
    all_blocks = groups * -(-(requests.prompt_tokens + requests.output_tokens) // block)
    decoding_s = (requests.last_token_at - requests.first_token_at - between_pools_s(record))[finished]
    until = np.where(_finished(record), requests.last_token_at, record.ended_at)
    present_s = np.maximum(until - since, 0.0)
    return Statement(
        "KV block-seconds",
        held,
        0.0 if pool.front_end_processes else float(prompt_blocks[finished] @ decoding_s),
        float(np.nansum(all_blocks * present_s)),
    )


def kv_blocks_stay_within_memory(record: ServiceRecord) -> Iterator[Statement]:
    """Blocks in use are never negative and never more than there are, in no bin of the timeline; none are left over."""
    for pool in record.pools:
        yield from _kv_blocks_of_one(replace(record, pools=(pool,)))


def _kv_blocks_of_one(record: ServiceRecord) -> Iterator[Statement]:
    widths = np.diff(bin_edges(record))
    room = float(record.pool.replicas * record.pool.kv_blocks)
    kv_block_s = record.timeline.columns["kv_block_s"]
    wide = widths > 0
    mean = kv_block_s[wide] / widths[wide]
    for extreme in (mean.min(initial=0.0), mean.max(initial=0.0)):
        yield Statement("KV blocks in use, mean of a bin", float(extreme), 0.0, room)
    left = record.replica_totals.get("kv_blocks_left")
    if left is not None and not np.any(record.requests.status == UNFINISHED):
        yield Statement("KV blocks held after the last request", float(left.sum()), 0.0, scale=room)


def busy_time_is_the_sum_of_steps(record: ServiceRecord) -> Iterator[Statement]:
    """Replicas' busy seconds = the timeline's = the steps' durations = the seconds by what bound them, <= time up."""
    columns, totals = record.timeline.columns, record.replica_totals
    busy_s = float(totals["busy_s"].sum())
    scale = float(record.ended_at * record.replicas)
    yield Statement("busy seconds in the timeline", float(columns["busy_s"].sum()), busy_s, scale=scale)
    bound_s = sum(float(columns[f"bound_{name}_s"].sum()) for name in BOUND_NAMES)
    yield Statement("seconds by what bound them", bound_s, busy_s, scale=scale)
    if "step_sum_s" in totals:
        yield Statement("sum of the steps' seconds", float(totals["step_sum_s"].sum()), busy_s, scale=scale)
    yield within_each("busy seconds of", totals["busy_s"], totals["up_s"])


def energy_is_the_integral_of_power(record: ServiceRecord) -> Iterator[Statement]:
    """Joules of the timeline, idle power included = joules of the steps + idle power x (time up - time busy)."""
    totals = record.replica_totals
    idle_j = sum(
        pool.idle_w * float((pool.replica_totals["up_s"] - pool.replica_totals["busy_s"]).sum())
        for pool in record.pools
    )
    yield Statement("joules", float(bin_joules(record).sum()), float(totals["joules"].sum()) + idle_j)
    peak_j = float((totals["peak_w"] * totals["busy_s"]).sum())
    yield Statement("joules of the steps", float(totals["joules"].sum()), 0.0, peak_j)


def nobody_waits_at_an_idle_replica(record: ServiceRecord) -> Iterator[Statement]:
    """While a request waits for its replica, that replica is busy: no time waited through exceeds its busy time. Not so
    where memory is held for copies to another pool."""
    requests, totals = record.requests, record.replica_totals
    if not _was_up(record) or record.link is not None:
        return
    waited, replica = ~np.isnan(requests.first_scheduled_at), requests.replica
    if record.pool_of is not None:  # replicas of one pool after the other
        replica = replica + np.cumsum([0, *(pool.replicas for pool in record.pools)])[record.pool_of]
    through_s = waited_through(
        replica[waited], requests.admitted_at[waited], requests.first_scheduled_at[waited], record.replicas
    )
    yield within_each("seconds with a request waiting for", through_s, totals["busy_s"], record.ended_at)


def waited_through(replica: NDArray[np.int64], start: Column, end: Column, replicas: int) -> Column:
    """Per replica the length of the union of the intervals [start, end).

    >>> waited_through(np.array([0, 0, 1]), np.array([0.0, 1.0, 5.0]), np.array([2.0, 3.0, 6.0]), 2).tolist()
    [3.0, 1.0]
    """
    if len(start) == 0:
        return np.zeros(replicas)
    order = np.lexsort((start, replica))
    replica, start, end = replica[order], start[order], end[order]
    band = replica * (float(end.max()) + 1.0)  # keeps the running maximum of one replica below the next one's start
    reached = np.maximum.accumulate(end + band)
    before = np.concatenate([[-inf], reached[:-1]])
    added = np.maximum(reached - np.maximum(start + band, before), 0.0)
    return np.bincount(replica, weights=added, minlength=replicas).astype(np.float64)


def nothing_is_negative(record: ServiceRecord) -> Iterator[Statement]:
    """No sum over time is negative or missing."""
    for name, values in record.timeline.columns.items():
        yield Statement(
            f"least {name} of a bin", float(values.min(initial=0.0)), 0.0, inf, scale=float(values.max(initial=0.0))
        )


LAWS: Mapping[str, Law] = {
    "requests conserved": requests_are_conserved,
    "time never runs backwards": time_never_runs_backwards,
    "output tokens conserved": output_tokens_are_conserved,
    "prompt tokens conserved": prompt_tokens_are_conserved,
    "ttft + gaps = last token": gaps_sum_to_the_time_between_tokens,
    "Little's law for sequences": little_holds_for_sequences,
    "Little's law for KV blocks": little_holds_for_kv_blocks,
    "KV blocks within memory": kv_blocks_stay_within_memory,
    "busy time = sum of steps": busy_time_is_the_sum_of_steps,
    "energy = integral of power": energy_is_the_integral_of_power,
    "nobody waits at an idle replica": nobody_waits_at_an_idle_replica,
    "nothing negative": nothing_is_negative,
}
"""Name of each law, as reports print it, to its check."""


def check_laws(record: ServiceRecord, run: str = "") -> tuple[CheckedLaw, ...]:
    """Hold a record to all laws that are about such a service.

    Args:
        record: of one service.
        run: what to call the run in an error, beside the service's name.

    Returns:
        the laws, each with the largest relative deviation of its statements.

    Raises:
        BrokenLaw: one does not hold.
    """
    where = f"{run}: {record.name}" if run else record.name
    laws = LAWS if record.link is None else {**LAWS, **LINK_LAWS}
    if any(pool.states is not None for pool in record.pools):
        laws = {**laws, **STATE_LAWS}
    return tuple(CheckedLaw(name, _largest(where, name, law(record))) for name, law in laws.items())


def parts_sum_to(total_usd: float, parts_usd: Mapping[str, float], run: str) -> CheckedLaw:
    """Hold a bill to the law that money is the sum of its parts.

    Raises:
        BrokenLaw: it is not.
    """
    name = "money = sum of its parts"
    statement = Statement(f"USD of {', '.join(parts_usd)}", sum(parts_usd.values()), total_usd)
    return CheckedLaw(name, _largest(run, name, iter([statement])))


def _largest(where: str, law: str, statements: Iterator[Statement]) -> float:
    largest = 0.0
    for statement in statements:
        if statement.deviation > TOLERANCE:
            raise BrokenLaw(f"{where} breaks the law '{law}': {statement}")
        largest = max(largest, statement.deviation)
    return largest
