"""Engines whose steps read prompts or decode, not both, and those that keep memory free for answers to come (SGLang).

Whenever a prompt can be read, the step reads prompts: the one that is under way first, of which there is never more
than one, then from the queue whoever fits, until the step is full. Those who decode wait meanwhile, or, where steps
mix, come along if memory is left for them. Only a step of decoding alone takes memory from somebody.
"""

from __future__ import annotations

from infermodel.cost.step import Batch, Chunk, Windowed
from infermodel.simulation.memory.memory import Found
from infermodel.simulation.records.totals import BLOCKS, SEATS
from infermodel.simulation.replica.answer_share import Gate
from infermodel.simulation.replica.prompts import Prefill, assign_chunks
from infermodel.simulation.replica.scheduler import Scheduler


class PromptsFirst(Scheduler):
    """Running requests under an engine's rules as its limits say them: without any that is of this module, `Scheduler`.

    Attributes:
        requested_output: tokens that each request asks for at least, all that the scheduler knows of its answer.
    """

    def follow_limits(self, requested_output: int | None) -> None:
        """Set what the limits say of the order of prompts, of the gate and of who gives way."""
        limits = self._limits
        self.requested_output = requested_output or 0
        self._mixes = limits.mixes_prompts
        self._gate = Gate(limits.answer_share, self.memory) if limits.answer_share is not None else None
        self._first = self._gate is not None or not self._mixes

    def plan(self, now: float) -> int:
        """As `Scheduler.plan`."""
        self.held = False
        most = super().plan(now)
        if most == 0 and self._gate is not None and not self.queue:
            self._gate.rest()
        return most

    def batch(self) -> Batch:
        """What the next step works on, as planned."""
        if not self.held:
            return super().batch()
        return Batch(0, 0, 0, tuple([Windowed(0, 0) for _ in self.decoding.windows]), 1, self.chunks, self._finishing)

    # ---- composing a batch ----------------------------------------------------------------------------------------

    def _compose(self, now: float) -> bool:
        if not self._first:
            return super()._compose(now)
        memory, decoding, prefills, gate = self.memory, self.decoding, self.prefills, self._gate
        self._long.compose(self._known())
        self._deferred = self._long.alone and bool(self.queue)
        budget, taken = self._budget(), 0
        if gate is not None:
            if not len(self) and self.head_is_late(self.joins_until):
                gate.rest()  # nobody whom it knows of
            gate.compose(decoding.step, decoding.sequences if self._mixes else 0)
            if prefills or not decoding.sequences:
                gate.full = False
        if prefills:
            budget, taken = self._go_on(budget)
        if self.queue and not self._preempted:
            memory.make_room(taken)
            budget = self._admit(now, budget, memory.free - taken)
        self._budget_left = budget
        if any(prefill.chunk for prefill in prefills):
            self._hold_up()
            return self._preempted or self._deferred or (self._mixes and gate is not None)
        while decoding.growth(self.lookahead) > memory.free:
            self._preempt_one()
        if self._preempted and gate is not None:
            self._reckon_anew(gate)
        return self._preempted or self._deferred

    def _go_on(self, budget: int) -> tuple[int, int]:
        """Give prompts in progress their share of the step; returns the budget left and the blocks that they take."""
        prefills, memory, gate, most = self.prefills, self.memory, self._gate, self._long.most
        if gate is not None and int(gate.left()) > 0:
            most = min(most, int(gate.left()))  # with nothing left it takes all of the step: it has to end some time
        left, taken = assign_chunks(prefills, budget, memory.block_tokens, most, memory.groups)
        while taken > memory.free:
            self._preempt_one()
            left, taken = assign_chunks(prefills, budget, memory.block_tokens, most, memory.groups)
        if gate is not None:
            for prefill in prefills:
                ends = prefill.done + prefill.chunk == prefill.target
                gate.take(prefill.chunk, self._asked(prefill.request) if ends else 0)
        return left, taken

    def _hold_up(self) -> None:
        """The step reads prompts: whether those who decode wait."""
        decoding, memory, gate = self.decoding, self.memory, self._gate
        if self._mixes:
            taken = sum([self._prompt_growth(prefill, 1) for prefill in self.prefills])
            waits = decoding.growth(self.lookahead) > memory.free - taken
        else:
            waits = True
        self.held = waits and decoding.sequences > 0
        if gate is not None and not self.held:
            gate.full = False  # all who run are in one batch with those who have come, which knows of no refusal

    def _budget(self) -> int:
        return super()._budget() if self._mixes else self._max_batched_tokens

    def _admit(self, now: float, budget: int, room: int) -> int:
        gate = self._gate
        if gate is None:
            return super()._admit(now, budget, room)
        if not gate.full and gate.left() <= 0 and not self.head_is_late(self.joins_until):
            gate.full = True
        if gate.full:
            self.short_of = BLOCKS if len(self) < self._limits.max_sequences else SEATS
            return budget
        return super()._admit(now, budget, room)

    def _is_let_in(self, request: int, target: int, chunk: int, found: Found) -> bool:
        gate = self._gate
        if gate is None:
            return True
        rest, asked = target - found.tokens, self._asked(request)
        produced = target - self._log.prompt_tokens[request]
        if gate.full or not gate.admits(found.blocks, rest, asked - produced):
            gate.full = len(self) > 0
            return False
        gate.take(chunk, asked if chunk == rest else 0)
        if gate.left() <= 0:
            gate.full = True
        return True

    def _asked(self, request: int) -> int:
        """Tokens that a request asks for: as many as its answer has, or what all ask for."""
        return max(self._log.output_tokens[request], self.requested_output)

    def admits_newcomers(self) -> bool:
        """Whether the batch has a seat and budget for one more, and nobody waits who must go first."""
        return not (self._gate is not None and self._gate.full) and super().admits_newcomers()

    def _fits(self, head: int, steps: int) -> bool:
        """Whether a request could join when this batch has done `steps` steps: composing tells."""
        return self._first or super()._fits(head, steps)

    # ---- giving way -----------------------------------------------------------------------------------------------

    def _victim(self, admitted: list[int]) -> int:
        """Who has the shortest answer so far, of equals the longest prompt, of equals who came last."""
        if self._limits.preempted != "shortest_answer":
            return super()._victim(admitted)
        offset, step, prompts = self.decoding.offset, self.decoding.step, self._log.prompt_tokens
        produced = [(offset[each] + step - prompts[each], -prompts[each]) for each in self.decoding.offset]
        at = min(range(len(produced)), key=lambda i: (produced[i], -i), default=0)
        return list(offset)[at] if produced else admitted[-1]

    def _send_back(self, request: int) -> None:
        """Behind everybody whom the scheduler knows of."""
        if self._limits.preempted != "shortest_answer":
            super()._send_back(request)
        else:
            self.queue.send_back(request, lambda other: self._came_at(other) > self.joins_until)

    def _preempt(self, victim: int, new: int, taken: int) -> None:
        super()._preempt(victim, new, taken)
        if self._gate is not None:
            self._gate.full = False

    def _reckon_anew(self, gate: Gate) -> None:
        """Memory ran out: what the share ought to have been."""
        decoding, log = self.decoding, self._log
        contexts = decoding.offsets + decoding.sequences * decoding.step
        prompts = sum([log.prompt_tokens[request] for request in decoding.offset])
        asked = sum([self._asked(request) for request in decoding.offset])
        gate.gave_way(contexts - prompts, asked, decoding.sequences)

    def _stop_decoding(self, request: int) -> None:
        super()._stop_decoding(request)
        if self._gate is not None:
            self._gate.to_come.leave(request)

    # ---- steps ----------------------------------------------------------------------------------------------------

    def steps_that_fit(self, most: int, chunks: tuple[Chunk, ...]) -> int:
        """The most of `most` steps with prompts for which KV blocks suffice; at least 1, which was checked before."""
        if not self.held:
            return super().steps_that_fit(most, chunks)
        taken = sum([self._prompt_growth(prefill, most) for prefill in self.prefills])
        return most if taken <= self.memory.free else 1

    def advance(self, steps: int, end: float) -> tuple[int, int]:
        """As `Members.advance`; the share of answers sinks with steps of decoding alone."""
        if self._gate is not None and not self.chunks and not self._preempted:
            self._gate.sink(steps)
        return super().advance(steps, end)

    def _first_token(self, prefill: Prefill, end: float) -> None:
        super()._first_token(prefill, end)
        request = prefill.request
        if self._gate is not None and request in self.decoding.offset:
            produced = prefill.target + 1 - self._log.prompt_tokens[request]
            self._gate.to_come.join(request, self._asked(request) - produced, self.decoding.step)

    def _end(self, request: int, end: float) -> None:
        if self._gate is not None:
            self._gate.to_come.leave(request)
        super()._end(request, end)

    def let_go(self) -> None:
        """As `Members.let_go`; the gate looks again at who waits."""
        if self._gate is not None and self.leaving:
            self._gate.full = False
        super().let_go()
