"""How many prompt tokens a step may take."""

from __future__ import annotations

from infermodel.cost.forever import FOREVER
from infermodel.cost.step import StepModel
from infermodel.simulation.records.totals import BUDGET, NOTHING
from infermodel.simulation.replica.decoding import Decoding
from infermodel.simulation.spec import Limits


class StepBudget:
    """What the engine's limit on tokens, and slots of the device where they bind, leave to prompts.

    Attributes:
        short: what whoever finds no budget waits for.
    """

    def __init__(self, limits: Limits, step_model: StepModel, decoding: Decoding) -> None:
        self._max_batched_tokens, self._mixes = limits.max_batched_tokens, limits.mixes_prompts
        self._slots_bind = step_model.prompt_tokens_per_step(limits.max_sequences, limits.max_context) < FOREVER
        self._model, self._decoding = step_model, decoding
        self.short = NOTHING if self._slots_bind else BUDGET

    def left(self) -> int:
        """Prompt tokens that the next step may take beside those who decode."""
        if not self._mixes:
            return self._max_batched_tokens
        decoding = self._decoding
        budget = self._max_batched_tokens - decoding.sequences
        if self._slots_bind:
            budget = min(budget, self._model.prompt_tokens_per_step(decoding.sequences, decoding.longest()))
        return budget if budget > 0 else 0
