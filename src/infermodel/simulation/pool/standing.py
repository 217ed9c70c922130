"""Which replicas of a pool serve: systems fail and work again, replicas are started and stopped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from infermodel.simulation.clock import Clock
from infermodel.simulation.records.availability import Availability
from infermodel.simulation.replica.replica import Replica
from infermodel.tables import State


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
    """States of the replicas of a pool, and who may change them.

    Attributes:
        availability: the record of the states.
        state: of each replica.

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
        self._replicas, self._systems, self._pool, self._clock = replicas, systems, pool, clock
        self._scales = running is not None
        self.availability = Availability([1] * len(replicas) if self._scales else [len(each) for each in systems])
        self.state: list[State] = ["up"] * len(replicas)
        self._dark: set[int] = set()  # replicas whose system is down
        for number in range(len(replicas) if running is None else running, len(replicas)):
            self._enter(number, "off")
            replicas[number].up = False

    def _enter(self, number: int, state: State) -> None:
        self.state[number] = state
        self.availability.enters(number, state, self._clock.now)

    def count(self, *states: State) -> int:
        """Replicas in any of these states."""
        return sum([self.state.count(each) for each in states])

    # ---- systems --------------------------------------------------------------------------------------------------

    def take_down(self, system: int) -> None:
        """A system fails now; what its replicas held goes to others. Those that were not to serve on stay off."""
        replicas = self._systems[system]
        if not self._scales:
            self.availability.enters(system, "down", self._clock.now)
            self._pool.lose(replicas)
            return
        self._dark.update(replicas)
        served = [number for number in replicas if self.state[number] in ("up", "draining")]
        for number in replicas:
            if self.state[number] == "up":
                self._enter(number, "down")
            elif self.state[number] != "off":
                self._enter(number, "off")
        self._pool.lose(served)

    def bring_up(self, system: int) -> None:
        """A system works again, its replicas empty."""
        replicas = self._systems[system]
        if not self._scales:
            self.availability.enters(system, "up", self._clock.now)
            self._pool.gain(replicas)
            return
        self._dark.difference_update(replicas)
        back = [number for number in replicas if self.state[number] == "down"]
        for number in back:
            self._enter(number, "up")
        self._pool.gain(back)

    # ---- replicas, one by one -------------------------------------------------------------------------------------

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
