"""One failure, played: each service again at its own load, with one of its systems down all the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite

from infermodel.experiment.run import summary_of
from infermodel.metrics.summary import Summary
from infermodel.scenario.resolved import ResolvedScenario, ResolvedService
from infermodel.workload.traffic import OpenTraffic, profile_of

ENOUGH_REQUESTS = 4000
"""Of a run at a constant rate: a p99 is then that of forty."""


def one_down(scenario: ResolvedScenario) -> Mapping[str, Summary]:
    """What each service keeps with its first group of systems down, by name.

    Services of one group, that stop altogether, and of several pools, whose outages are not played, are left out, and
    so are those without objectives.
    """
    return {
        service.name: with_one_down(scenario, service)
        for service in scenario.services
        if service.objectives and len(service.pools) == 1 and service.pool.groups > 1
    }


def with_one_down(scenario: ResolvedScenario, service: ResolvedService) -> Summary:
    """The summary of the service alone, all its other systems up always; a long run at a constant rate is cut short."""
    alone = replace(scenario, services=(service.without(1).with_pool(scaling=None),))
    traffic = service.traffic
    if isinstance(traffic, OpenTraffic) and profile_of(traffic) is None and service.sessions is None:
        rate = traffic.mean_rate_per_s
        asked = scenario.requests if scenario.duration_s is None else rate * scenario.duration_s
        if isfinite(rate) and asked is not None and asked > ENOUGH_REQUESTS and scenario.warm_up_s is None:
            alone = replace(alone, duration_s=None, requests=ENOUGH_REQUESTS)
    return summary_of(alone, 0)
