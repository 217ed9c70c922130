"""What a scenario says and its run does not heed."""

from __future__ import annotations

from collections.abc import Iterator

from infermodel.scenario.resolved import ResolvedService

HEED_PRIORITY = ("priority", "fair")
"""Queues that look at the priority of a request."""


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
    levels = {tenant.priority for tenant in service.rate_limits.tenants} if service.rate_limits is not None else {None}
    if len(levels) > 1 and not any(pool.queue in HEED_PRIORITY for pool in service.pools):
        yield f"{service.name}: tenants' priority changes nothing: write queue: priority (or fair) in the service"
