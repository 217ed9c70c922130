"""A fleet that scales or fails, and fixed fleets under the same traffic beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from infermodel.experiment.pricing import economics, needed_systems
from infermodel.metrics.fleets import FleetSummary, fleet_summary
from infermodel.metrics.steady import Window
from infermodel.metrics.summary import Summary
from infermodel.scenario.resolved import ResolvedPool, ResolvedScenario, ResolvedService
from infermodel.tables import ServiceRecord


def fleet_row(
    service: ResolvedService, record: ServiceRecord, summary: Summary, window: Window, fleet: str
) -> FleetSummary:
    """What the fleet of a service did and cost."""
    priced = economics(service, summary)
    usd = priced.hourly.total.mid, priced.blended_usd_per_mtok.mid
    return fleet_summary(record, window, summary, *usd, fleet)


def fixed_scenarios(scenario: ResolvedScenario, service: ResolvedService, window: Window) -> Iterator[ResolvedScenario]:
    """The service alone with each pool that scales in each of its fixed sizes, always running, all combinations of
    them, and measured in the same window.
    """
    if all(pool.scaling is None for pool in service.pools):
        return
    sizes = [[pool] if pool.scaling is None else [fixed_pool(pool, n) for n in pool.fixed] for pool in service.pools]
    for pools in product(*sizes):
        yield replace(scenario, services=(replace(service, pools=pools),), warm_up_s=window.start_s)


def fixed_pool(pool: ResolvedPool, replicas: int) -> ResolvedPool:
    """A pool with so many replicas, always running, on as many systems as they need beside its spares."""
    together, needed = pool.systems_per_replica, needed_systems(pool, replicas)
    spares = pool.failures.spares * together if pool.failures is not None else 0
    return replace(pool, replicas=replicas, systems=needed + spares, groups=needed // together, scaling=None, fixed=())
