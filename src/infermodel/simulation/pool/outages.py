"""Outages that are planned: a process each, which takes a system's power and gives it back."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from simpy.events import Event, Process

from infermodel.simulation.alarm import ARRIVE, order_of
from infermodel.simulation.clock import Clock
from infermodel.simulation.pool.system import System
from infermodel.simulation.spec import Outage
from infermodel.simulation.tally import Tally


def outage(
    planned: Outage, system: System, before: Process | None, clock: Clock, tally: Tally
) -> Generator[Event, None, None]:
    """A system is down for a while; its replicas lose their memory meanwhile.

    Args:
        planned: when, and for how long.
        system: whose power goes.
        before: the outage of this system before; one that would begin during it begins at its end.
        clock: of the simulation.
        tally: says when nothing more is of interest.
    """
    if before is not None:
        yield before
    yield clock.at(max(planned.at_s, clock.now), order_of(ARRIVE))
    if tally.ended:
        return
    system.lose_power()
    yield clock.at(clock.now + planned.for_s, order_of(ARRIVE))
    if not tally.ended:
        system.get_power()


def start_outages(planned: Sequence[Outage], systems: Sequence[System], clock: Clock, tally: Tally) -> None:
    """A process for each outage, those of a system one after the other."""
    before: dict[int, Process] = {}
    for each in sorted(planned, key=lambda each: (each.system, each.at_s)):
        process = outage(each, systems[each.system], before.get(each.system), clock, tally)
        before[each.system] = clock.process(process)
