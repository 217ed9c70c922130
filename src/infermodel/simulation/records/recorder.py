"""What is kept of the steps of one pool's replicas."""

from __future__ import annotations

from infermodel.simulation.records.gaps import Gaps
from infermodel.simulation.records.leaps import LeapBuffer, Leaps
from infermodel.simulation.records.timeline import OverTime
from infermodel.simulation.records.totals import Totals


class Recorder:
    """Steps of replicas that share a step model, each leap over them written once.

    Attributes:
        leaps: where replicas write them.
        gaps: between tokens.
        over_time: sums in bins of time.
        totals: sums of each replica.
    """

    def __init__(self, replicas: int) -> None:
        self.leaps = LeapBuffer(self._fold)
        self.gaps = Gaps()
        self.over_time = OverTime()
        self.totals = Totals(replicas)

    def _fold(self, leaps: Leaps) -> None:
        self.gaps.fold(leaps)
        self.totals.fold(leaps)
        self.over_time.fold(leaps)
