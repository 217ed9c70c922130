"""Declared shapes of what a simulation hands on: request columns, timeline, histograms. Numpy columns, no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Pool = TypeVar("Pool")

FINISHED, UNFINISHED, REJECTED = 0, 1, 2
"""Values of `RequestTable.status`."""

GAP_BINS_PER_OCTAVE = 64
GAP_EDGES_S: NDArray[np.float64] = np.concatenate(
    [[0.0], np.exp2(np.arange(-22 * GAP_BINS_PER_OCTAVE, 14 * GAP_BINS_PER_OCTAVE + 1) / GAP_BINS_PER_OCTAVE), [np.inf]]
)
"""Edges of the gap histogram: bins 1.1 % wide from a quarter of a microsecond to four and a half hours."""

FIRST_BIN_S = 2.0**-6
MOST_BINS = 1024
"""The timeline starts with bins of 1/64 s and doubles their width whenever there are more than this many."""


State = Literal["up", "down", "off", "starting", "draining"]
"""Of a replica: it serves; it is down with its system; it is stopped; it is starting; it answers what it has, and takes
nothing new."""

POWERED = frozenset({"up", "starting", "draining"})
"""States in which a replica draws power."""

PAID = POWERED | {"down"}
"""States in which a replica costs money: all but being stopped."""

SERVING = frozenset({"up", "draining"})
"""States in which steps run."""


@dataclass(frozen=True)
class StateTable:
    """States of a pool's replicas, a row for each time that one stays in a state, replica by replica.

    Attributes:
        replica: its number within the pool.
        state: one of `State`.
        start_s, end_s: from when until when, seconds.
    """

    replica: NDArray[np.int64]
    state: NDArray[np.str_]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]

    def seconds(self, states: frozenset[str], start_s: float, end_s: float) -> float:
        """Replica-seconds in these states between two moments."""
        rows = np.isin(self.state, sorted(states))
        inside = np.minimum(self.end_s[rows], end_s) - np.maximum(self.start_s[rows], start_s)
        return float(np.maximum(inside, 0.0).sum())


def always_up(replicas: int, until_s: float) -> StateTable:
    """The states of replicas that nothing befalls."""
    whole = np.full(replicas, until_s)
    return StateTable(np.arange(replicas), np.full(replicas, "up"), np.zeros(replicas), whole)


@dataclass(frozen=True)
class HandoverTable:
    """Requests whose prompts one pool reads and another decodes: when what was where. A row for each request of the
    service, seconds; NaN, or -1: not handed over, or not yet.

    Attributes:
        prefill_replica: that read the prompt; `replica` is the one that decodes.
        prefilled_at: end of the step that made its first token.
        reserved_at: blocks for the prompt were free where it will decode, and set aside.
        begun_at: what was left to send had the sender's link to itself.
        transferred_at: everything had come.
        joined_at: start of the first step of the decoding pool that worked on it.
        link_bytes: that crossed, the last time if it had to be sent again.
        cached_tokens: of the prompt, found where it decodes, which did not cross.
        prefill_preemptions: times that its memory was taken while its prompt was being read.
        answer_tokens: that were read with the prompt, since they had been given before a failure.
    """

    prefill_replica: NDArray[np.int64]
    prefilled_at: NDArray[np.float64]
    reserved_at: NDArray[np.float64]
    begun_at: NDArray[np.float64]
    transferred_at: NDArray[np.float64]
    joined_at: NDArray[np.float64]
    link_bytes: NDArray[np.float64]
    cached_tokens: NDArray[np.int64]
    prefill_preemptions: NDArray[np.int64]
    answer_tokens: NDArray[np.int64]


@dataclass(frozen=True)
class RequestTable:
    """The primitive times of every request that arrived at a service, in order of arrival. Seconds; NaN: never.

    Attributes:
        arrived_at: sent by the client.
        admitted_at: accepted by the service's router.
        first_scheduled_at: start of the first step that worked on it.
        first_token_at, last_token_at: when the client had them.
        finished_at: end of the request, last_token_at for a finished one.
        replica: index of the replica that served it last, -1 if none.
        preemptions: how often its KV memory was taken and recomputed.
        cached_tokens: prompt tokens found in the prefix cache when first scheduled.
        status: FINISHED, UNFINISHED or REJECTED.
    """

    arrived_at: NDArray[np.float64]
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    cached_tokens: NDArray[np.int64]
    admitted_at: NDArray[np.float64]
    first_scheduled_at: NDArray[np.float64]
    first_token_at: NDArray[np.float64]
    last_token_at: NDArray[np.float64]
    finished_at: NDArray[np.float64]
    replica: NDArray[np.int64]
    preemptions: NDArray[np.int64]
    priority: NDArray[np.int64]
    status: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.arrived_at)


@dataclass(frozen=True)
class GapHistogram:
    """Inter-token gaps pooled over all tokens of a run, as they leave their replicas: `counts[i]` gaps lie in
    [edges_s[i], edges_s[i + 1]). What tokens wait for API servers is in none of them.

    `total_s` is the exact sum of all gaps, `gaps` their number. Of gaps that had not ended, `open_s` are the seconds in
    which sequences waited for a prompt to be read, at most.
    """

    edges_s: NDArray[np.float64]
    counts: NDArray[np.int64]
    total_s: float
    gaps: int
    open_s: float = 0.0


@dataclass(frozen=True)
class Timeline:
    """Sums over all replicas of a service per bin of time, bin i is [edges_s[i], edges_s[i + 1]).

    Attributes:
        columns: `output_tokens`, `prompt_tokens` (computed, recomputation included), `busy_s` (replica-seconds),
            `joules` (of busy time), `flops`, `bytes`, `sequence_s` (decoding sequences x seconds, with those that
            wait for a prompt to be read), `kv_block_s` (blocks in use x seconds),
            `bound_<compute|memory|network|latency|host>_s`, and where replicas were ever without power `up_s`
            (replica-seconds with it).
    """

    edges_s: NDArray[np.float64]
    columns: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class TenantRecord:
    """What the keys of one tenant sent and got.

    Attributes:
        requests: numbers of its requests, rows of the request table.
        refusals: attempts that were refused for the moment or for good.
        tokens_of_keys: charged to each of its keys.
        waiting: requests that still wait at their clients at the end.
    """

    name: str
    keys: int
    requests: NDArray[np.int64]
    refusals: int
    tokens_of_keys: NDArray[np.int64]
    waiting: int


@dataclass(frozen=True)
class QuestionTable:
    """Questions that take several dependent calls, in order of arrival.

    Attributes:
        arrived_at: when it was asked, seconds.
        answered_at: when its last call had its last token; NaN: not by the end, or a call was refused.
        calls: that it takes.
        prompt_tokens, output_tokens: of all of them together.
    """

    arrived_at: NDArray[np.float64]
    answered_at: NDArray[np.float64]
    calls: NDArray[np.int64]
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]


@dataclass(frozen=True)
class Texts:
    """Which prompts of a service's requests have text in common.

    Attributes:
        prompt_id: of each request; requests with the same id (>= 0) have the same prompt, -1: its own.
        block_hashes: by request, ids of the leading full blocks of its text; equal ids, equal text up to there.
        block_tokens: tokens of such a block.
    """

    prompt_id: NDArray[np.int64]
    block_hashes: Mapping[int, tuple[int, ...]]
    block_tokens: int


@dataclass(frozen=True)
class PoolRecord:
    """All that a simulation says of alike replicas.

    Attributes:
        replicas: how many there are.
        replica_totals: of each, over the whole run: `steps`, `busy_s`, `joules`, `output_tokens`, `prompt_tokens`,
            `preemptions`, `up_s`, `peak_w`.
        idle_w: power of one idle replica.
        peak_flops, peak_bandwidth: of one replica.
        kv_blocks, kv_block_tokens: room of one replica, and the block's size.
        kv_groups: blocks that a sequence takes for each block of its tokens: of layers that see everything, and of all.
        front_end_stretch_s: by how much waiting for API servers made answers longer from first to last token, together.
        front_end_busy_s: process-seconds of work of the API servers; `front_end_processes`: how many they are.
        name: what reports call it; empty where a service has one only.
        role: what it does with a request: `both`, `prefill` or `decode`.
        states: of its replicas; None where they always serve but for planned outages.
    """

    gaps: GapHistogram
    timeline: Timeline
    replicas: int
    replica_totals: Mapping[str, NDArray[np.float64]]
    idle_w: float
    peak_flops: float
    peak_bandwidth: float
    kv_blocks: int
    kv_block_tokens: int
    kv_groups: tuple[int, int] = (1, 1)
    front_end_stretch_s: float = 0.0
    front_end_busy_s: float = 0.0
    front_end_processes: int = 0
    name: str = ""
    role: str = "both"
    states: StateTable | None = None


@dataclass(frozen=True)
class LinkRecord:
    """What a link between two pools carried.

    Attributes:
        handover: when each request was where.
        link_bytes: in all, those that crossed while prompts were still being read among them.
        out_busy_s: seconds in which each lane of the sending pool was in use: a replica, or each of its ranks of
            data-parallel attention.
        in_busy_s: of the receiving pool.
        shared_busy_s: of what all transfers share.
        prefilled_gives_first: whether clients have first tokens from the pool that reads prompts.
        recomputes: whether the decoding pool computes the last token of each prompt again.
        block_bytes: of a KV block where it decodes.
        lost_bytes: of all, those of requests whose sender or receiver failed.
        lost_tokens: that prompts made and nobody got, since what had been read was lost.
    """

    handover: HandoverTable
    link_bytes: float
    out_busy_s: NDArray[np.float64]
    in_busy_s: NDArray[np.float64]
    shared_busy_s: float
    prefilled_gives_first: bool
    recomputes: bool
    block_bytes: float
    lost_bytes: float = 0.0
    lost_tokens: int = 0


@dataclass(frozen=True)
class ServiceRecord:
    """All that a simulation says of one service. What adds up over pools can be asked of the service.

    Attributes:
        pools: that requests went through, in order.
        link: from one that prefills to one that decodes; None where there are no such pools.
        pool_of: where several pools each do all of a request, the number of the one that each went to, -1: to none;
            else None.
        ended_at: when the simulation of this service stopped.
        events: entries on the agenda that the whole run took, superseded ones included.
        tenants: of an API with rate limits.
        questions: where requests are calls of questions.
        texts: what prompts have in common; None where nobody says.
    """

    name: str
    requests: RequestTable
    pools: tuple[PoolRecord, ...]
    ended_at: float
    events: int
    tenants: tuple[TenantRecord, ...] = ()
    questions: QuestionTable | None = None
    texts: Texts | None = None
    link: LinkRecord | None = None
    pool_of: NDArray[np.int64] | None = None

    @property
    def pool(self) -> PoolRecord:
        """Its only pool.

        Raises:
            ValueError: it has several.
        """
        return only(self.pools, self.name)

    @cached_property
    def gaps(self) -> GapHistogram:
        """Of all pools."""
        each = [pool.gaps for pool in self.pools]
        first, *others = each
        if not others:
            return first
        counts = np.sum([gaps.counts for gaps in each], axis=0)
        total_s, open_s = sum(gaps.total_s for gaps in each), sum(gaps.open_s for gaps in each)
        return GapHistogram(first.edges_s, counts, total_s, sum(gaps.gaps for gaps in each), open_s)

    @cached_property
    def timeline(self) -> Timeline:
        """Of all pools, added up: their bins are the same, since all end with the service."""
        first, *others = (pool.timeline for pool in self.pools)
        if not others:
            return first
        assert all(np.array_equal(first.edges_s, other.edges_s) for other in others)
        each = [dict(pool.timeline.columns) for pool in self.pools]
        if any("up_s" in columns for columns in each):
            widths_s = np.diff(np.minimum(first.edges_s, self.ended_at))
            for pool, columns in zip(self.pools, each, strict=True):
                columns.setdefault("up_s", pool.replicas * widths_s)
        sums = {name: np.sum([columns[name] for columns in each], axis=0) for name in each[0]}
        return Timeline(first.edges_s, sums)

    @cached_property
    def states(self) -> StateTable | None:
        """Of the replicas of one pool after the other, counted through; None where none comes or goes."""
        if all(pool.states is None for pool in self.pools):
            return None
        each = [pool.states or always_up(pool.replicas, self.ended_at) for pool in self.pools]
        before = np.cumsum([0, *(pool.replicas for pool in self.pools)])
        return StateTable(
            replica=np.concatenate([first + states.replica for first, states in zip(before, each, strict=False)]),
            state=np.concatenate([states.state for states in each]),
            start_s=np.concatenate([states.start_s for states in each]),
            end_s=np.concatenate([states.end_s for states in each]),
        )

    @property
    def replicas(self) -> int:
        """Of all pools."""
        return sum(pool.replicas for pool in self.pools)

    @cached_property
    def replica_totals(self) -> Mapping[str, NDArray[np.float64]]:
        """Of the replicas of one pool after the other."""
        first, *others = (pool.replica_totals for pool in self.pools)
        return {name: np.concatenate([values, *(each[name] for each in others)]) for name, values in first.items()}

    @property
    def front_end_stretch_s(self) -> float:
        """Of all pools."""
        return sum(pool.front_end_stretch_s for pool in self.pools)

    @property
    def front_end_busy_s(self) -> float:
        """Of all pools."""
        return sum(pool.front_end_busy_s for pool in self.pools)

    @property
    def front_end_processes(self) -> int:
        """Of all pools."""
        return sum(pool.front_end_processes for pool in self.pools)


def only(pools: Sequence[Pool], service: str) -> Pool:
    """The one pool of a service.

    Raises:
        ValueError: it has several.
    """
    if len(pools) != 1:
        raise ValueError(f"service {service!r} has {len(pools)} pools: say which")
    return pools[0]
