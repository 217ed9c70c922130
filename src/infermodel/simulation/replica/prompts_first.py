"""Engines whose steps read prompts or decode, not both, and those that keep memory free for answers to come (SGLang).

Whenever a prompt can be read, the step reads prompts: the one that is under way first, of which there is never more
than one, then from the queue whoever fits, until the step is full. Those who decode wait meanwhile, or, where steps
mix, come along if memory is left for them. Only a step of decoding alone takes memory from somebody.
"""

from __future__ import annotations

from infermodel.cost.step import Batch, Windowed
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.replica.admission import Admission
from infermodel.simulation.replica.answer_share import AnswerRoom
from infermodel.simulation.replica.budget import StepBudget
from infermodel.simulation.replica.giving_way import GivingWay
from infermodel.simulation.replica.members import Members
from infermodel.simulation.replica.prompts import assign_chunks
from infermodel.simulation.replica.scheduler import Scheduler
from infermodel.simulation.replica.waiting import Waiting
from infermodel.simulation.spec import Limits


class PromptsFirst(Scheduler):
    """Reads prompts whenever it can."""

    def __init__(
        self,
        limits: Limits,
        members: Members,
        waiting: Waiting,
        budget: StepBudget,
        admission: Admission,
        giving_way: GivingWay,
        log: RequestLog,
    ) -> None:
        super().__init__(limits, members, waiting, budget, admission, giving_way)
        self._mixes, self._log = limits.mixes_prompts, log

    @property
    def _room(self) -> AnswerRoom | None:
        return self.members.room

    def plan(self, now: float) -> int:
        """As `Scheduler.plan`."""
        self.members.held = False
        most, room = super().plan(now), self._room
        if room is not None:
            room.decodes_alone = not self._prompts.chunks and not self.giving_way.happened
            if most == 0 and not self.waiting.queue:
                room.rest()
        return most

    def batch(self) -> Batch:
        """What the next step works on, as planned."""
        if not self.members.held:
            return super().batch()
        nobody = tuple([Windowed(0, 0) for _ in self._decoding.windows])
        prompts = self._prompts
        return Batch(0, 0, 0, nobody, 1, prompts.chunks, prompts.finishing, (), prompts.images)

    # ---- composing a batch ----------------------------------------------------------------------------------------

    def _compose(self, now: float) -> bool:
        members, admission, room = self.members, self.admission, self._room
        memory, decoding, prefills = self._memory, self._decoding, self._prompts.prefills
        if self._long.bounded:
            self._long.compose(admission.known())
        admission.deferred = self._long.alone and bool(self.waiting.queue)
        budget, taken = self._budget.left(), 0
        if room is not None:
            if not len(members) and self.waiting.all_late():
                room.rest()  # nobody whom it knows of
            room.compose(decoding.step, decoding.sequences if self._mixes else 0)
            if prefills or not decoding.sequences:
                room.full = False
        if prefills:
            budget, taken = self._go_on(budget)
        if (self.waiting.queue or self._arrived) and not self.giving_way.happened:
            memory.make_room(taken)
            budget = admission.admit(now, budget, memory.free - taken)
        self._budget_left = budget
        if any(prefill.chunk for prefill in prefills):
            self._hold_up()
            return self.giving_way.happened or admission.deferred or (self._mixes and room is not None)
        while decoding.growth(members.lookahead) > memory.free:
            self.giving_way.one()
        if self.giving_way.happened and room is not None:
            self._reckon_anew(room)
        return self.giving_way.happened or admission.deferred

    def _go_on(self, budget: int) -> tuple[int, int]:
        """Give prompts in progress their share of the step; returns the budget left and the blocks that they take."""
        prefills, memory, room, most = self._prompts.prefills, self._memory, self._room, self._long.most
        if room is not None and int(room.left()) > 0:
            most = min(most, int(room.left()))  # with nothing left it takes all of the step: it has to end some time
        left, taken = assign_chunks(prefills, budget, memory.block_tokens, most, memory.groups)
        while taken > memory.free:
            self.giving_way.one()
            left, taken = assign_chunks(prefills, budget, memory.block_tokens, most, memory.groups)
        if room is not None:
            for prefill in prefills:
                ends = prefill.done + prefill.chunk == prefill.target
                room.take(prefill.chunk, room.asked(prefill.request) if ends else 0)
        return left, taken

    def _hold_up(self) -> None:
        """The step reads prompts: whether those who decode wait."""
        decoding, members, room = self._decoding, self.members, self._room
        if self._mixes:
            left = self._memory.free - self._prompts.growth_of_all(1)
            waits = decoding.growth(members.lookahead) > left
        else:
            waits = True
        members.held = waits and decoding.sequences > 0
        if room is not None and not members.held:
            room.full = False  # all who run are in one batch with those who have come, which knows of no refusal

    def _reckon_anew(self, room: AnswerRoom) -> None:
        """Memory ran out: what the share ought to have been."""
        decoding, log = self._decoding, self._log
        contexts = decoding.offsets + decoding.sequences * decoding.step
        prompts = sum([log.prompt_tokens[request] for request in decoding.offset])
        asked = sum([room.asked(request) for request in decoding.offset])
        room.gave_way(contexts - prompts, asked, decoding.sequences)

    # ---- changes during a leap ------------------------------------------------------------------------------------

    def admits_newcomers(self) -> bool:
        """Whether the batch has a seat and budget for one more, and nobody waits who must go first."""
        return not (self._room is not None and self._room.full) and super().admits_newcomers()

    def _would_fit(self, head: int, steps: int) -> bool:
        """Composing tells."""
        return True

    def steps_that_fit(self, most: int) -> int:
        """The most of `most` steps with prompts for which KV blocks suffice; at least 1, which was checked before."""
        if not self.members.held:
            return super().steps_that_fit(most)
        return most if self._prompts.growth_of_all(most) <= self._memory.free else 1
