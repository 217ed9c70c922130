"""What a fleet delivers over months whose systems fail: each number of systems down by births and deaths, times what a
run delivers with so many down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import nan, prod

from infermodel.economics.fleet import HOUR_S, MONTH_H
from infermodel.experiment.pricing import economics
from infermodel.experiment.run import summary_of
from infermodel.metrics.birth_death import in_racks, shares_up
from infermodel.metrics.schema import column
from infermodel.metrics.summary import Summary
from infermodel.metrics.throughput import share_of
from infermodel.scenario.resolved import ResolvedPool, ResolvedScenario, ResolvedService
from infermodel.simulation.lifetimes import FailureSpec

MONTH_S = MONTH_H * HOUR_S
LEAST_SHARE = 1e-7
"""Of a long time, below which a state is not played: counted as if nothing were delivered in it."""


MOST_STATES = 100_000
"""Of a fleet: where several pools fail, each number of one's systems down with each of the others'."""


@dataclass(frozen=True)
class DownState:
    """A service with so many systems down."""

    service: str = column("", "name of the service")
    down: int = column("systems", "that are down, or groups that fail together")
    by_pool: str = column("", "the same by pool, where there are several")
    share: float = column("share", "of a long time")
    hours_a_month: float = column("h", "of 730")
    played: bool = column("", "whether a run says what follows; else nothing counts as delivered")
    attainment: float = column("share", "of the requests that keep every objective")
    objectives_met: bool = column("", "whether every objective is kept")
    ttft_p99_s: float = column("s", "percentile 99 of the time to the first token")
    tpm: float = column("tokens/min", "input and output, delivered")


@dataclass(frozen=True)
class MonthsSummary:
    """A service over months."""

    service: str = column("", "name of the service")
    systems: int = column("", "that are to serve, or groups that fail together")
    spares: int = column("", "that stand by")
    availability: float = column("share", "of the time of systems that are to serve, served")
    all_up: float = column("share", "of the time in which no system is missing")
    holds: float = column("share", "of the time in which every objective is kept")
    attainment: float = column("share", "of the requests that keep every objective, over months")
    attainment_all_up: float = column("share", "the same with every system up")
    outside_a_million: float = column("requests", "of a million, outside the objectives")
    missed_min_a_month: float = column("min", "of a month in which an objective is missed")
    failures_a_month: float = column("", "of systems that serve, and of racks")
    usd_per_h: float = column("USD/h", "mid prices")
    usd_per_h_lost: float = column(
        "USD/h", "of these, for requests that would keep the objectives with every system up"
    )
    usd_per_mtok_within: float = column("USD/Mtok", "over tokens of requests within the objectives")


@dataclass(frozen=True)
class Months:
    """A service over months, and each state of its fleet."""

    summary: MonthsSummary
    states: tuple[DownState, ...]


def failing(scenario: ResolvedScenario) -> list[ResolvedService]:
    """Services with objectives whose systems fail."""
    return [each for each in scenario.services if each.objectives and any(pool.failures for pool in each.pools)]


def count_states(service: ResolvedService) -> int:
    """In how many states its fleet may be."""
    return prod(pool.groups + 1 for pool in service.pools if pool.failures)


def over_months(scenario: ResolvedScenario, service: ResolvedService) -> Months:
    """What a service whose systems fail delivers over months. Pools fail without regard to each other.

    Requests that a failure interrupts are not among the losses: there are as many as run on a system, at each failure.

    Args:
        scenario: whose traffic and window are played for each number of systems down.
        service: of the scenario.
    """
    pools, states = service.pools, []
    shares = [shares_down(pool) for pool in pools]
    whole: Summary | None = None
    for down in product(*map(range, map(len, shares))):
        share = prod(of_pool[count] for of_pool, count in zip(shares, down, strict=True))
        summary = summary_without(scenario, service, down, share)
        whole = whole or summary  # none is down in the first
        states.append(state_of(service, down, share, summary))
    assert whole is not None  # the state of a share that is largest, or all up
    usd_per_h, groups = economics(service, whole).hourly.total.mid, sum(pool.groups for pool in pools)
    holds = sum(each.share for each in states if each.objectives_met)
    attainment = sum(each.share * each.attainment for each in states)
    within_tpm = sum(each.share * each.attainment * each.tpm for each in states)
    return Months(
        MonthsSummary(
            service=service.name,
            systems=groups,
            spares=sum(pool.failures.spares for pool in pools if pool.failures),
            availability=sum(each.share * (groups - each.down) for each in states) / groups,
            all_up=states[0].share,
            holds=holds,
            attainment=attainment,
            attainment_all_up=whole.attainment,
            outside_a_million=1e6 * (1 - attainment),
            missed_min_a_month=(1 - holds) * MONTH_S / 60,
            failures_a_month=sum(map(failures_a_month, pools)),
            usd_per_h=usd_per_h,
            usd_per_h_lost=usd_per_h * (1 - share_of(attainment, whole.attainment)),
            usd_per_mtok_within=share_of(usd_per_h, 60 * within_tpm) * 1e6,
        ),
        tuple(states),
    )


def own_shares_down(pool: ResolvedPool, failures: FailureSpec) -> list[float]:
    """Shares of a long time in which none of a pool's systems, one, ... is down by itself."""
    return shares_up(
        pool.groups,
        failures.spares,
        lasts_s=failures.mean_lasts_s,
        repair_s=failures.repair.mean_s,
        take_over_s=failures.take_over.mean_s,
    )[::-1]


def shares_down(pool: ResolvedPool) -> list[float]:
    """Shares of a long time in which none of a pool's systems, one, ... is down, with its rack or by itself."""
    failures = pool.failures
    if failures is None:
        return [1.0]
    own, rack = own_shares_down(pool, failures), failures.rack
    return own if rack is None else in_racks(own[::-1], rack.sizes(pool.groups), rack.up)[::-1]


def failures_a_month(pool: ResolvedPool) -> float:
    """How often in a month a system of a pool fails that has a place, or a rack of them."""
    groups, failures = pool.groups, pool.failures
    if failures is None:
        return 0.0
    up = sum(share * (groups - down) for down, share in enumerate(own_shares_down(pool, failures))) / groups
    of_systems, rack = up * groups * MONTH_S / failures.mean_lasts_s, failures.rack
    if rack is None:
        return of_systems
    return of_systems + len(rack.sizes(groups)) * rack.up * MONTH_S / rack.lasts.mean_s


def summary_without(
    scenario: ResolvedScenario, service: ResolvedService, down: Sequence[int], share: float
) -> Summary | None:
    """Of a run with so many systems of each pool down; None for what is too rare, and with all of a pool down for which
    no other stands in.
    """
    gone = [count == pool.groups for pool, count in zip(service.pools, down, strict=True)]
    stops = all(gone) if service.pools_stand_in else any(gone)
    if any(down) and (share < LEAST_SHARE or stops):
        return None
    return summary_of(replace(scenario, services=(service.without(down),)), 0)


def state_of(service: ResolvedService, down: Sequence[int], share: float, summary: Summary | None) -> DownState:
    """The row of a state."""
    of_pools = [f"{pool.name} {count}" for pool, count in zip(service.pools, down, strict=True)]
    return DownState(
        service=service.name,
        down=sum(down),
        by_pool=", ".join(of_pools) if len(of_pools) > 1 else "",
        share=share,
        hours_a_month=share * MONTH_H,
        played=summary is not None,
        attainment=summary.attainment if summary else 0.0,
        objectives_met=bool(summary and summary.objectives_met),
        ttft_p99_s=summary.ttft_p99_s if summary else nan,
        tpm=summary.tpm if summary else 0.0,
    )
