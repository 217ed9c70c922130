"""What the cost engine says of a layout before it is simulated: bounds that no run of it beats. `docs/plan.md` proves
them.

Every step of a replica takes at least some seconds for each token that it puts out, for each prompt token, and for each
token of context. So the requests that must be answered by some time ask for so many replica-seconds until then, and a
fleet has no more than its replicas times the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, inf
from typing import NamedTuple

import numpy as np

from infermodel.cost.least_step import LeastStep
from infermodel.metrics.objectives import Objective
from infermodel.scenario.resolved import ResolvedPool, ResolvedService
from infermodel.search.demand import Column, Demand, Promise, promises
from infermodel.simulation.handover import Role
from infermodel.tables import GAP_EDGES_S

MEMORY_SHARES = (0.0, 0.5, 1.0)
"""Of the least step that may be charged to contexts: they have to fit into memory."""

PROMPT_SHARES = (0.0, *np.geomspace(1e-4, 1.0, 17).tolist())
"""Charges for a prompt token that are tried, in those of a token put out."""

TOKEN_RATIO, PROMPT_RATIO = 1.08, 1.2
"""Ends of a cell of steps, at most, by tokens put out and by prompt tokens."""

STARTS = 16
"""Moments from which on demand is added up."""

ROUNDING = 1 - 1e-9


class Charge(NamedTuple):
    """Replica-seconds that any schedule spends, at least.

    Attributes:
        law: what contexts cost.
        token_s: for each token put out.
        prompt_s: for each prompt token computed besides.
        context_s: for each token of context of tokens put out, on top of the law's.
        decoding: whether only tokens after the first of a request are charged, of requests that keep a limit on TPOT.
    """

    law: LeastStep
    token_s: float
    prompt_s: float
    context_s: float = 0.0
    decoding: bool = False


class Known(NamedTuple):
    """A law of a service's steps, and all steps that the limits allow, in cells.

    Attributes:
        tokens, prompt: put out, and of prompts computed besides, by the largest step of each cell.
        least_s: what the smallest step of the cell takes by the law, and so every step in it.
        charges: by what a token put out and a prompt token cost together.
    """

    law: LeastStep
    tokens: Column
    prompt: Column
    least_s: Column
    charges: tuple[Charge, ...]

    @property
    def prompt_s(self) -> float:
        """Seconds of a prompt token, at least."""
        alone = self.tokens == 0
        return float((self.least_s[alone] / self.prompt[alone]).min())


def known(service: ResolvedService, pool: ResolvedPool) -> tuple[Known, ...]:
    """What is known of the steps of a service's pool; nothing with drafts."""
    shares = service.finds_prompts_in(pool)
    return tuple(facts_of(pool, law, shares_memory=shares) for law in pool.step_model.least_laws())


def facts_of(pool: ResolvedPool, law: LeastStep, *, shares_memory: bool) -> Known:
    """The cells of a law, and charges that no step of any of them falls below.

    Args:
        pool: whose steps they are.
        law: of them.
        shares_memory: whether requests may lie in the same blocks.
    """
    limits, memory = pool.limits, pool.step_model.kv_memory
    seats, budget = limits.max_sequences * memory.ranks, limits.max_batched_tokens * memory.ranks
    at_once = memory.in_whole + seats  # contexts of running requests lie in memory
    cells = [
        (most, most_prompt, law.fixed_s(least, least_prompt))
        for least, most in ((0, 0), *parts(min(seats, at_once), TOKEN_RATIO))
        for least_prompt, most_prompt in ((0, 0), *parts(budget, PROMPT_RATIO))
        if most or most_prompt
    ]
    tokens, prompt, least_s = (np.array(column, dtype=np.float64) for column in zip(*cells, strict=True))
    step_s = 0.0 if shares_memory else law.fixed_s(1, 0)  # shared prefixes lie in memory once
    charges = []
    for part in MEMORY_SHARES if step_s else (0.0,):
        free_s = least_s - np.where(tokens > 0, part * step_s, 0.0)
        for share in PROMPT_SHARES:
            weight = tokens + share * prompt
            token_s = max(0.0, float((free_s[weight > 0] / weight[weight > 0]).min()))
            charges.append(Charge(law, token_s, share * token_s, part * step_s / at_once))
    return Known(law, tokens, prompt, least_s, tuple(charges))


def fewest_replicas(
    service: ResolvedService, pool: ResolvedPool, facts: Sequence[Known], demands: Sequence[Demand]
) -> int:
    """Replicas of a pool below which no run keeps the objectives; 1 where nothing is known.

    Args:
        service: with its objectives and limits.
        pool: of it.
        facts: of `known`.
        demands: of the replications, each of which must keep the objectives.
    """
    promised = promises(service.objectives)
    least = 0.0
    for demand in demands:
        if not len(demand.arrived_at):
            continue
        for fact in facts:
            for charged, deadline, misses in asked(fact, pool.role, demand, promised):
                work = work_s(charged, demand)
                least = max(least, least_servers(demand.arrived_at, deadline, work, misses))
    return max(1, ceil(least * ROUNDING))


def asked(fact: Known, role: Role, demand: Demand, promised: Sequence[Promise]) -> Iterator[tuple[Charge, Column, int]]:
    """Ways to charge what a pool has to do: the charge, when each request must be done, how many may be late."""
    prompts = Charge(fact.law, 0.0, fact.prompt_s)
    if role != "decode":
        for each in promised:
            if each.metric == "ttft":
                yield prompts, demand.arrived_at + each.limit_s, each.misses(demand)
    if role == "prefill":
        for done_at, misses in answered_by(demand, promised):
            yield prompts, done_at, misses
        return
    charges = fact.charges if role == "both" else [each._replace(prompt_s=0.0, decoding=True) for each in fact.charges]
    best = max(charges, key=lambda each: float(work_s(each, demand).sum()))
    tpots = [(each, decode_charge(fact, each.limit_s)) for each in promised if each.metric == "tpot"]
    for done_at, misses in answered_by(demand, promised):
        yield best, done_at, misses
        for tpot, decoding in tpots:
            yield decoding, done_at, misses + tpot.misses(demand)


def answered_by(demand: Demand, promised: Sequence[Promise]) -> Iterator[tuple[Column, int]]:
    """When requests must be answered, and how many may be late: their end-to-end limit, that of the first token and of
    those after it, or the end of the run.
    """
    for first in promised:
        if first.metric == "e2e":
            yield demand.arrived_at + first.limit_s, first.misses(demand)
        for tpot in promised:
            if first.metric == "ttft" and tpot.metric == "tpot":
                done_at = demand.arrived_at + first.limit_s + tpot.limit_s * (demand.output - 1)
                yield done_at, first.misses(demand) + tpot.misses(demand)
    if demand.ends_s < inf:
        yield np.full(len(demand.arrived_at), demand.ends_s), 0


def work_s(charge: Charge, demand: Demand) -> Column:
    """Replica-seconds of each request by a charge.

    Token k of a request, from 0, attends to prompt + k tokens.
    """
    law, prompt, before = charge.law, demand.prompt, demand.computed - 1
    first = 1.0 if charge.decoding else 0.0
    alone = charge.token_s == 0 and not charge.decoding
    tokens = np.ones_like(prompt) if alone else demand.output - first
    total = charge.token_s * tokens
    for window, second in law.token_s.items():
        total = total + second * contexts(prompt + first, tokens, window)
    if charge.context_s:
        total = total + charge.context_s * contexts(prompt + first, tokens, None)
    if charge.decoding:
        return total
    for window, second in law.pair_s.items():
        total = total + second * contexts(np.ones_like(before), before, window)
    return total + charge.prompt_s * before


def contexts(first: Column, count: Column, window: int | None) -> Column:
    """Sum of `count` contexts from `first` on, each one longer than the one before, as a window sees them.

    >>> contexts(np.array([3.0]), np.array([4.0]), None), contexts(np.array([3.0]), np.array([4.0]), 5)
    (array([18.]), array([17.]))
    """
    if window is None:
        return count * first + count * (count - 1) / 2
    growing = np.clip(window - first, 0, count)
    return growing * first + growing * (growing - 1) / 2 + (count - growing) * window


def parts(most: int, ratio: float) -> list[tuple[int, int]]:
    """1 to `most` in parts that end at most so many times above their start, the last number alone.

    >>> parts(10, 1.5)
    [(1, 1), (2, 3), (4, 5), (6, 9), (10, 10)]
    """
    found = []
    high = most
    low = most
    while high >= 1:
        found.append((low, high))
        high = low - 1
        low = max(1, ceil(high / ratio))
    return found[::-1]


def decode_charge(fact: Known, tpot_s: float) -> Charge:
    """What a token after the first costs whose request keeps a limit on TPOT: its steps last no longer than that on
    average, so that few can share them.

    The largest over u >= 0 of min over n of F(n) (1/n + u) - u x limit (Lagrange).
    """
    decoding = (fact.tokens > 0) & (fact.prompt == 0)
    least_s, shares = fact.least_s[decoding], 1 / fact.tokens[decoding]
    found = max(float((least_s * (shares + u)).min()) - u * tpot_s for u in (0.0, *shares))
    return Charge(fact.law, max(0.0, found), 0.0, decoding=True)


def least_servers(arrived_at: Column, done_by: Column, work: Column, misses: int) -> float:
    """Servers that can do all work between arrival and deadline but that of so many requests, at least.

    What arrives after s and is due by t takes place between them, whoever is late. Those with most work may be late.

    >>> least_servers(np.array([0.0, 0.0, 1.0]), np.array([2.0, 2.0, 2.0]), np.array([3.0, 1.0, 1.0]), 1)
    1.0
    """
    if misses >= len(work):
        return 0.0
    late = float(np.partition(work, len(work) - misses)[len(work) - misses :].sum()) if misses else 0.0
    order = np.argsort(done_by, kind="stable")
    starts = np.unique(arrived_at)[:: max(1, len(arrived_at) // STARTS)]
    found = 0.0
    for start in starts:
        inside = order[arrived_at[order] >= start]
        due, total = done_by[inside], np.cumsum(work[inside]) - late
        found = max(found, float((total[due > start] / (due[due > start] - start)).max(initial=0.0)))
    return found


def out_of_reach(service: ResolvedService, facts: Sequence[Sequence[Known]], demands: Sequence[Demand]) -> str:
    """The first objective that is missed even if every request is alone on the fleet; empty where there is none.

    Args:
        service: with its objectives.
        facts: of `known`, by pool.
        demands: of the replications.
    """
    if not all(facts):
        return ""
    for demand in demands:
        floors = alone(service, facts, demand)
        for each in promises(service.objectives):
            above = int((floors[each.metric] > each.limit_s).sum())
            if above > each.misses(demand):
                return f"{each.name}: {above} of {demand.most} requests take longer even alone"
        for promised in service.objectives:
            if promised.metric == "itl" and gaps_miss(promised, facts[-1], demand):
                return f"{promised.name}: every gap between tokens is longer even alone"
    return ""


def alone(service: ResolvedService, facts: Sequence[Sequence[Known]], demand: Demand) -> dict[str, Column]:
    """TTFT, TPOT and E2E of each request, at least. What crosses from pool to pool is left out."""
    reads, decodes = facts[0], facts[-1]
    edges_s = service.prefill_pool.engine.ingress_s + service.decode_pool.engine.egress_s
    first = np.max([_alone_s(law, demand.prompt) for law, *_ in reads], axis=0)
    token = np.max([_alone_s(law, demand.prompt + 1) for law, *_ in decodes], axis=0)
    prompt = np.max([work_s(Charge(each.law, 0.0, each.prompt_s), demand) for each in reads], axis=0)
    ttft_s = edges_s + np.maximum(first, prompt)
    tpot_s = np.where(demand.output > 1, token, 0.0)
    floors = {"ttft": ttft_s, "tpot": tpot_s, "e2e": ttft_s + (demand.output - 1) * token}
    return {metric: values * ROUNDING for metric, values in floors.items()}


def _alone_s(law: LeastStep, context: Column) -> Column:
    distinct, where = np.unique(context, return_inverse=True)
    return np.array([law.alone_s(int(each)) for each in distinct])[where]


def gaps_miss(promised: Objective, facts: Sequence[Known], demand: Demand) -> bool:
    """Whether even the shortest gap, as read from a histogram, is above the limit, and some request has gaps."""
    gap_s = ROUNDING * max(law.alone_s(1) for law, *_ in facts)
    edge_s = float(GAP_EDGES_S[np.searchsorted(GAP_EDGES_S, gap_s, "right") - 1])
    return edge_s > promised.limit and bool((demand.output > 1).any())
