"""The simulated clock: SimPy's environment with alarms at exact absolute times and a fixed order within an instant.

What of SimPy is private and used nonetheless is used here and nowhere else: its heap `_queue` and its time `_now`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import simpy
from simpy.core import StopSimulation
from simpy.events import NORMAL, Event

from infermodel.simulation.alarm import START, Agenda, Alarm, order_of, ring_in_turn

LAST = order_of(START + 1)
"""After all phases of an instant."""


def _stop() -> NoReturn:
    raise StopSimulation(None)


class Clock(simpy.Environment):
    """SimPy's environment with alarms on its agenda beside events; `now` is a plain attribute, it is read so often."""

    now = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.agenda = Agenda(self._queue)

    @property
    def _now(self) -> float:
        """What SimPy itself reads and sets."""
        return self.now

    @_now.setter
    def _now(self, time: float) -> None:
        self.now = time

    def schedule(self, event: Event, priority: int = NORMAL, delay: float = 0) -> None:
        """As SimPy's, with a number from the agenda."""
        self.agenda.put(self.now + delay, priority, event)

    def call_at(self, time: float, order: int, action: Callable[[], object]) -> None:
        """Do something once at `time`."""
        alarm = Alarm(self.agenda)
        alarm.resume = action
        alarm.set(time, order)

    def run_to(self, time: float) -> None:
        """Play everything up to `time`, what happens at that instant included; then it is `time`."""
        self.call_at(time, LAST, _stop)
        while True:
            try:
                ring_in_turn(self.agenda.entries, self)
                self.step()
            except StopIteration:
                continue  # a routine has ended
            except StopSimulation:
                return

    def run_until(self, done: Event) -> None:
        """Play until `done` has happened.

        Raises:
            RuntimeError: nothing is left to happen, and `done` has not.
        """
        if done.callbacks is not None:
            done.callbacks.append(StopSimulation.callback)
        entries = self.agenda.entries
        while entries:
            try:
                ring_in_turn(entries, self)
                if entries:
                    self.step()
            except StopIteration:
                continue  # a routine has ended
            except StopSimulation:
                return
        raise RuntimeError(f"nothing is left to happen, but not {done}")
