"""A machine, such as a CS-3, a GPU node or a rack of LPUs: a process that owns replicas and has power or has not."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from simpy.events import Event

from infermodel.simulation.clock import Clock
from infermodel.simulation.replica.replica import Replica


class Fleet(Protocol):
    """What befalls the replicas of a pool with the systems that they are on, by number."""

    def cut_off(self, system: int, /) -> None:
        """A system is about to fail: nothing is sent there any more."""
        ...

    def take_down(self, system: int, /) -> None:
        """A system fails now; what its replicas held goes to others."""
        ...

    def bring_up(self, system: int, /) -> None:
        """A system works again, its replicas empty."""
        ...


class System:
    """One system of a pool. It is without power as long as somebody has taken it and not given it back."""

    def __init__(self, number: int, replicas: Sequence[Replica], fleet: Fleet, clock: Clock) -> None:
        self._number, self._replicas, self._fleet, self._clock = number, replicas, fleet, clock
        self._fails, self._works_again = clock.event(), clock.event()
        self._causes = 0  # for which it is down
        clock.process(self.system())

    def cut_off(self) -> None:
        """It is about to lose power in this instant, and others with it: what they lose is not to come here."""
        self._fleet.cut_off(self._number)

    def lose_power(self) -> None:
        """It fails, or is taken out of service."""
        self._causes += 1
        if self._causes == 1:
            self._fails.succeed()

    def get_power(self) -> None:
        """What it was down for is over; it works once that holds of everything."""
        self._causes -= 1
        if self._causes == 0:
            self._works_again.succeed()

    def system(self) -> Generator[Event, None, None]:
        """Power its replicas on; from then on they serve, but while it is down."""
        for replica in self._replicas:
            replica.start()
        while True:
            yield self._fails
            self._fails = self._clock.event()
            self._fleet.take_down(self._number)
            yield self._works_again
            self._works_again = self._clock.event()
            self._fleet.bring_up(self._number)


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
