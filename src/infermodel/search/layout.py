"""Layouts of a plan's candidates: what the cost engine says of each, and the fleets that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, gcd, lcm
from typing import Any

from infermodel.experiment.pricing import hourly_cost
from infermodel.scenario import ResolvedScenario, ScenarioErrors, load, resolve
from infermodel.scenario.resolved import ResolvedPool
from infermodel.search.busiest import at_busiest
from infermodel.search.candidate import Candidate, Size, parts_of
from infermodel.search.demand import drawn
from infermodel.search.plan_bounds import ROUNDING, fewest_replicas, known, out_of_reach
from infermodel.search.plan_schema import Plan


@dataclass(frozen=True)
class Layout:
    """A candidate system with one of its settings.

    Attributes:
        number: position in the plan.
        candidate: what is bought.
        settings: parallelism, limits and formats by key.
        parts: systems by which each pool grows, and the replicas that they hold; none where it cannot be built.
        fewest: systems below which the cost engine sees no hope.
        least_usd_per_h: of that fleet with its spares, its devices idle.
        pruned: why it cannot be built or cannot meet the objectives; empty where it may.
    """

    number: int
    candidate: Candidate
    settings: Mapping[str, Any]
    parts: tuple[Size, ...] = ()
    fewest: int = 0
    least_usd_per_h: float = 0.0
    pruned: str = ""

    @property
    def step(self) -> int:
        """Systems by which a fleet grows."""
        return sum(part.systems for part in self.parts)

    def sizes(self, systems: int, spares: int = 0) -> tuple[Size, ...]:
        """Of each pool what so many systems are, the spares of each pool bought and idle."""
        steps = systems // self.step
        return tuple(Size(steps * part.systems + spares, steps * (part.replicas or 0)) for part in self.parts)

    def all_serving(self, systems: int, spares: int) -> tuple[Size, ...]:
        """The same with as many replicas as the spares hold, too."""
        bought = zip(self.sizes(systems, spares), self.parts, strict=True)
        return tuple(Size(each.systems, each.systems * (part.replicas or 0) // part.systems) for each, part in bought)


def list_layouts(plan: Plan) -> list[Layout]:
    """Every layout of the plan with its bounds."""
    asked = [(candidate, settings) for candidate in plan.candidates for settings in candidate.settings()]
    return [bounded(plan, Layout(i, candidate, settings)) for i, (candidate, settings) in enumerate(asked)]


def bounded(plan: Plan, layout: Layout) -> Layout:
    """The layout with what the cost engine says of it."""
    try:
        scenario = resolved_on(plan, layout, largest(plan, layout))
    except ScenarioErrors as refused:
        return replace(layout, pruned="; ".join(dict.fromkeys(each.message for each in refused.errors)))
    (service,) = scenario.services
    demands = [demand for number in range(plan.replications) if (demand := drawn(scenario, number)) is not None]
    facts = [known(service, pool) for pool in service.pools]
    beyond = out_of_reach(service, facts, demands)
    if beyond:
        return replace(layout, pruned=f"pruned: {beyond}")
    layout = replace(layout, parts=grows_by([whole(pool) for pool in service.pools], ratio_of(layout)))
    fewest = [fewest_replicas(service, pool, each, demands) for pool, each in zip(service.pools, facts, strict=True)]
    steps = max(ceil(least / (part.replicas or 1)) for least, part in zip(fewest, layout.parts, strict=True))
    layout = replace(layout, fewest=layout.step * steps)
    if layout.fewest > plan.most_systems:
        return replace(layout, pruned=f"pruned: takes at least {layout.fewest} systems")
    least = fleet_of(plan, layout, layout.fewest).services[0]
    idle_w = [pool.replicas * pool.step_model.idle_w for pool in least.pools]
    return replace(layout, least_usd_per_h=ROUNDING * hourly_cost(least, idle_w).total.mid)


def ratio_of(layout: Layout) -> tuple[int, ...]:
    """Systems of each pool to each other."""
    return parts_of(layout.settings["ratio"]) if "ratio" in layout.settings else (1,)


def largest(plan: Plan, layout: Layout) -> tuple[Size, ...]:
    """The largest fleet of a layout that the plan allows, one of each part of its ratio at least."""
    ratio = ratio_of(layout)
    times = max(1, plan.most_systems // sum(ratio))
    return tuple(Size(times * part) for part in ratio)


def whole(pool: ResolvedPool) -> Size:
    """The fewest whole systems of a pool that whole replicas fill, and those replicas."""
    spanned = pool.systems_per_replica
    return Size(spanned, 1 if spanned > 1 else pool.system.devices // pool.devices_per_replica)


def grows_by(parts: Sequence[Size], ratio: Sequence[int]) -> tuple[Size, ...]:
    """What the pools of a fleet grow by, so that their systems keep a ratio.

    >>> grows_by([Size(1, 2), Size(4, 1)], (1, 2))  # replicas of the second pool span 4 systems
    (Size(systems=2, replicas=4), Size(systems=4, replicas=1))
    """
    times = lcm(*(part.systems // gcd(part.systems, share) for part, share in zip(parts, ratio, strict=True)))
    return tuple(
        Size(times * share, times * share // part.systems * (part.replicas or 0))
        for part, share in zip(parts, ratio, strict=True)
    )


def resolved_on(plan: Plan, layout: Layout, sizes: Sequence[Size]) -> ResolvedScenario:
    """The base on this layout in such sizes of its pools."""
    return resolve(load(plan.base_path, plan.changes(layout.candidate, layout.settings, sizes)))


def whole_of(plan: Plan, layout: Layout, systems: int) -> ResolvedScenario:
    """The base on so many systems of this layout, the spares of each pool bought and idle."""
    return resolved_on(plan, layout, layout.sizes(systems, plan.spares))


def fleet_of(plan: Plan, layout: Layout, systems: int) -> ResolvedScenario:
    """The same at the busiest step of a profile, where the base has one."""
    return at_busiest(whole_of(plan, layout, systems))
