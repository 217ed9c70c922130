"""Who joins the running requests from the queue."""

from __future__ import annotations

from math import inf, isnan

from infermodel.simulation.memory.memory import Found
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.records.totals import BLOCKS, NOTHING, SEATS
from infermodel.simulation.replica.answer_share import AnswerRoom
from infermodel.simulation.replica.arrivals import NO_ROOM, Arrivals
from infermodel.simulation.replica.budget import StepBudget
from infermodel.simulation.replica.members import Members
from infermodel.simulation.replica.owner import Sharers
from infermodel.simulation.replica.prompts import LongPrompts, Prefill
from infermodel.simulation.replica.queues import Discipline
from infermodel.simulation.replica.waiting import Waiting
from infermodel.simulation.spec import Limits


class Admission:
    """Lets in whom seats, budget and memory allow, in the queue's order.

    Attributes:
        held_up: the head of the queue does not fit, and no newcomer overtakes it.
        short_of: what it waits for in the next steps, as `records.totals.SHORT_OF` counts.
        deferred: a request that came too late for the step composed last changes the next.
        long_prompts: what a step takes of one prompt.
        arrivals: those whose prompts another pool reads, who first want blocks only; None: there are none.
    """

    def __init__(
        self,
        replica: int,
        limits: Limits,
        discipline: Discipline,
        members: Members,
        waiting: Waiting,
        budget: StepBudget,
        log: RequestLog,
        sharers: Sharers | None,
    ) -> None:
        self.held_up = self.deferred = False
        self.short_of = NOTHING
        self.long_prompts = LongPrompts(limits.long_prompt_tokens)
        self.arrivals: Arrivals | None = None
        self._replica, self._limits, self._overtakes, self._sharers = replica, limits, discipline.overtakes, sharers
        self._members, self._waiting, self._budget, self._log = members, waiting, budget, log
        self._resumed, self._reserves = log.resumed, limits.reserves_output

    def known(self) -> int:
        """Running and waiting requests, those not counted that all came too late for this step."""
        running, waiting = self._members.seated, self._waiting
        return running if running and waiting.all_late() else running + len(waiting.queue)

    def prompt_of(self, request: int) -> int:
        """Tokens of its prompt, found ones among them."""
        return self._log.prompt_tokens[request]

    def admit(self, now: float, budget: int, room: int) -> int:
        """Take from the waiting queue what fits into so many prompt tokens and blocks; returns the budget left."""
        members, waiting, log, arrivals = self._members, self._waiting, self._log, self.arrivals
        if arrivals is not None and arrivals.transit.first_token == "decode":
            budget, room = arrivals.let_read(now, budget, room)
            self.deferred = self.deferred or arrivals.late
        queue, prefills, memory = waiting.queue, members.prompts.prefills, members.memory
        occupied = members.seated
        seats = self._limits.max_sequences - occupied
        joins_until = waiting.joins_until if occupied else inf
        spoken_for, moved, sharers, replica = memory.free - room, False, self._sharers, self._replica
        while queue and budget > 0 and seats > 0:
            request = queue.head()
            if joins_until < inf and waiting.came_at(request) > joins_until:
                self.deferred = True
                if queue.pass_over():
                    continue
                break
            if arrivals is not None and request in arrivals.coming:
                aside = arrivals.set_aside(request, room)
                if aside == NO_ROOM:
                    self.held_up, self.short_of = not self._overtakes, BLOCKS
                    break
                queue.take()
                moved = True
                room -= aside
                memory.make_room(spoken_for)
                continue
            target, chunk, found, cost, free = self._first_chunk(request, budget)
            if not (chunk > 0 and free <= room and self._is_let_in(request, target, chunk, found)):
                self.held_up = not self._overtakes
                self.short_of = BLOCKS if chunk else self._budget.short
                if sharers is not None:
                    sharers.on_held_up(replica)
                break
            queue.take()
            moved = True
            if self._reserves:
                memory.reserve(members.blocks_at_end(request))
            if memory.caches or found.blocks:
                memory.take(request, found)
            members.admissions = log.admission[request] = members.admissions + 1
            images = log.images.get(request) if log.images else None
            prefills.append(Prefill(request, target, found.tokens, chunk, images))
            spoken_for += cost - found.blocks
            if memory.cached:
                memory.make_room(spoken_for)
            log.replica[request] = replica
            if isnan(log.first_scheduled_at[request]):
                log.first_scheduled_at[request] = now
                log.cached_tokens[request] = found.tokens
            budget -= chunk
            room -= cost
            seats -= 1
        if self.deferred:
            queue.bring_back()
        if queue and not (self.short_of or self.deferred):
            self.short_of = self._budget.short if seats > 0 else SEATS
        if moved and sharers is not None:
            sharers.on_queue_moved(replica)
        return budget

    def _first_chunk(self, request: int, budget: int) -> tuple[int, int, Found, int, int]:
        """Of a waiting request: tokens needed here in all, first chunk, what is found, KV blocks that the chunk takes,
        and those that must be free to admit it (vLLM's `scheduler_reserve_full_isl`: of all its tokens)."""
        target, memory = self._log.prompt_tokens[request], self._members.memory
        if self._resumed and request in self._resumed:
            target += self._resumed[request][0]
        found = memory.find(request, target - 1)
        rest, most = target - found.tokens, self.long_prompts.most
        chunk = rest if rest < most else most
        if chunk > budget:
            # An engine without chunks waits for a step that takes the prompt whole; only an empty replica splits it.
            chunk = budget if self._limits.chunked_prefill or not self._members.seated else 0
        cost = memory.cost(found, found.tokens + chunk)
        if self._limits.whole_prompt and (chunk < rest or memory.windows):
            return target, chunk, found, cost, max(cost, memory.charge(found, target))
        return target, chunk, found, cost, cost

    def _is_let_in(self, request: int, target: int, chunk: int, found: Found) -> bool:
        """Whether the engine takes the head of the queue, for whose first chunk there is room."""
        return not self._reserves or self._keeps_room_for(request)

    def _keeps_room_for(self, request: int) -> bool:
        """Whether all that a request may come to need can be set aside."""
        return self._members.memory.may_reserve(self._members.blocks_at_end(request))

    def would_fit(self, head: int, steps: int, budget: int) -> bool:
        """Whether a request could join with so much budget when the batch under way has done `steps` steps."""
        if self.long_prompts.alone:
            return True
        members, memory, arrivals = self._members, self._members.memory, self.arrivals
        taken = members.decoding.growth(steps + members.lookahead)  # when it has, and the next one is composed
        if members.prompts.prefills:
            taken += members.prompts.growth_of_all(steps + 1)
        if arrivals is not None and head in arrivals.coming:
            return arrivals.would_fit(head, steps, taken)
        members.steps_on = steps
        _, chunk, found, _, needed = self._first_chunk(head, budget)
        members.steps_on = 0
        fits = chunk > 0 and needed <= memory.free - taken and (not self._reserves or self._keeps_room_for(head))
        if not fits and found.blocks and taken > memory.free - memory.cached:
            return True  # what it finds may be gone by then: composing the step tells
        if not fits and self._sharers is not None:
            self._sharers.on_held_up(self._replica)
        return fits


class AdmissionWithRoom(Admission):
    """Lets in whoever leaves room for a share of the answers to come (SGLang)."""

    @property
    def _room(self) -> AnswerRoom:
        room = self._members.room
        assert room is not None
        return room

    def admit(self, now: float, budget: int, room: int) -> int:
        """As `Admission.admit`, if not somebody has been turned away and nobody has left since."""
        answers, members = self._room, self._members
        if not answers.full and answers.left() <= 0 and not self._waiting.all_late():
            answers.full = True
        if answers.full:
            self.short_of = BLOCKS if len(members) < self._limits.max_sequences else SEATS
            return budget
        return super().admit(now, budget, room)

    def _is_let_in(self, request: int, target: int, chunk: int, found: Found) -> bool:
        if not super()._is_let_in(request, target, chunk, found):
            return False
        answers = self._room
        rest, asked = target - found.tokens, answers.asked(request)
        produced = target - self._log.prompt_tokens[request]
        if answers.full or not answers.admits(found.blocks, rest, asked - produced):
            answers.full = len(self._members) > 0
            return False
        answers.take(chunk, asked if chunk == rest else 0)
        if answers.left() <= 0:
            answers.full = True
        return True
