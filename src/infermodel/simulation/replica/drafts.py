"""Running requests whose steps are rounds of drafting and verifying, each yielding a number of tokens that is drawn."""

from __future__ import annotations

from infermodel.cost.speculative import Speculation, accepted
from infermodel.cost.step import StepModel
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.records.recorder import Recorder
from infermodel.simulation.replica.endings import Unforeseen
from infermodel.simulation.replica.members import Members
from infermodel.simulation.replica.owner import Owner
from infermodel.simulation.replica.transit import Transit
from infermodel.simulation.spec import Limits

_MASK = (1 << 64) - 1


def even_draw(seed: int, request: int, context: int) -> float:
    """A number from [0, 1) that depends on nothing but these three (splitmix64: Steele, Lea, Flood, 2014).

    >>> even_draw(1, 2, 3) == even_draw(1, 2, 3) != even_draw(1, 2, 4)
    True
    """
    mixed = seed
    for part in (request, context):
        mixed = (mixed + (part + 1) * 0x9E3779B97F4A7C15) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        mixed ^= mixed >> 31
    return (mixed >> 11) * 2.0**-53


class Drafting(Members):
    """Every sequence gets one token a round, and as many more as drafts were accepted.

    What a round yields is drawn by request and context, so it depends neither on the order of events nor on who else
    is in the batch. Every round is a step that the replica stops at; its tokens come together at its end.
    """

    def __init__(
        self,
        step_model: StepModel,
        limits: Limits,
        log: RequestLog,
        recorder: Recorder,
        owner: Owner,
        transit: Transit | None,
        speculation: Speculation,
        seed: int,
    ) -> None:
        super().__init__(step_model, limits, log, recorder, owner, transit)
        self._chances, self._seed = speculation.chances(), seed
        self.endings = Unforeseen(log)

    def advance(self, steps: int, end: float) -> tuple[int, int]:
        """One round: a token for each sequence, and the accepted drafts."""
        if self.held:
            return super().advance(steps, end)
        decoding, memory = self.decoding, self.memory
        verified = list(decoding.offset)
        produced, prompt_tokens = super().advance(steps, end)
        step, extra = decoding.step, 0
        for request in verified:
            context = decoding.offset[request] + step
            more = accepted(self._chances, even_draw(self._seed, request, context))
            more = min(more, self.context_at_end(request) - context)
            if more:
                decoding.grow(request, more)
                memory.grow(memory.held(context + more - 1) - memory.held(context - 1))
                if self.room is not None:
                    self.room.hurry(request, more, step)
                extra += more
        self._gaps.of_nothing(extra)
        return produced + extra, prompt_tokens
