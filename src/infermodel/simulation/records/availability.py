"""Which systems were down from when until when, written as it happens: uptime follows."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from infermodel.tables import Timeline


class Availability:
    """The times out of service of each system of a pool.

    Args:
        replicas: on each system.

    >>> availability = Availability([2, 1])
    >>> availability.goes_down(0, 3.0); availability.comes_up(0, 5.0); availability.goes_down(1, 9.0)
    >>> availability.down_s(0, 10.0), availability.up_s(10.0).tolist()
    (2.0, [8.0, 8.0, 9.0])
    """

    def __init__(self, replicas: Sequence[int]) -> None:
        self._replicas = replicas
        self._down: list[list[tuple[float, float]]] = [[] for _ in replicas]  # from and until

    def goes_down(self, system: int, at: float) -> None:
        """A system is out of service from now on."""
        self._down[system].append((at, inf))

    def comes_up(self, system: int, at: float) -> None:
        """A system serves again."""
        since, _ = self._down[system].pop()
        self._down[system].append((since, at))

    def down_s(self, system: int, until_s: float) -> float:
        """Seconds out of service before `until_s`."""
        seconds = 0.0
        for since, until in self._down[system]:
            seconds += max(0.0, min(until, until_s) - since)
        return seconds

    def up_s(self, until_s: float) -> NDArray[np.float64]:
        """Seconds in service of each replica before `until_s`."""
        each = np.array([until_s - self.down_s(system, until_s) for system in range(len(self._replicas))])
        return np.repeat(each, self._replicas)

    def over_time(self, timeline: Timeline, until_s: float) -> Timeline:
        """The timeline with its column of replica-seconds in service, where any system was out of it."""
        if not any(self.down_s(system, until_s) for system in range(len(self._replicas))):
            return timeline
        edges_s = np.minimum(timeline.edges_s, until_s)
        up_s = np.zeros(len(edges_s) - 1)
        for system, replicas in enumerate(self._replicas):
            down_s = np.array([self.down_s(system, float(edge)) for edge in edges_s])
            up_s += replicas * np.diff(edges_s - down_s)
        return Timeline(timeline.edges_s, {**timeline.columns, "up_s": up_s})
