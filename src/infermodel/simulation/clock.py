"""The simulated clock: SimPy's environment with alarms at exact absolute times and a fixed order within an instant."""

from __future__ import annotations

from collections.abc import Callable, Generator
from heapq import heappop, heappush
from typing import Any

import simpy
from simpy.core import StopSimulation
from simpy.events import Event

COMPLETE, ARRIVE, START = (phase << 24 for phase in (1, 2, 3))
"""Order within an instant: replicas complete steps, then requests arrive, then replicas start steps. The index of the
replica or service is added, so that ties never depend on who asked first. SimPy's own events (0 and 1) come before."""

Routine = Generator["Alarm", None, None]
"""A process that waits for its alarm and for nothing else."""


class Alarm:
    """The event that a routine waits for, again and again; setting it anew replaces the earlier time.

    Times are absolute: a delay would be added to now and rounded once more, and a leap over a hundred steps would then
    end an ulp beside the hundredth step. And SimPy makes an event for each wait and goes on through its list of
    callbacks, which costs four times as much.
    """

    __slots__ = ("_agenda", "_next_ticket", "resume", "ticket")

    def __init__(self, clock: Clock) -> None:
        self._agenda: list[Any] = clock._queue
        self._next_ticket: Callable[[], int] = clock._eid.__next__
        self.ticket = -1  # of the one entry on the agenda that rings; earlier ones have been superseded

    def start(self, routine: Routine) -> None:
        """From now on `routine` waits for this alarm; it runs up to its first wait at once."""
        self.resume: Callable[[], object] = routine.__next__
        next(routine, None)

    def set(self, time: float, order: int) -> None:
        """Ring at `time` (not before now) instead of any other time; alarms of one time ring by ascending `order`."""
        self.ticket = ticket = self._next_ticket()
        heappush(self._agenda, (time, order, ticket, self))

    def unset(self) -> None:
        """Do not ring."""
        self.ticket = -1


class Clock(simpy.Environment):
    """SimPy's environment with alarms on its agenda beside events; `now` is a plain attribute, it is read so often."""

    now = 0.0

    @property
    def scheduled(self) -> int:
        """Entries put on the agenda so far, superseded ones included."""
        return int(repr(self._eid)[6:-1])

    def more_to_come(self) -> bool:
        """Whether something else may happen at this very instant."""
        agenda = self._queue
        return bool(agenda) and agenda[0][0] == self.now

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
        agenda: list[Any] = self._queue
        if done.callbacks is not None:
            done.callbacks.append(StopSimulation.callback)
        while agenda:
            try:
                while agenda:
                    entry = heappop(agenda)
                    alarm = entry[3]
                    if type(alarm) is Alarm:
                        if alarm.ticket == entry[2]:
                            self.now = self._now = entry[0]
                            alarm.resume()
                    else:  # an event of SimPy's own, such as the end of a service
                        heappush(agenda, entry)
                        self.step()
                        self.now = self._now
            except StopIteration:
                continue  # a routine has ended
            except StopSimulation:
                return
        raise RuntimeError(f"nothing is left to happen, but not {done}")
