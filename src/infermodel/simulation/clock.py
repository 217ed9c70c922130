"""The simulated clock: SimPy's environment with events at exact absolute times and a fixed order within an instant."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import Any

import simpy
from simpy.events import Event

COMPLETE, ARRIVE, START = (phase << 24 for phase in (1, 2, 3))
"""Order within an instant: replicas complete steps, then requests arrive, then replicas start steps. The index of the
replica or service is added, so that ties never depend on who asked first. SimPy's own events (0 and 1) come before."""


class Clock(simpy.Environment):
    """SimPy's environment, where `at` takes the time itself. A delay would be added to now and rounded once more, and
    a leap over a hundred steps would then end an ulp beside the hundredth step."""

    def at(self, time: float, order: int) -> Moment:
        """An event at `time` (not before now); events of one time happen by ascending `order`."""
        return Moment(self, time, order)

    @property
    def scheduled(self) -> int:
        """Events put on the agenda so far, superseded ones included."""
        return int(repr(self._eid)[6:-1])


class Moment(Event):
    """An event that happens at an absolute time."""

    def __init__(self, clock: Clock, time: float, order: int) -> None:
        # Event.__init__ and Environment.schedule in one: this runs several times per request.
        self.env = clock
        self.callbacks: list[Callable[[Any], None]] = []
        self._value = None
        self._ok = True
        agenda: list[Any] = clock._queue
        heappush(agenda, (time, order, next(clock._eid), self))

    def supersede(self, stale: Event) -> None:
        """Take over everyone who waits for `stale`, which then passes unnoticed."""
        if stale.callbacks is None:
            raise RuntimeError("an event that has happened cannot be superseded")
        self.callbacks, stale.callbacks = stale.callbacks, []
