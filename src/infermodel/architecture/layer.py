"""One layer of a model."""

from __future__ import annotations

from dataclasses import dataclass

from infermodel.architecture.attention import NO_ATTENTION, Attention
from infermodel.architecture.feed_forward import NO_FEED_FORWARD, FeedForward
from infermodel.architecture.recurrence import Recurrence


@dataclass(frozen=True, slots=True)
class Layer:
    """One block: what mixes tokens, what works on each alone, and the norms around them.

    Attributes:
        recurrence: in place of attention, or side by side with it (Falcon-H1).
        norms: vectors of the model's width.
        extra: weights that only one family has.
        past: numbers of convolutions' past inputs that a sequence keeps beside its recurrence.
        again: whether its weights are those of a layer before, gone through once more.
        joined: vectors of the model's width, each with a norm, that one projection makes the layer's input of: where
            it drafts, a hidden state and the embedding of the token after it.
    """

    attention: Attention = NO_ATTENTION
    feed_forward: FeedForward = NO_FEED_FORWARD
    recurrence: Recurrence | None = None
    norms: int = 2
    extra: int = 0
    past: int = 0
    again: bool = False
    joined: int = 0

    def _around(self, hidden: int) -> int:
        recurrence = self.recurrence.parameters(hidden) if self.recurrence else 0
        join = self.joined * (hidden * hidden + hidden)
        return self.attention.parameters(hidden) + recurrence + self.norms * hidden + self.extra + join

    def parameters(self, hidden: int) -> int:
        """Weights stored by the layer."""
        return 0 if self.again else self._around(hidden) + self.feed_forward.parameters(hidden)

    def active_parameters(self, hidden: int) -> int:
        """Weights that one token touches in the layer and in none before."""
        return 0 if self.again else self._around(hidden) + self.feed_forward.active_parameters(hidden)

    @property
    def state_elements(self) -> int:
        """Numbers that the layer keeps per sequence, whatever its length."""
        return (self.recurrence.state_elements if self.recurrence else 0) + self.past
