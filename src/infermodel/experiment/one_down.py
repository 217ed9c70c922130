"""One failure, played: each service again at its own load, with one system of a pool down all the time."""

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
    """What each service keeps with the first group of a pool's systems down, by the name of the pool where there are
    several, else of the service.

    Pools of one group are left out unless others stand in, and so are services without objectives.
    """
    return {
        name: with_one_down(scenario, service, number)
        for service in scenario.services
        if service.objectives
        for number, (name, pool) in enumerate(service.named_pools)
        if pool.groups > 1 or service.pools_stand_in
    }


def with_one_down(scenario: ResolvedScenario, service: ResolvedService, number: int = 0) -> Summary:
    """The summary of the service alone, all systems up always but for the first group of one pool; a long run at a
    constant rate is cut short.
    """
    which = [int(place == number) for place in range(len(service.pools))]
    down = service.without(which).with_pools(lambda pool: replace(pool, scaling=None))
    alone = replace(scenario, services=(down,))
    traffic = service.traffic
    if isinstance(traffic, OpenTraffic) and profile_of(traffic) is None and service.sessions is None:
        rate = traffic.mean_rate_per_s
        asked = scenario.requests if scenario.duration_s is None else rate * scenario.duration_s
        if isfinite(rate) and asked is not None and asked > ENOUGH_REQUESTS and scenario.warm_up_s is None:
            alone = replace(alone, duration_s=None, requests=ENOUGH_REQUESTS)
    return summary_of(alone, 0)
