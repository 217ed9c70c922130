"""What comes and goes of a fleet, from the schema to what the simulation asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from infermodel.scenario.resolve_fleet import FleetError, PlacedFleet
from infermodel.scenario.resolved import ResolvedPool
from infermodel.scenario.schema.scenario import Service
from infermodel.scenario.schema.upkeep import MOST_FIXED, Rack, StartUp
from infermodel.simulation.lifetimes import AT_ONCE, DrawnTime, FailureSpec, RackSpec
from infermodel.simulation.scaling import ScalingSpec

TAKE_OVER_S = 300.0
"""Of a spare, where nobody says: to start an engine and read weights (assumed)."""


def serving(service: Service) -> Service:
    """The service on the systems that do not stand by.

    Raises:
        FleetError: none is left.
    """
    spares = service.failures.spares if service.failures is not None else 0
    if not spares:
        return service
    fleet = service.fleet
    if spares >= fleet.systems:
        said = f"all of the fleet's {fleet.systems} systems would stand by"
        raise FleetError(("failures", "spares"), said, f"write fleet: {{systems: {fleet.systems + spares}}}")
    left = fleet.model_copy(update={"systems": fleet.systems - spares})
    return service.model_copy(update={"fleet": left})


def resolve_failures(service: Service, placed: PlacedFleet) -> FailureSpec | None:
    """How the groups of systems fail that go down together.

    Raises:
        FleetError: spares are no whole number of replicas, where one spans several systems.
    """
    said = service.failures
    if said is None:
        return None
    together = placed.systems_per_replica
    if said.spares % together:
        message = f"a replica spans {together} systems, so spares come in as many"
        raise FleetError(("failures", "spares"), message, f"write spares: {-(-said.spares // together) * together}")
    take_over_s = TAKE_OVER_S if said.take_over is None else said.take_over
    return FailureSpec(
        lasts=DrawnTime(said.mtbf, said.law, said.shape or 1.0),
        repair=DrawnTime(said.mttr, said.repair_law),
        systems=together,
        spares=said.spares // together,
        take_over=DrawnTime(take_over_s, "fixed") if said.spares else AT_ONCE,
        rack=None if said.rack is None else resolve_rack(said.rack, together),
    )


def resolve_rack(said: Rack, together: int) -> RackSpec:
    """A rack of groups of so many systems that go down together anyway.

    Raises:
        FleetError: it holds no whole number of such groups.
    """
    if said.systems % together:
        message = f"a replica spans {together} systems, so a rack holds a multiple of them"
        suggestion = f"write systems: {-(-said.systems // together) * together}"
        raise FleetError(("failures", "rack", "systems"), message, suggestion)
    return RackSpec(said.systems // together, DrawnTime(said.mtbf, said.law), DrawnTime(said.mttr, said.law))


def resolve_scaling(service: Service, placed: PlacedFleet) -> tuple[PlacedFleet, ScalingSpec | None, tuple[int, ...]]:
    """The fleet with the most replicas that may run, the rule, and the fixed fleets to play beside.

    Raises:
        FleetError: more replicas than the fleet holds.
    """
    said = service.autoscaling
    if said is None:
        return placed, None, ()
    held = placed.replicas
    most = held if said.max is None else said.max
    fixed = (most,) if said.fixed is None else said.fixed
    largest = max(fixed, default=0)
    scheduled = max((replicas for _, replicas in said.schedule or ()), default=0)
    for key, asked, limit in (
        ("max", most, held), ("min", said.min, most), ("schedule", scheduled, most), ("fixed", largest, held),
    ):  # fmt: skip
        if asked > limit:
            bound, larger = ("the fleet holds", "more systems") if limit == held else ("max says", "a larger max")
            what = f"{asked} replicas are more than the {limit} that {bound}"
            raise FleetError(("autoscaling", key), what, f"at most {limit}, or {larger}")
    spec = ScalingSpec(
        least=said.min,
        most=most,
        measure=said.measure,
        target=said.target,
        tolerance=said.tolerance,
        interval_s=said.interval,
        start_up=DrawnTime(sum(start_up_parts_s(said.start_up, placed).values()), said.start_up.law),
        cooldown_s=said.cooldown,
        schedule=said.schedule or (),
        repeat_s=said.repeat,
    )
    return replace(placed, replicas=most), spec, fixed


def check_fixed(pools: Sequence[ResolvedPool]) -> None:
    """Beside a service of several pools that scale every combination of their fixed sizes is played.

    Raises:
        FleetError: there are too many.
    """
    lists = {pool.name: pool.fixed for pool in pools if pool.scaling is not None}
    fleets = prod(map(len, lists.values()))
    if fleets > MOST_FIXED:
        said = f"'fixed' of {', '.join(lists)} makes {fleets} fleets, at most {MOST_FIXED}: each is a run"
        raise FleetError(("pools",), said, "fewer numbers in each")


def start_up_parts_s(said: StartUp, placed: PlacedFleet) -> dict[str, float]:
    """Seconds of each part of a replica's start-up, one after the other."""
    weights_bytes = placed.step_model.kv_memory.weights_bytes
    return {
        "node": said.node,
        "image": said.image,
        "weights": weights_bytes / said.weights if said.weights else 0.0,
        "warm_up": said.warm_up,
    }
