"""A fleet that scales or fails, and fixed fleets under the same traffic beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from infermodel.experiment.pricing import economics, needed_systems
from infermodel.metrics.fleets import FleetSummary, fleet_summary
from infermodel.metrics.steady import Window
from infermodel.metrics.summary import Summary
from infermodel.scenario.resolved import ResolvedScenario, ResolvedService
from infermodel.tables import ServiceRecord


def fleet_row(
    service: ResolvedService, record: ServiceRecord, summary: Summary, window: Window, fleet: str
) -> FleetSummary:
    """What the fleet of a service did and cost."""
    priced = economics(service, summary)
    usd = priced.hourly.total.mid, priced.blended_usd_per_mtok.mid
    return fleet_summary(record, window, summary, *usd, fleet)


def fixed_scenarios(scenario: ResolvedScenario, service: ResolvedService, window: Window) -> Iterator[ResolvedScenario]:
    """The service alone with so many replicas, always running, on as many systems as they need beside its spares, and
    measured in the same window.
    """
    pool = service.pool
    together = pool.systems_per_replica
    spares = pool.failures.spares * together if pool.failures is not None else 0
    for replicas in pool.fixed:
        needed = needed_systems(pool, replicas)
        alone = service.with_pool(
            replicas=replicas, systems=needed + spares, groups=needed // together, scaling=None, fixed=()
        )
        yield replace(scenario, services=(alone,), warm_up_s=window.start_s)
