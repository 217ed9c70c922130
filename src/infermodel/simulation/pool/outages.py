"""A machine: it owns replicas, and it is up or down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from infermodel.simulation.alarm import ARRIVE, Alarm, Routine, order_of
from infermodel.simulation.clock import Clock
from infermodel.simulation.spec import Outage
from infermodel.simulation.tally import Tally


class Fleet(Protocol):
    """What plans may do to the systems of a pool, by number."""

    def take_down(self, system: int, /) -> None:
        """A system fails now; what its replicas held goes to others."""
        ...

    def bring_up(self, system: int, /) -> None:
        """A system works again, its replicas empty."""
        ...


def spread(replicas: int, systems: int) -> list[range]:
    """Numbers of the replicas on each system: evenly, more of them on the first.

    >>> spread(5, 3)
    [range(0, 2), range(2, 4), range(4, 5)]
    """
    share, extra = divmod(replicas, systems)
    return [
        range(number * share + min(number, extra), (number + 1) * share + min(number + 1, extra))
        for number in range(systems)
    ]


def planned(alarm: Alarm, outages: Sequence[Outage], fleet: Fleet, clock: Clock, tally: Tally) -> Routine:
    """A GPU node, a CS-3 or a rack goes down and comes back as planned.

    Its replicas lose their memory meanwhile, and its power is off.

    Args:
        alarm: of this routine.
        outages: of one system, in order of time; one that would begin during another begins at its end.
    """
    for outage in outages:
        alarm.set(max(outage.at_s, clock.now), order_of(ARRIVE))
        yield alarm
        if tally.ended:
            return
        fleet.take_down(outage.system)
        alarm.set(clock.now + outage.for_s, order_of(ARRIVE))
        yield alarm
        if tally.ended:
            return
        fleet.bring_up(outage.system)


def start_outages(
    outages: Sequence[Outage], systems: Sequence[Sequence[int]], fleet: Fleet, clock: Clock, tally: Tally
) -> None:
    """A routine for each system that has replicas and outages."""
    for system, replicas in enumerate(systems):
        own = sorted((outage for outage in outages if outage.system == system), key=lambda outage: outage.at_s)
        if own and replicas:
            alarm = Alarm(clock.agenda)
            alarm.start(planned(alarm, own, fleet, clock, tally))
