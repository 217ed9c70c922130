"""Which replicas of a pool serve: systems fail and work again, replicas are started and stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from infermodel.simulation.clock import Clock
from infermodel.simulation.records.availability import Availability
from infermodel.simulation.replica.replica import Replica
from infermodel.tables import SERVING, State


class Requests(Protocol):
    """What becomes of requests when replicas come and go."""

    def lose(self, replicas: Sequence[int], /) -> None:
        """These are without power; what they held goes to others."""
        ...

    def gain(self, replicas: Sequence[int], /) -> None:
        """These serve from now on, empty."""
        ...

    def close(self, replica: int, /) -> None:
        """This one gets no new requests."""
        ...


class Standing:
    """States of the replicas of a pool, and who may change them. Each replica has its own where they start and stop,
    else those of a system share one.

    Attributes:
        availability: the record of the states.
        state: of each replica, or of those of each system.

    Args:
        replicas: of the pool.
        systems: numbers of the replicas on each.
        running: replicas that run at first, None: all of them, always.
        pool: who has the requests.
        clock: of the simulation.
    """

    def __init__(
        self,
        replicas: Sequence[Replica],
        systems: Sequence[range],
        running: int | None,
        pool: Requests,
        clock: Clock,
    ) -> None:
        self._replicas, self._pool, self._clock = replicas, pool, clock
        self._units: Sequence[range] = systems if running is None else one_by_one(len(replicas))
        self._on_system: Sequence[range] = one_by_one(len(systems)) if running is None else systems
        self.availability = Availability([len(each) for each in self._units])
        self.state: list[State] = ["up"] * len(self._units)
        self._dark: set[int] = set()  # those whose system is down
        for number in range(len(replicas) if running is None else running, len(replicas)):
            self._enter(number, "off")
            replicas[number].up = False

    def _enter(self, unit: int, state: State) -> None:
        self.state[unit] = state
        self.availability.enters(unit, state, self._clock.now)

    def _replicas_of(self, units: Sequence[int]) -> list[int]:
        return [number for unit in units for number in self._units[unit]]

    def count(self, *states: State) -> int:
        """Replicas in any of these states."""
        return sum([self.state.count(each) for each in states])

    # ---- systems --------------------------------------------------------------------------------------------------

    def cut_off(self, system: int) -> None:
        """A system is about to fail: nothing is sent there any more."""
        for unit in self._on_system[system]:
            if self.state[unit] == "up":
                for number in self._units[unit]:
                    self._pool.close(number)

    def take_down(self, system: int) -> None:
        """A system fails now; what its replicas held goes to others. Those that were not to serve on stay off."""
        units = self._on_system[system]
        self._dark.update(units)
        served = [unit for unit in units if self.state[unit] in SERVING]
        for unit in units:
            if self.state[unit] == "up":
                self._enter(unit, "down")
            elif self.state[unit] != "off":
                self._enter(unit, "off")
        self._pool.lose(self._replicas_of(served))

    def bring_up(self, system: int) -> None:
        """A system works again, its replicas empty."""
        units = self._on_system[system]
        self._dark.difference_update(units)
        back = [unit for unit in units if self.state[unit] == "down"]
        for unit in back:
            self._enter(unit, "up")
        self._pool.gain(self._replicas_of(back))

    # ---- replicas that start and stop, one by one -------------------------------------------------------------------

    def startable(self) -> list[int]:
        """Replicas that could be started now, ascending."""
        return [number for number, state in enumerate(self.state) if state == "off" and number not in self._dark]

    def start(self, number: int) -> None:
        """A replica is started; it serves later."""
        self._enter(number, "starting")

    def serve(self, number: int) -> None:
        """A replica that was started serves from now on."""
        self._enter(number, "up")
        self._pool.gain([number])

    def give_up(self, number: int) -> None:
        """A replica that is starting is not wanted any more."""
        self._enter(number, "off")

    def drain(self, number: int) -> None:
        """A replica answers what it has, and gets nothing new."""
        self._enter(number, "draining")
        self._pool.close(number)

    def stop_empty(self) -> None:
        """Replicas that have answered all that they had stop."""
        for number, state in enumerate(self.state):
            if state == "draining" and not self._replicas[number].requests:
                self._enter(number, "off")
                self._pool.lose([number])

    def fewest_requests(self) -> int:
        """The replica with the fewest requests of those that get any, the highest number of equals; there is one."""
        up = [number for number, state in enumerate(self.state) if state == "up"]
        return min(up, key=lambda number: (self._replicas[number].requests, -number))


def one_by_one(count: int) -> list[range]:
    """So many ranges of one number each."""
    return [range(number, number + 1) for number in range(count)]
