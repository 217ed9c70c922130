"""In which state each system or replica was from when until when, written as it happens: uptime follows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from infermodel.tables import POWERED, State, StateTable, Timeline


class Availability:
    """The states of each system of a pool, or where replicas start and stop of each replica.

    Args:
        replicas: that share a state: those of each system, or one each.

    >>> availability = Availability([2, 1])
    >>> availability.enters(0, "down", 3.0); availability.enters(0, "up", 5.0); availability.enters(1, "down", 9.0)
    >>> availability.up_s(10.0).tolist()
    [8.0, 8.0, 9.0]
    """

    def __init__(self, replicas: Sequence[int]) -> None:
        self._replicas = replicas
        self._entered: list[list[tuple[float, State]]] = [[(0.0, "up")] for _ in replicas]

    def enters(self, unit: int, state: State, at: float) -> None:
        """A system or replica is in another state from now on."""
        self._entered[unit].append((at, state))

    def _spans(self, unit: int, until_s: float) -> Iterator[tuple[State, float, float]]:
        """Its states before `until_s`, each from when until when; of those that lasted no time only failures, which
        lose what a replica held all the same.
        """
        for (since, state), (until, _) in pairwise([*self._entered[unit], (until_s, "up")]):
            until = min(until, until_s)
            if until > since or (until == since and state == "down"):
                yield state, since, until

    def _away_s(self, unit: int, moments_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Its seconds without power before each of these moments, ascending."""
        away_s = np.zeros(len(moments_s))
        for state, since, until in self._spans(unit, float(moments_s[-1])):
            if state not in POWERED:
                away_s += np.clip(moments_s, since, until) - since
        return away_s

    def _away_by(self, until_s: float) -> NDArray[np.float64]:
        """Seconds without power of each system or replica before `until_s`."""
        return np.concatenate([self._away_s(unit, np.array([until_s])) for unit in range(len(self._replicas))])

    def up_s(self, until_s: float) -> NDArray[np.float64]:
        """Seconds with power of each replica before `until_s`."""
        return np.repeat(until_s - self._away_by(until_s), self._replicas)

    def over_time(self, timeline: Timeline, until_s: float) -> Timeline:
        """The timeline with its column of replica-seconds with power, where any system was ever without."""
        if not self._away_by(until_s).any():
            return timeline
        edges_s = np.minimum(timeline.edges_s, until_s)
        up_s = np.zeros(len(edges_s) - 1)
        for unit, replicas in enumerate(self._replicas):
            up_s += replicas * np.diff(edges_s - self._away_s(unit, edges_s))
        return Timeline(timeline.edges_s, {**timeline.columns, "up_s": up_s})

    def table(self, until_s: float) -> StateTable:
        """All states of all replicas before `until_s`, replica by replica."""
        rows: list[tuple[int, State, float, float]] = []
        first = 0
        for unit, replicas in enumerate(self._replicas):
            spans = list(self._spans(unit, until_s))
            for replica in range(first, first + replicas):
                rows += [(replica, *span) for span in spans]
            first += replicas
        return StateTable(
            replica=np.array([row[0] for row in rows], np.int64),
            state=np.array([row[1] for row in rows], np.str_),
            start_s=np.array([row[2] for row in rows], np.float64),
            end_s=np.array([row[3] for row in rows], np.float64),
        )
