"""Requests that no replica can take: told before a run, as far as the lengths allow it, and counted after it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from infermodel.scenario.resolved import ResolvedService
from infermodel.simulation.handover import ByPromptLength, ByTenant
from infermodel.simulation.spec import longest_in_memory
from infermodel.simulation.streams import named_streams
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import Traffic

LOOKED_AT = 10_000
"""Requests of a traffic whose lengths are looked at before a run."""

Tokens = NDArray[np.int64]


def sample(traffic: Traffic, seed: int, most: int | None) -> Tokens:
    """Prompt and answer of the first requests of a traffic, `LOOKED_AT` or `most` of them, tokens together."""
    count = min(LOOKED_AT, most or LOOKED_AT)
    streams = named_streams(seed, "lengths")
    found: list[Requests] = []
    for block in traffic.blocks(streams):
        found.append(block)
        if sum(map(len, found)) >= count:
            break
    totals: Tokens = np.concatenate([block.prompt_tokens + block.output_tokens for block in found])[:count]
    return totals


def bounds(service: ResolvedService) -> tuple[int, int]:
    """The longest request, prompt and answer, that the served context allows, and that a rank's KV memory holds: of the
    pool that takes the longest where each request has a pool of its own, of the least one where any may get it.
    """
    found = []
    for pool in service.pools:
        if pool.role != "prefill":
            drafted = pool.speculation.drafted if pool.speculation else 0
            room = longest_in_memory(pool.step_model.kv_memory, pool.limits, drafted)
            found.append((pool.limits.max_context, room))
    own = isinstance(service.first_router, ByPromptLength | ByTenant)
    return max(found, key=min) if own else min(found, key=min)


def reasons(service: ResolvedService, totals: Tokens) -> list[tuple[int, str]]:
    """How many of these requests are turned away as too long, by what they are too long for."""
    context, room = bounds(service)
    for_memory = int(np.sum((totals > room) & (totals <= context)))
    for_context = int(np.sum(totals > context))
    found = [
        (for_context, f"longer than max_context, {context:,} tokens"),
        (for_memory, f"longer than the {room:,} tokens that the memory for keys and values of a replica holds"),
    ]
    return [(count, reason) for count, reason in found if count]


def longer_than(tokens: int, traffic: Traffic, seed: int, most: int | None) -> str:
    """How much of a traffic is longer than so many tokens, in words; empty where none of what was looked at is."""
    totals = sample(traffic, seed, most)
    count = int(np.sum(totals > tokens))
    if not count:
        return ""
    return f"about {100 * count / len(totals):.3g} % of its requests (up to {int(totals.max()):,} tokens) are longer"


def told_before(service: ResolvedService, seed: int, most: int | None) -> list[str]:
    """A sentence for each reason for which some of the service's requests will be rejected.

    Args:
        most: requests of the run; None: no such limit.
    """
    if service.sessions is not None:
        return []  # how long a call is depends on the calls before it
    totals = sample(service.traffic, seed, most)
    longest = int(totals.max(initial=0))
    return [
        f"{service.name}: about {100 * count / len(totals):.3g} % of its requests (up to {longest:,} tokens, prompt and"
        f" answer) will be rejected, {reason}"
        for count, reason in reasons(service, totals)
    ]
