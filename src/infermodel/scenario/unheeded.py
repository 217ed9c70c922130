"""What a scenario says and its run does not heed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from infermodel.scenario.resolved import ResolvedService
from infermodel.scenario.too_long import LOOKED_AT
from infermodel.simulation.pool.router import SHARED_QUEUE
from infermodel.workload.bodies import SystemPrompts
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, TraceTraffic

HEED_PRIORITY = ("priority", "fair")
"""Queues that look at the priority of a request."""

READ_NOTHING = ("round_robin", "random", SHARED_QUEUE)
"""Ways to replicas that look at none of them."""


def unheeded(service: ResolvedService, duration_s: float | None) -> Iterator[str]:
    """A sentence for each such thing.

    Args:
        service: whose run it is.
        duration_s: of the run; None: it ends by its requests.
    """
    for pool in service.pools:
        for outage in pool.outages:
            if duration_s is not None and outage.at_s >= duration_s:
                when = f"from {outage.at_s:g} s, though requests come until {duration_s:g} s alone"
                yield f"{service.name}: an outage never happens: it is {when}"
        if pool.signals_every_s and pool.router in READ_NOTHING:
            yield f"{service.name}: signals_every changes nothing: {pool.router} reads nothing of replicas"
        if pool.router == "session_affinity" and not has_sessions(service):
            yield f"{service.name}: session_affinity finds no sessions in this traffic: it is least_outstanding"
    levels = {tenant.priority for tenant in service.rate_limits.tenants} if service.rate_limits is not None else {None}
    if len(levels) > 1 and not any(pool.queue in HEED_PRIORITY for pool in service.pools):
        yield f"{service.name}: tenants' priority changes nothing: write queue: priority (or fair) in the service"
    yield from lengthened(service)


def lengthened(service: ResolvedService) -> Iterator[str]:
    """A sentence where prompts are drawn shorter than the system prompt that they begin with."""
    traffic = service.traffic
    if not isinstance(traffic, OpenTraffic | ClosedTraffic) or not isinstance(traffic.prefix, SystemPrompts):
        return
    begin = traffic.prefix.tokens
    share = traffic.prefix.share * np.mean(traffic.prompt.draw(np.random.default_rng(0), LOOKED_AT) <= begin)
    if share > 0:
        yield (
            f"{service.name}: about {100 * share:.3g} % of its prompts are drawn no longer than the system prompt of"
            f" {begin:,} tokens that they begin with, and have {begin + 1:,}: prompt_tokens counts it too"
        )


def has_sessions(service: ResolvedService) -> bool:
    """Whether clients say which session a request is of: who asks several times, and users of a loop."""
    traffic = service.traffic
    follows = isinstance(traffic, TraceTraffic) and traffic.requests.after is not None
    return service.sessions is not None or follows or isinstance(traffic, ClosedTraffic)
