"""The simulated clock: SimPy's environment on an agenda of our own, with exact absolute times and a fixed order within
an instant.

Systems, request generators and outages are processes of SimPy and wait for its events. What happens for each step or
each request rings by alarms (`alarm.py`), which lie on the same agenda and cost a quarter.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop
from math import inf
from typing import NoReturn

import simpy
from simpy.core import EmptySchedule, StopSimulation
from simpy.events import NORMAL, Event

from infermodel.simulation.alarm import START, Agenda, Alarm, order_of, ring_in_turn

LAST = order_of(START + 1)
"""After all phases of an instant."""


def _stop() -> NoReturn:
    raise StopSimulation(None)


class Clock(simpy.Environment):
    """SimPy's environment, whose events share an agenda with alarms; `now` is a plain attribute, it is read so often.

    Attributes:
        agenda: what is to come.
    """

    now = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.agenda = Agenda()

    def schedule(self, event: Event, priority: int = NORMAL, delay: float = 0) -> None:
        """As SimPy's, with a number from the agenda."""
        self.agenda.put(self.now + delay, priority, event)

    def peek(self) -> float:
        """When the next thing happens; infinity if nothing does."""
        entries = self.agenda.entries
        return float(entries[0][0]) if entries else inf

    def step(self) -> None:
        """Let alarms ring until one of SimPy's own events is next, and let that happen.

        Raises:
            EmptySchedule: nothing is left to happen.
        """
        entries = self.agenda.entries
        try:
            ring_in_turn(entries, self)
        except StopIteration:
            return  # a routine has ended
        if not entries:
            raise EmptySchedule
        self.now, _, _, event = heappop(entries)
        callbacks, event.callbacks = event.callbacks, None
        for callback in callbacks:
            callback(event)
        if not event.ok and not event.defused:
            raise event.value

    def at(self, time: float, order: int) -> Event:
        """An event that happens at `time`, exactly, and at its place within that instant.

        A timeout would be added to now and rounded once more, and come before all that completes then.
        """
        event = self.event()
        self.call_at(time, order, event.succeed)
        return event

    def call_at(self, time: float, order: int, action: Callable[[], object]) -> None:
        """Do something once at `time`."""
        alarm = Alarm(self.agenda)
        alarm.resume = action
        alarm.set(time, order)

    def run_to(self, time: float) -> None:
        """Play everything up to `time`, what happens at that instant included; then it is `time`."""
        self.call_at(time, LAST, _stop)
        try:
            while True:
                self.step()
        except StopSimulation:
            return
