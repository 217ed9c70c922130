"""Prompts that wait beside decoding until there are tokens enough for a step, for so many steps at most.

Who decodes is held up less often, and whose prompt waits is answered later (TensorRT-LLM 1.2,
`batch_wait_timeout_iters` and `batch_wait_max_tokens_ratio`; by their documentation).
"""

from __future__ import annotations

from typing import Final

NOBODY_WAITS: Final = -1


class Gathering:
    """Counts the steps for which prompts have waited.

    Attributes:
        most: steps that they wait at most; 0: none.
        enough: tokens, sequences that decode among them, for which a step is composed at once.

    >>> gathering = Gathering(20, 900.0)
    >>> [gathering.holds_for(step, tokens) for step, tokens in ((5, 100), (15, 300), (24, 300), (25, 300), (30, 950))]
    [20, 10, 1, 0, 0]
    """

    __slots__ = ("_since", "enough", "most")

    def __init__(self, most: int, enough: float) -> None:
        self.most, self.enough = most, enough
        self._since = NOBODY_WAITS

    def holds_for(self, step: int, tokens: int) -> int:
        """For how many steps at most prompts wait on, when the scheduler has decoded so many steps and a step would
        take so many tokens; 0: they do not.
        """
        if self._since == NOBODY_WAITS:
            self._since = step
        left = self.most - (step - self._since)
        if left <= 0 or tokens >= self.enough:
            self._since = NOBODY_WAITS
            return 0
        return left

    def rest(self) -> None:
        """Nobody waits beside those who decode."""
        self._since = NOBODY_WAITS
