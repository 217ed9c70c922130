"""The simulated clock: SimPy's environment with alarms at exact absolute times and a fixed order within an instant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import simpy
from simpy.core import StopSimulation
from simpy.events import Event

from infermodel.simulation.alarm import Alarm, ring_in_turn


class Clock(simpy.Environment):
    """SimPy's environment with alarms on its agenda beside events; `now` is a plain attribute, it is read so often."""

    now = 0.0

    @property
    def _now(self) -> float:
        """What SimPy itself reads and sets."""
        return self.now

    @_now.setter
    def _now(self, time: float) -> None:
        self.now = time

    @property
    def scheduled(self) -> int:
        """Entries put on the agenda so far, superseded ones included."""
        return int(repr(self._eid)[6:-1])

    @property
    def agenda(self) -> list[Any]:
        """Heap of what is to come: (time, order within the instant, ticket, alarm or event)."""
        return self._queue

    def call_at(self, time: float, order: int, action: Callable[[], object]) -> None:
        """Do something once at `time`."""
        alarm = Alarm(self)
        alarm.resume = action
        alarm.set(time, order)

    def run_until(self, done: Event) -> None:
        """Play until `done` has happened.

        Raises:
            RuntimeError: nothing is left to happen, and `done` has not.
        """
        if done.callbacks is not None:
            done.callbacks.append(StopSimulation.callback)
        while self._queue:
            try:
                ring_in_turn(self._queue, self)
                if self._queue:
                    self.step()
            except StopIteration:
                continue  # a routine has ended
            except StopSimulation:
                return
        raise RuntimeError(f"nothing is left to happen, but not {done}")
