"""Ranks that read prompts together: one that has a prompt waits until all have, for so many steps at most.

A rank that reads a prompt holds up all others, so an engine may let them wait for each other (TensorRT-LLM 1.2,
`attention_dp_config`: `enable_balance`, `timeout_iters`; by its documentation and configuration files).
"""

from __future__ import annotations

from collections.abc import Sequence

from infermodel.simulation.replica.scheduler import Scheduler


class HoldingBack:
    """Steps are counted whether anybody waits or not; a step that may read prompts begins the count anew.

    Attributes:
        holds: whether the steps that are composed read no prompts.
    """

    def __init__(self, most: int) -> None:
        self.holds = False
        self._most, self._steps = most, 0

    def compose(self, ranks: Sequence[Scheduler]) -> int:
        """A step is composed: whether ranks are held back in it; returns for how many steps that is so at most, 0 where
        nobody ends it before something changes.
        """
        if not self._most:
            return 0
        wanting = [rank.wants_to_read() for rank in ranks]
        ends = self._steps + 1 >= self._most
        idle = any(not rank.decodes() for rank in ranks)
        self.holds = not (all(wanting) or ends or idle)
        if not self.holds:
            self._steps = 0
        for rank in ranks:
            rank.held_back = self.holds
        return self._most - 1 - self._steps if self.holds and any(wanting) else 0

    def settle(self, steps: int) -> None:
        """So many steps are done."""
        if self.holds:
            self._steps = (self._steps + steps) % self._most
