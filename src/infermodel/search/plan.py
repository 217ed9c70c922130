"""The cheapest fleet that meets the objectives, over candidate systems and their layouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from math import inf, nan

from infermodel.economics.band import NOTHING, Band
from infermodel.economics.tokens import blended_usd_per_mtok
from infermodel.experiment.one_down import with_one_down
from infermodel.experiment.pricing import fleet_power_w, hourly_cost
from infermodel.experiment.processes import processes
from infermodel.experiment.run import replicate
from infermodel.metrics.confidence import of_independent
from infermodel.metrics.replications import combine
from infermodel.metrics.summary import Summary
from infermodel.scenario import ResolvedScenario, ResolvedService
from infermodel.search.busiest import at_busiest, mean_per_busiest
from infermodel.search.layout import Layout, fleet_of, list_layouts, resolved_on, whole_of
from infermodel.search.plan_schema import Plan
from infermodel.search.probe import why_missed

RACK_UNITS = 42
NEVER = Band(inf, inf, inf)

ONE_BY_ONE = 8
"""Sizes from a layout's bound on that are simulated one after the other. Only beyond them larger fleets are taken to
meet what smaller ones do."""


@dataclass(frozen=True)
class Option:
    """A layout on the smallest fleet that meets the objectives, or why there is none.

    Attributes:
        layout: what was asked.
        systems: that carry the load; 0 where there is no such fleet.
        bought: with the spares of each pool.
        replicas: of the model.
        simulated: sizes of the fleet that were simulated.
        reason: why there is no fleet; empty where there is one.
        hourly: USD/h of the fleet with its spares, over the range of its prices.
        per_mtok: USD/Mtok, likewise; of a profile over the whole of it, at the power of its busiest step.
        purchase_usd: the price of a system; NaN where it is rented, or where pools buy different ones.
        of_purchase_usd_per_h: what of the dollars an hour is in proportion to that price.
        utilisation: of the replicas.
        power_w: mean of all systems, spares included.
        racks: of 42 units.
        speed_tok_s: median output speed of a user.
        ttft_p99_s: of a user.
        half_widths: of 95 % intervals over the replications, by name of the attribute; none for one replication.
    """

    layout: Layout
    systems: int = 0
    bought: int = 0
    replicas: int = 0
    simulated: int = 0
    reason: str = ""
    hourly: Band = NEVER
    per_mtok: Band = NEVER
    purchase_usd: float = nan
    of_purchase_usd_per_h: float = nan
    utilisation: float = nan
    power_w: float = nan
    racks: float = nan
    speed_tok_s: float = nan
    ttft_p99_s: float = nan
    half_widths: Mapping[str, float] = field(default_factory=dict)

    @property
    def usd_per_h(self) -> float:
        """At the middle of each price; infinite where there is no fleet."""
        return self.hourly.mid

    @property
    def usd_per_mtok(self) -> float:
        """At the middle of each price."""
        return self.per_mtok.mid


@dataclass(frozen=True)
class Planned:
    """The answer: every layout in the plan's order, and the cheapest (None where no fleet will do)."""

    plan: Plan
    options: tuple[Option, ...]
    best: Option | None

    @property
    def fleets(self) -> int:
        """Layouts times sizes: what full enumeration would simulate."""
        return len(self.options) * self.plan.most_systems

    @property
    def simulated(self) -> int:
        """Fleets that were simulated."""
        return sum(each.simulated for each in self.options)


def find_plan(
    plan: Plan, *, jobs: int = 1, on_option: Callable[[int, int], None] = lambda done, total: None
) -> Planned:
    """Find the smallest fleet of each layout that meets the objectives, and the cheapest of those fleets.

    A fleet meets them where every replication keeps every objective and no queue grows. Of equally cheap fleets the
    first in the file wins.

    Args:
        plan: of `load_plan`.
        jobs: processes; the answer does not depend on it.
        on_option: called with layouts done and all layouts.
    """
    layouts = list_layouts(plan)
    options: dict[int, Option] = {}
    promising = []
    for each in layouts:
        if each.pruned:
            options[each.number] = Option(each, reason=each.pruned)
        else:
            promising.append(each)
    promising.sort(key=lambda each: (each.least_usd_per_h, each.number))
    on_option(len(options), len(layouts))
    if plan.fronts:
        with processes(min(jobs, max(1, len(promising)))) as mapper:
            for option in mapper(partial(smallest_fleet, plan), promising):
                options[option.layout.number] = option
                on_option(len(options), len(layouts))
    else:
        cheapest = inf
        for each in promising:
            if each.least_usd_per_h > cheapest:
                reason = f"pruned: at least {each.least_usd_per_h:.4g} USD/h, more than the best found"
                options[each.number] = Option(each, reason=reason)
            else:
                options[each.number] = smallest_fleet(plan, each)
                cheapest = min(cheapest, options[each.number].usd_per_h)
            on_option(len(options), len(layouts))
    ordered = tuple(options[number] for number in sorted(options))
    best = min((each for each in ordered if each.systems), key=lambda each: each.usd_per_h, default=None)
    return Planned(plan, ordered, best)


def missed_with_one_down(plan: Plan, best: Option) -> str | None:
    """What all systems that were bought, spares among them, miss at the busiest load while one (or those that a replica
    spans) is down, of whichever pool; empty for nothing. None where nothing of a pool would be left, or where the plan
    has every fleet keep its promises with systems down.
    """
    if plan.systems_down:
        return None
    fleet = at_busiest(resolved_on(plan, best.layout, best.layout.all_serving(best.systems, plan.spares)))
    (service,) = fleet.services
    if min(pool.groups for pool in service.pools) == 1:
        return None
    missed = (why_missed(with_one_down(fleet, service, number)) for number, _ in enumerate(service.pools))
    return next(filter(None, missed), "")


def smallest_fleet(plan: Plan, layout: Layout) -> Option:
    """The smallest fleet of the layout that meets the objectives: from its bound one size after the other, and where
    the first `ONE_BY_ONE` of them miss, grown by doubling steps and bisected.
    """
    tried: dict[int, tuple[list[Summary], str]] = {}

    def keeps(steps: int) -> bool:
        if steps not in tried:
            fleet = fleet_of(plan, layout, steps * layout.step)
            tried[steps] = judged_without(plan.systems_down, fleet, plan.replications)
        return not tried[steps][1]

    most, fewest = plan.most_systems // layout.step, layout.fewest // layout.step
    low, high, growth = fewest - 1, fewest, 1
    while not keeps(high):
        if high == most:
            reason = f"misses {tried[high][1]} with {high * layout.step} systems"
            return Option(layout, simulated=len(tried), reason=reason)
        growth = 1 if len(tried) < ONE_BY_ONE else 2 * growth
        low, high = high, min(most, high + growth)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    return option(plan, layout, high * layout.step, tried[high][0], len(tried))


def judged_without(down: int, scenario: ResolvedScenario, replications: int) -> tuple[list[Summary], str]:
    """The same of the scenario with so many systems of its service out of service throughout, those with most replicas
    first and whichever pools they are of; where all is kept, of the case in which most requests miss something.
    """
    if not down:
        return judged(scenario, replications)
    (service,) = scenario.services
    if down >= min(pool.groups for pool in service.pools):
        return [], f"every objective, with no system{' of a pool' * (len(service.pools) > 1)} up,"
    cases = []
    for lost in shared_out(down, len(service.pools)):
        summaries, missed = judged(replace(scenario, services=(service.without(lost),)), replications)
        if missed:
            return summaries, missed
        cases.append(summaries)
    return min(cases, key=lambda each: min(summary.attainment for summary in each)), ""


def shared_out(count: int, pools: int) -> list[tuple[int, ...]]:
    """Every way in which so many systems are of so many pools.

    >>> shared_out(2, 2), shared_out(2, 1)
    ([(2, 0), (1, 1), (0, 2)], [(2,)])
    """
    rests = product(range(count + 1), repeat=pools - 1)
    return [(count - sum(rest), *rest) for rest in rests if sum(rest) <= count]


def judged(scenario: ResolvedScenario, replications: int) -> tuple[list[Summary], str]:
    """Summaries of the replications, and what is missed in the first that misses something, the last of them."""
    summaries = []
    for number in range(replications):
        (summary,) = replicate(scenario, "leap", number).summaries
        summaries.append(summary)
        missed = why_missed(summary)
        if missed:
            return summaries, missed
    return summaries, ""


def option(plan: Plan, layout: Layout, systems: int, summaries: Sequence[Summary], simulated: int) -> Option:
    """What a fleet that meets the objectives costs and does."""
    fleet = whole_of(plan, layout, systems)
    (service,) = fleet.services
    per_busiest = mean_per_busiest(fleet)
    summary = combine(summaries)
    hourly = hourly_cost(service, summary.pool_power_w).total
    purchase = purchase_of(service)
    free = service.with_pools(lambda pool: replace(pool, prices=replace(pool.prices, purchase_usd=NOTHING)))
    without_usd = hourly_cost(free, summary.pool_power_w).total.mid
    return Option(
        layout=layout,
        systems=systems,
        bought=sum(pool.systems for pool in service.pools),
        replicas=sum(pool.replicas for pool in service.pools),
        simulated=simulated,
        hourly=hourly,
        per_mtok=blended_usd_per_mtok(hourly, per_busiest * summary.tpm),
        purchase_usd=purchase.mid if purchase else nan,
        of_purchase_usd_per_h=hourly.mid - without_usd if purchase else nan,
        utilisation=summary.utilisation,
        power_w=fleet_power_w(service, summary.pool_power_w),
        racks=sum(pool.systems * pool.system.rack_units for pool in service.pools) / RACK_UNITS,
        speed_tok_s=summary.output_speed_p50_tok_s,
        ttft_p99_s=summary.ttft_p99_s,
        half_widths=half_widths(service, summaries, per_busiest),
    )


def purchase_of(service: ResolvedService) -> Band | None:
    """The price of a system; None where it is rented, or where pools buy different ones."""
    prices = {pool.prices.purchase_usd for pool in service.pools}
    return prices.pop() if len(prices) == 1 and len({pool.system.name for pool in service.pools}) == 1 else None


def half_widths(service: ResolvedService, summaries: Sequence[Summary], per_busiest: float) -> dict[str, float]:
    """Of 95 % intervals over the replications, at the middle of each price; none for a single one.

    Args:
        service: what it costs.
        summaries: of the replications.
        per_busiest: of `mean_per_busiest`, tokens of the whole profile over those of the summaries.
    """
    if len(summaries) < 2:
        return {}
    hourly = [hourly_cost(service, each.pool_power_w).total for each in summaries]
    tpms = [per_busiest * each.tpm for each in summaries]
    samples = {
        "usd_per_h": [each.mid for each in hourly],
        "usd_per_mtok": [blended_usd_per_mtok(usd, tpm).mid for usd, tpm in zip(hourly, tpms, strict=True)],
        "utilisation": [each.utilisation for each in summaries],
        "power_w": [fleet_power_w(service, each.pool_power_w) for each in summaries],
        "speed_tok_s": [each.output_speed_p50_tok_s for each in summaries],
        "ttft_p99_s": [each.ttft_p99_s for each in summaries],
    }
    return {name: of_independent(values).half_width for name, values in samples.items()}


def break_even_usd(planned: Planned, option: Option) -> float:
    """The purchase price of a system at which a fleet costs as much an hour as the cheapest of other candidates.

    Dollars an hour are linear in the purchase price, `rest + price x slope`, so that

        price = (rival - rest) / slope = purchase x (rival - usd_per_h + of_purchase) / of_purchase

    0 where even systems for nothing would cost more; NaN where nobody else has a fleet or the systems are rented.
    """
    name = option.layout.candidate.title
    rivals = [each.usd_per_h for each in planned.options if each.systems and each.layout.candidate.title != name]
    if not rivals or not option.of_purchase_usd_per_h > 0:
        return nan
    rest = option.usd_per_h - option.of_purchase_usd_per_h
    return max(0.0, option.purchase_usd * (min(rivals) - rest) / option.of_purchase_usd_per_h)


def on_front(options: tuple[Option, ...], measure: Callable[[Option], float]) -> frozenset[int]:
    """Layouts that no other beats both in dollars an hour and in a measure of which less is better."""
    sound = [(each.usd_per_h, measure(each), each.layout.number) for each in options if each.systems]
    sound = [each for each in sound if each[1] == each[1]]
    front, least = set(), inf
    for _, value, number in sorted(sound):
        if value < least:
            front.add(number)
            least = value
    return frozenset(front)
