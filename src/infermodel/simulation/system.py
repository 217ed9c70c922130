"""A machine: it owns replicas, and it is up or down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from infermodel.simulation.alarm import ARRIVE, Alarm, Routine, order_of
from infermodel.simulation.clock import Clock
from infermodel.simulation.spec import ServiceSpec
from infermodel.simulation.tally import Tally
from infermodel.tables import Timeline


class Fleet(Protocol):
    """What an outage may do to a fleet of replicas."""

    def take_down(self, replicas: Sequence[int], /) -> None:
        """These replicas fail now; what they held goes to the others."""
        ...

    def bring_up(self, replicas: Sequence[int], /) -> None:
        """These replicas work again, empty."""
        ...


class SystemProcess:
    """A GPU node, a CS-3 or a rack. When it goes down, its replicas lose their memory and its power is off."""

    def __init__(self, clock: Clock, number: int, spec: ServiceSpec, fleet: Fleet, tally: Tally) -> None:
        share, extra = divmod(spec.replicas, spec.systems)
        first = number * share + min(number, extra)
        self.number = number
        self.replicas: Sequence[int] = range(first, first + share + (number < extra))
        self._clock, self._fleet, self._tally = clock, fleet, tally
        self._outages = sorted(
            (outage for outage in spec.outages if outage.system == number), key=lambda outage: outage.at_s
        )
        if self._outages and self.replicas:
            alarm = Alarm(clock.agenda)
            alarm.start(self.live(alarm))

    def live(self, alarm: Alarm) -> Routine:
        """Go down and come back as planned."""
        clock = self._clock
        for outage in self._outages:
            alarm.set(max(outage.at_s, clock.now), order_of(ARRIVE))
            yield alarm
            if self._tally.ended:
                return
            self._fleet.take_down(self.replicas)
            alarm.set(clock.now + outage.for_s, order_of(ARRIVE))
            yield alarm
            if self._tally.ended:
                return
            self._fleet.bring_up(self.replicas)

    def down_s(self, until_s: float) -> float:
        """Seconds out of service before `until_s`."""
        seconds, free_from = 0.0, 0.0
        for outage in self._outages:
            start = max(outage.at_s, free_from)
            free_from = start + outage.for_s
            seconds += max(0.0, min(free_from, until_s) - start)
        return seconds


def with_outages(timeline: Timeline, systems: Sequence[SystemProcess], ended_at: float) -> Timeline:
    """The timeline with its column of replica-seconds up, where any system was down."""
    if not any(system.down_s(ended_at) for system in systems):
        return timeline
    edges_s = np.minimum(timeline.edges_s, ended_at)
    up_s = np.zeros(len(edges_s) - 1)
    for system in systems:
        down_s = np.array([system.down_s(float(edge)) for edge in edges_s])
        up_s += len(system.replicas) * np.diff(edges_s - down_s)
    return Timeline(timeline.edges_s, {**timeline.columns, "up_s": up_s})
