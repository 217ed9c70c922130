"""The very requests that a run will measure, drawn before it, and what its objectives ask for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, inf, isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infermodel.metrics.objectives import PER_REQUEST, Objective
from infermodel.scenario.resolved import ResolvedScenario, ResolvedService
from infermodel.simulation.spec import LONGEST_RUN
from infermodel.simulation.streams import named_streams
from infermodel.tables import FIRST_BIN_S, MOST_BINS
from infermodel.workload.arrivals import Offline
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, TraceTraffic

MARKOV = (2.0, 4.0, 10.0)
"""A mean of at most L leaves fewer than one of c requests above c x L: the c that are looked at."""

Column = NDArray[np.float64]


@dataclass(frozen=True)
class Demand:
    """Requests that are measured whatever the fleet does.

    Attributes:
        arrived_at: seconds.
        prompt: tokens of each prompt.
        computed: of them, those that no cache can hold.
        output: tokens of each answer.
        most: requests that may be measured, those at the edges of the window included.
        ends_s: when the run stops at the latest; infinite where it waits for everybody.
    """

    arrived_at: Column
    prompt: Column
    computed: Column
    output: Column
    most: int
    ends_s: float


@dataclass(frozen=True)
class Promise:
    """What a met objective means for single requests: all but a share of them stay within the limit.

    Attributes:
        name: of the objective.
        metric: `ttft`, `tpot` or `e2e`.
        limit_s: of it.
        share: of the measured requests that may be above.
    """

    name: str
    metric: str
    limit_s: float
    share: float

    def misses(self, demand: Demand) -> int:
        """Requests that may be above the limit, at most."""
        return floor(demand.most * self.share * (1 + 1e-9) + 1e-6)


def drawn(scenario: ResolvedScenario, replication: int) -> Demand | None:
    """The requests of a replication of a scenario of one service; None where the fleet decides who is measured.

    That is so in closed loops, where requests follow answers, in offline batches and where MSER-5 looks for the
    warm-up. Requests in the outermost bins of the timeline are left out, since windows are moved inward to bins.
    """
    (service,) = scenario.services
    traffic = service.traffic
    if isinstance(traffic, ClosedTraffic) or service.sessions is not None or service.rate_limits is not None:
        return None
    if isinstance(traffic, OpenTraffic) and isinstance(traffic.arrivals, Offline):
        return None
    replays = isinstance(traffic, TraceTraffic)
    if isinstance(traffic, TraceTraffic) and traffic.requests.after is not None:
        return None
    cut_short = scenario.duration_s is not None or scenario.requests is not None
    if scenario.warm_up_s is None and not replays:
        return None
    requests, ends = arrivals(scenario, traffic, replication)
    at = requests.arrived_at
    if replays and scenario.warm_up_s is None and not cut_short:
        return demand_of(service, requests, np.ones(len(at), dtype=bool), len(at), inf)
    if ends or len(at) == 0:
        return None
    engine = service.prefill_pool.engine
    ingress_s = engine.ingress_s + engine.tokenise_s * int(requests.prompt_tokens.max())
    start_s, end_s = scenario.warm_up_s or 0.0, float(at[-1]) if scenario.duration_s is None else scenario.duration_s
    ends_s = LONGEST_RUN * (max(end_s, float(at[-1])) + ingress_s)
    bin_s = max(FIRST_BIN_S, 2 * ends_s / MOST_BINS)
    if end_s - start_s <= 2 * bin_s:
        return None
    inside = (at >= start_s + bin_s) & (at < end_s - bin_s)
    most = int((at >= start_s - 1e-6).sum())
    return demand_of(service, requests, inside, most, ends_s)


def arrivals(
    scenario: ResolvedScenario, traffic: OpenTraffic | TraceTraffic, replication: int
) -> tuple[Requests, bool]:
    """All requests that arrive before the horizon, and whether the traffic ends before it."""
    duration_s = inf if scenario.duration_s is None else scenario.duration_s
    requests = inf if scenario.requests is None else scenario.requests
    parts: list[Requests] = []
    count, ends = 0, True
    for block in traffic.blocks(named_streams(scenario.seed, f"replication {replication}")):
        parts.append(block)
        count += len(block)
        if count > requests or (len(block) and block.arrived_at[-1] >= duration_s):
            ends = False
            break
    whole = joined(parts)
    inside = (whole.arrived_at < duration_s) & (np.arange(count) < requests)
    return joined([whole], inside), ends


def joined(parts: Sequence[Requests], kept: NDArray[np.bool_] | None = None) -> Requests:
    """Blocks of requests as one, or those of them that are kept."""

    def column(name: str) -> NDArray[Any]:
        values = np.concatenate([getattr(each, name) for each in parts])
        return values if kept is None else values[kept]

    hashed = any(each.block_hashes is not None or each.cached_tokens is not None for each in parts)
    prompt_id = np.zeros_like(column("prompt_id")) if hashed else column("prompt_id")
    return Requests(
        column("arrived_at"), column("prompt_tokens"), column("output_tokens"), column("priority"), prompt_id
    )


def demand_of(
    service: ResolvedService, requests: Requests, inside: NDArray[np.bool_], most: int, ends_s: float
) -> Demand:
    """The measured requests that the service accepts; what is too long for it is rejected, and costs nothing."""
    prompt = requests.prompt_tokens.astype(np.float64)
    output = requests.output_tokens.astype(np.float64)
    room = min(min(pool.limits.max_context, pool.step_model.kv_memory.fits_alone) for pool in service.pools)
    kept = inside & (prompt + output <= room)
    alone = np.full(len(prompt), not service.finds_prompts) | (requests.prompt_id < 0)
    computed = np.where(alone, prompt, 1.0)  # of a prompt that is in the cache whole, the last token
    return Demand(requests.arrived_at[kept], prompt[kept], computed[kept], output[kept], most, ends_s)


def promises(objectives: Sequence[Objective]) -> list[Promise]:
    """What objectives say of single requests. Those on queueing and on gaps between tokens are left out.

    >>> promises([Objective("output_speed_p5", "output_speed", 5.0, 20.0)])
    [Promise(name='output_speed_p5', metric='tpot', limit_s=0.05, share=0.05)]
    """
    found = []
    attainment = [1 - each.limit for each in objectives if each.metric == "attainment"]
    for each in objectives:
        if each.metric not in PER_REQUEST or each.metric == "queue_time" or each.limit <= 0:
            continue
        slow = each.metric != "output_speed"
        metric, limit_s = (each.metric, each.limit) if slow else ("tpot", 1 / each.limit)
        if isnan(each.percent):
            found += [Promise(each.name, metric, limit_s * c, 1 / c) for c in MARKOV]
            continue
        share = 1 - each.percent / 100 if slow else each.percent / 100
        found.append(Promise(each.name, metric, limit_s, min([share, *attainment])))
    return found
