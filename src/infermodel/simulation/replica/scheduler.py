"""How the running requests of a replica share steps and memory, and who joins them from the queue."""

from __future__ import annotations

from math import inf, isnan
from typing import Final

from infermodel.cost.step import FOREVER, Batch, Chunk, StepModel, Windowed
from infermodel.simulation.memory.ledger import blocks
from infermodel.simulation.memory.memory import Found
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.records.recorder import Recorder
from infermodel.simulation.records.totals import BLOCKS, BUDGET, NOTHING, SEATS
from infermodel.simulation.replica.members import NO_CHUNKS, Members
from infermodel.simulation.replica.owner import Owner, Sharers
from infermodel.simulation.replica.prompts import ENDLESS, LongPrompts, Prefill, assign_chunks, pieces
from infermodel.simulation.replica.queues import Discipline, WaitingQueue
from infermodel.simulation.spec import Limits

NO_WINDOWS: Final[tuple[Windowed, ...]] = ()

NOBODY: Final = -1

NOT_ASKED: Final = -1
"""Budget left by a batch that nobody has asked about yet."""


class Scheduler(Members):
    """Continuous batching with chunked prefill: in each step every running sequence gets a token, and prompts get the
    rest of the budget, those in progress first, then the waiting queue.

    Attributes:
        queue: where requests wait.
        joins_until: requests that came by then can be in the next step.
        lookahead: tokens for which each decoding sequence needs room in a step: 1, and the drafts that are verified.
        held_up: the head of the queue does not fit, and no newcomer overtakes it.
        short_of: what it waits for in the next steps, as `records.totals.SHORT_OF` counts.
    """

    def __init__(
        self,
        replica: int,
        step_model: StepModel,
        limits: Limits,
        discipline: Discipline,
        queue: WaitingQueue,
        log: RequestLog,
        recorder: Recorder,
        owner: Owner,
        sharers: Sharers,
    ) -> None:
        super().__init__(step_model, limits, log, recorder, owner)
        self._sharers = sharers
        self.queue = queue
        self.joins_until = inf
        self.lookahead = 1
        self.held_up = False
        self.short_of = NOTHING
        self._max_batched_tokens = limits.max_batched_tokens
        self._slots_bind = step_model.prompt_tokens_per_step(limits.max_sequences, limits.max_context) < FOREVER
        self._budget_short = NOTHING if self._slots_bind else BUDGET
        self._replica, self._model, self._limits, self._discipline = replica, step_model, limits, discipline
        self._preempted = False
        self._long = LongPrompts(limits.long_prompt_tokens)
        self._deferred = False  # a request that came too late for the step composed last changes the next
        self._budget_left = NOT_ASKED
        self._finishing = 0  # prompts that the next step completes

    # ---- composing a batch ----------------------------------------------------------------------------------------

    def plan(self, now: float) -> int:
        """Decide what the next steps work on; returns for how many of them this will do, 0 if nothing is to be done."""
        decoding, memory, prefills = self.decoding, self.memory, self.prefills
        self._preempted = self.held_up = repeats_not = False
        self.short_of = NOTHING
        if prefills or self.queue or decoding.sequences * self.lookahead * memory.groups > memory.free:
            repeats_not = self._compose(now)
        else:
            self._budget_left = NOT_ASKED  # nobody wants prompt tokens, and there is a new block for every sequence
        if self.leaving:
            repeats_not = self._see_off() or repeats_not
        sequences, most = decoding.sequences, ENDLESS
        if prefills:
            self.chunks, self._finishing, most = pieces(prefills)
        elif sequences:
            self.chunks, self._finishing = NO_CHUNKS, 0
        else:
            return 0
        if sequences:
            to_finish = self._finishes[0][0] - decoding.step
            if to_finish < most:
                most = to_finish
            if decoding.windows or memory.windows:
                most = decoding.steps_until_full_window(most)
            if memory.groups * sequences * (most // memory.block_tokens + 1) > memory.free and not self.chunks:
                most = decoding.steps_that_fit(most, memory.free) or 1
        return 1 if repeats_not else most

    def _see_off(self) -> bool:
        """The next step is composed: who leaves makes room for the one after it. Returns whether that one must be
        composed anew.
        """
        if self._budget_left == NOT_ASKED:
            self.memory.make_room(self.decoding.growth(self.lookahead))
        self.let_go()
        bounded = bool(self.prefills) and self._long.most < ENDLESS  # and perhaps alone by now
        return bounded or (bool(self.queue) and self._budget_left > 0)

    def batch(self) -> Batch:
        """What the next step works on, as planned."""
        decoding = self.decoding
        sequences = decoding.sequences
        context = decoding.offsets + sequences * decoding.step
        windowed = decoding.windowed() if decoding.windows else NO_WINDOWS
        return Batch(sequences, context, decoding.longest(), windowed, 1, self.chunks, self._finishing)

    def _compose(self, now: float) -> bool:
        """Share the next step's prompt tokens among prompts in progress and those that wait; without memory for the
        tokens of all, some give way. Returns whether the step after it must be composed anew.
        """
        memory, decoding, prefills = self.memory, self.decoding, self.prefills
        self._long.compose(self._known())
        self._deferred = self._long.alone and bool(self.queue)
        budget, needed = self._budget(), decoding.growth(self.lookahead)
        if prefills:
            budget, chunk_blocks = assign_chunks(prefills, budget, memory.block_tokens, self._long.most, memory.groups)
            needed += chunk_blocks
        if needed > memory.free:
            self._share_memory()
            self._budget_left = 0
            if self.queue:
                self.short_of = BLOCKS
            return True  # as vLLM: nobody is admitted in a step that had to preempt
        memory.make_room(needed)  # whoever is admitted does not find what those before him write over
        if self.queue:
            budget = self._admit(now, budget, memory.free - needed)
        self._budget_left = budget
        return self._deferred

    def _seated(self) -> int:
        """Seats that are taken, also by those who leave."""
        return len(self) + len(self.leaving)

    def _budget(self) -> int:
        """Prompt tokens that the next step may take."""
        decoding = self.decoding
        budget = self._max_batched_tokens - decoding.sequences
        if self._slots_bind:
            budget = min(budget, self._model.prompt_tokens_per_step(decoding.sequences, decoding.longest()))
        return budget if budget > 0 else 0

    def _admit(self, now: float, budget: int, room: int) -> int:
        """Take from the waiting queue what fits; returns the budget left."""
        queue, log, prefills, memory = self.queue, self._log, self.prefills, self.memory
        occupied = self._seated()
        seats = self._limits.max_sequences - occupied
        joins_until = self.joins_until if occupied else inf
        spoken_for, moved = memory.free - room, False
        while queue and budget > 0 and seats > 0:
            request = queue.head()
            if joins_until < inf and self._came_at(request) > joins_until:
                self._deferred = True
                if queue.pass_over():
                    continue
                break
            target, chunk, found, cost, free = self._first_chunk(request, budget)
            fits = chunk > 0 and free <= room
            fits = fits and not (self._reserves and not memory.may_reserve(self._blocks_at_end(request)))
            if not (fits and self._is_let_in(request, target, chunk, found)):
                self.held_up = not self._discipline.overtakes
                self.short_of = BLOCKS if chunk else self._budget_short
                self._sharers.on_held_up(self._replica)
                break
            queue.take()
            moved = True
            if self._reserves:
                memory.reserve(self._blocks_at_end(request))
            memory.take(request, found)
            self._admissions = log.admission[request] = self._admissions + 1
            prefills.append(Prefill(request, target, found.tokens, chunk))
            spoken_for += cost - found.blocks
            memory.make_room(spoken_for)
            log.replica[request] = self._replica
            if isnan(log.first_scheduled_at[request]):
                log.first_scheduled_at[request] = now
                log.cached_tokens[request] = found.tokens
            budget -= chunk
            room -= cost
            seats -= 1
        queue.bring_back()
        if queue and not (self.short_of or self._deferred):
            self.short_of = self._budget_short if seats > 0 else SEATS
        if moved:
            self._sharers.on_queue_moved(self._replica)
        return budget

    def _first_chunk(self, request: int, budget: int) -> tuple[int, int, Found, int, int]:
        """Of a waiting request: tokens needed here in all, first chunk, what is found, KV blocks that the chunk takes,
        and those that must be free to admit it (vLLM's `scheduler_reserve_full_isl`: of all its tokens)."""
        target = self._log.prompt_tokens[request]
        if self._resumed and request in self._resumed:
            target += self._resumed[request][0]
        found = self.memory.find(request, target - 1)
        chunk = min(target - found.tokens, self._long.most)
        if chunk > budget:
            # An engine without chunks waits for a step that takes the prompt whole; only an empty replica splits it.
            chunk = budget if self._limits.chunked_prefill or not self._seated() else 0
        cost = self.memory.cost(found, found.tokens + chunk)
        charged = max(cost, self.memory.charge(found, target)) if self._limits.whole_prompt else cost
        return target, chunk, found, cost, charged

    def _is_let_in(self, request: int, target: int, chunk: int, found: Found) -> bool:
        """Whether the engine takes the head of the queue where memory allows it."""
        return True

    def admits_newcomers(self) -> bool:
        """Whether the batch has a seat and budget for one more, and nobody waits who must go first."""
        if self._preempted or self.held_up:
            return False
        if self._long.alone:
            return True  # it has the step to itself no longer
        if self.decoding.sequences + len(self.prefills) >= self._limits.max_sequences:
            return False
        if self._budget_left == NOT_ASKED:
            self._budget_left = self._budget()
        return self._budget_left > 0

    def _next_by(self, known_until: float) -> tuple[int, bool]:
        """The next one of those who had come by then, `NOBODY` if nobody had, and whether the queue has one before it
        who came later, and so misses the step composed since.
        """
        queue, found, late = self.queue, NOBODY, False
        while queue and found == NOBODY:
            if self._came_at(queue.head()) <= known_until:
                found = queue.head()
            else:
                late = True
                if not queue.pass_over():
                    break
        queue.bring_back()
        return found, late

    def head_is_late(self, known_until: float) -> bool:
        """Whether somebody waits, and all came after that moment."""
        found, late = self._next_by(known_until)
        return late and found == NOBODY

    def _known(self) -> int:
        """Running and waiting requests, those not counted that all came too late for this step."""
        running = self._seated()
        return running if running and self.head_is_late(self.joins_until) else running + len(self.queue)

    def _came_at(self, request: int) -> float:
        return self._log.routed_again_at.get(request, self._log.admitted_at[request])

    def next_one_joins(self, steps: int, known_until: float) -> tuple[bool, bool]:
        """Whether the next one of those who had come by then could join when this batch has done `steps` steps, and
        whether somebody before it in the queue came later.
        """
        request, late = self._next_by(known_until)
        return request != NOBODY and self._fits(request, steps), late

    def _fits(self, head: int, steps: int) -> bool:
        """Whether a request could join when this batch has done `steps` steps."""
        if self._long.alone:
            return True
        memory, prefills = self.memory, self.prefills
        self._steps_on = steps
        _, chunk, found, _, needed = self._first_chunk(head, self._budget_left)
        self._steps_on = 0
        taken = self.decoding.growth(steps + self.lookahead)
        for prefill in prefills:
            taken += self._prompt_growth(prefill, steps + 1)
        fits = (
            chunk > 0
            and taken + needed <= memory.free
            and not (self._reserves and not memory.may_reserve(self._blocks_at_end(head)))
        )
        if not fits and found.blocks and taken > memory.free - memory.cached:
            return True  # what it finds may be gone by then: composing the step tells
        if not fits:
            self._sharers.on_held_up(self._replica)
        return fits

    # ---- giving way -----------------------------------------------------------------------------------------------

    def _share_memory(self) -> None:
        """Compose a step for which memory does not suffice: in order of admission each takes its blocks, and where none
        are left for one, the discipline's victims give theirs back, perhaps he himself. What a victim was to do in this
        step is left to those after him (vLLM).
        """
        memory, gone, members = self.memory, set[int](), self._in_order_of_admission()
        reading = {prefill.request: prefill for prefill in self.prefills}
        shares: dict[int, tuple[int, int]] = {}  # of those in the step: tokens and blocks
        taken = 0
        for request in members.copy():
            if request in gone or request in self.leaving:
                continue
            had, new, prefill = self._computed(request), self.lookahead, reading.get(request)
            if prefill is None:
                need = memory.held(had + new) - memory.held(had)
            else:
                left = self._budget() - sum([shares[other][0] for other in shares if other in reading])
                new = prefill.chunk = min(prefill.target - had, left, self._long.most)
                need = memory.groups * (blocks(had + new, memory.block_tokens) - blocks(had, memory.block_tokens))
            while taken + need > memory.free and request not in gone:
                victim = self._victim(members)
                members.remove(victim)
                gone.add(victim)
                share = shares.pop(victim, (0, 0))
                taken -= share[1]
                self._preempt(victim, *share)
            if request not in gone:
                shares[request] = new, need
                taken += need
                memory.make_room(taken)

    def _in_order_of_admission(self) -> list[int]:
        members = [*self.decoding.offset, *self.leaving, *(prefill.request for prefill in self.prefills)]
        members.sort(key=self._log.admission.__getitem__)
        return members

    def _preempt_one(self) -> None:
        """Somebody gives way who has no share of this step yet."""
        self._preempt(self._victim(self._in_order_of_admission()), 0, 0)

    def _preempt(self, victim: int, new: int, taken: int) -> None:
        """Take the KV memory of one running request, which has taken blocks for new tokens of this step already; it
        will compute its tokens again.
        """
        if self._seated() == 1:
            raise RuntimeError(f"request {victim} alone outgrows the KV memory of its replica")
        memory, log, had = self.memory, self._log, self._computed(victim)
        named_tokens, windowed = self._named(victim, had, new), memory.held_in_windows(had)
        ended = victim in self.leaving
        if ended:
            windowed = self.leaving.pop(victim)[1]
        elif victim in self.decoding.offset:
            self._stop_decoding(victim)
        else:
            prefill = next(each for each in self.prefills if each.request == victim)
            named_tokens, windowed = had + new, prefill.windowed
            self.prefills.remove(prefill)
        memory.grow(taken)
        new_places = blocks(had + new, memory.block_tokens) - blocks(had, memory.block_tokens)
        windowed += taken - memory.whole * new_places
        memory.give_back(victim, had + new, windowed, named_tokens=named_tokens, ended=ended)
        self._preempted = True
        if self._reserves:
            memory.reserve(-self._blocks_at_end(victim))
        log.preemptions[victim] += 1
        if not ended:
            self._send_back(victim)
            self._sharers.on_given_back(self._replica)

    def _named(self, request: int, had: int, new: int) -> int:
        """Tokens in memory of a decoding request that were known when its last step was composed: their blocks have
        names.
        """
        if not self._ahead:
            return had + min(new, 1)
        return had if new or request in self._just_read else had - 1

    def _victim(self, admitted: list[int]) -> int:
        """Who gives way of the running requests, given in order of admission."""
        return self._discipline.victim(admitted, self._log.priority)

    def _send_back(self, request: int) -> None:
        """Whoever gave way waits again."""
        self.queue.give_back(request)

    # ---- steps ----------------------------------------------------------------------------------------------------

    def steps_that_fit(self, most: int, chunks: tuple[Chunk, ...]) -> int:
        """The most of `most` steps with prompts for which KV blocks suffice; at least 1, which was checked before."""
        room = self.memory.free
        for prefill in self.prefills:
            room -= self._prompt_growth(prefill, most)
        if room < 0:
            return 1
        return self.decoding.steps_that_fit(most, room) or 1
