"""What the next steps of a replica work on: running requests share steps and memory, others join from the queue."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Final

from infermodel.cost.forever import FOREVER
from infermodel.cost.step import Batch, Windowed
from infermodel.simulation.records.totals import BLOCKS, NOTHING
from infermodel.simulation.replica.admission import Admission
from infermodel.simulation.replica.budget import StepBudget
from infermodel.simulation.replica.gathering import Gathering
from infermodel.simulation.replica.giving_way import GivingWay
from infermodel.simulation.replica.members import Members
from infermodel.simulation.replica.prompts import NO_CHUNKS, NO_IMAGES, assign_chunks
from infermodel.simulation.replica.transit import Transit
from infermodel.simulation.replica.waiting import NOBODY, Waiting
from infermodel.simulation.spec import Limits

NO_WINDOWS: Final[tuple[Windowed, ...]] = ()

NOBODY_ARRIVES: Final[deque[tuple[int, float]]] = deque()

NOT_ASKED: Final = -1
"""Budget left by a batch that nobody has asked about yet."""


class Scheduler:
    """Continuous batching with chunked prefill: in each step every running sequence gets a token, and prompts get the
    rest of the budget, those in progress first, then the waiting queue.

    Attributes:
        members: the running requests.
        waiting: those that are not.
        admission: who joins them.
        giving_way: who leaves them again before he has all his tokens.
        held_back: whether the next steps read no prompts, since other ranks have none, or there are few.
    """

    def __init__(
        self,
        limits: Limits,
        members: Members,
        waiting: Waiting,
        budget: StepBudget,
        admission: Admission,
        giving_way: GivingWay,
    ) -> None:
        self.members, self.waiting, self.admission, self.giving_way = members, waiting, admission, giving_way
        self._prompts, self._decoding, self._memory = members.prompts, members.decoding, members.memory
        self._budget, self._long, self._max_sequences = budget, admission.long_prompts, limits.max_sequences
        self._budget_left = NOT_ASKED
        self.held_back = False
        self._gathering = Gathering(limits.batch_wait_steps, limits.batch_wait_share * limits.max_batched_tokens)
        self._arrived = NOBODY_ARRIVES if members.transit is None else members.transit.arrived

    # ---- composing a batch ----------------------------------------------------------------------------------------

    def plan(self, now: float) -> int:
        """Decide what the next steps work on; returns for how many of them this will do, 0 if nothing is to be done."""
        members, prompts, decoding, memory = self.members, self._prompts, self._decoding, self._memory
        self.giving_way.happened = self.admission.held_up = repeats_not = False
        self.admission.short_of = NOTHING
        if members.transit is not None:
            repeats_not = self._settle_transit(members.transit, now)
        gathers_for = self._gathers_for() if self._gathering.most else 0
        waited_for = prompts.prefills or self.waiting.queue or self._arrived
        if waited_for or decoding.sequences * members.lookahead * memory.groups > memory.free:
            repeats_not = self._compose(now) or repeats_not
        else:
            self._budget_left = NOT_ASKED  # nobody wants prompt tokens, and there is a new block for every sequence
        if members.leaving:
            repeats_not = self._see_off() or repeats_not
        sequences, most = decoding.sequences, gathers_for or FOREVER
        if prompts.prefills:
            most = min(most, prompts.take_pieces())
        elif not sequences:
            return 0
        elif prompts.chunks:
            prompts.chunks, prompts.finishing, prompts.images = NO_CHUNKS, 0, NO_IMAGES
        if sequences:
            to_finish = members.endings.heap[0][0] - decoding.step
            if to_finish < most:
                most = to_finish
            if decoding.windows or memory.windows:
                most = decoding.steps_until_full_window(most)
            if memory.groups * sequences * (most // memory.block_tokens + 1) > memory.free and not prompts.chunks:
                most = decoding.steps_that_fit(most, memory.free) or 1
        return 1 if repeats_not else most

    def _settle_transit(self, transit: Transit, now: float) -> bool:
        """What was kept for others is given back, and those whose answers another pool began go on; returns whether
        somebody joins the step after the next.
        """
        arrivals = self.admission.arrivals
        self.members.let_released_go()
        if arrivals is None or transit.first_token == "decode":
            return False
        arrivals.let_decode(now)
        return arrivals.late

    def has_waiting(self) -> bool:
        """Whether anybody waits to take part."""
        return bool(self.waiting.queue or self._arrived)

    def has_seat(self) -> bool:
        """Whether the batch under way has a place left."""
        return self._decoding.sequences + len(self._prompts.prefills) < self._max_sequences

    def wants_to_read(self) -> bool:
        """Whether there is a prompt in progress, or one that could join the next step for all that is known of it."""
        if self._prompts.prefills:
            return True
        known_until = self.waiting.joins_until if len(self.members) else inf
        return bool(self.waiting.queue) and self.has_seat() and self.waiting.next_by(known_until)[0] != NOBODY

    def _gathers_for(self) -> int:
        """For how many steps prompts wait until there are more of them; decides whether they do."""
        if not (self.decodes() and self.wants_to_read()):
            self._gathering.rest()
            self.held_back = False
            return 0
        waiting, decoding = self.waiting, self._decoding
        tokens = decoding.sequences + sum([each.target - each.done for each in self._prompts.prefills])
        for request in self.waiting.queue:
            if tokens >= self._gathering.enough:
                break
            if waiting.came_at(request) <= waiting.joins_until:
                tokens += self.admission.prompt_of(request)
        steps = self._gathering.holds_for(decoding.step, tokens)
        self.held_back = steps > 0
        return steps

    def decodes(self) -> bool:
        """Whether any sequence does."""
        return self._decoding.sequences > 0

    def _see_off(self) -> bool:
        """The next step is composed: who leaves makes room for the one after it. Returns whether that one must be
        composed anew.
        """
        if self._budget_left == NOT_ASKED:
            self._memory.make_room(self._decoding.growth(self.members.lookahead))
        self.members.let_go()
        bounded = bool(self._prompts.prefills) and self._long.most < FOREVER  # and perhaps alone by now
        joins = self._budget_left > 0 or self.held_back
        return bounded or bool(self._arrived) or (bool(self.waiting.queue) and joins)

    def batch(self) -> Batch:
        """What the next step works on, as planned."""
        decoding, prompts = self._decoding, self._prompts
        sequences = decoding.sequences
        context = decoding.offsets + sequences * decoding.step
        windowed = decoding.windowed() if decoding.windows else NO_WINDOWS
        chunks, finishing, images = prompts.chunks, prompts.finishing, prompts.images
        return Batch(sequences, context, decoding.longest(), windowed, 1, chunks, finishing, (), images)

    def _compose(self, now: float) -> bool:
        """Share the next step's prompt tokens among prompts in progress and those that wait; without memory for the
        tokens of all, some give way. Returns whether the step after it must be composed anew.
        """
        memory, prefills, admission = self._memory, self._prompts.prefills, self.admission
        if self._long.bounded:
            self._long.compose(admission.known())
        admission.deferred = self._long.alone and bool(self.waiting.queue)
        budget, needed = self._budget.left(), self._decoding.growth(self.members.lookahead)
        if self.held_back:
            budget = 0
        if prefills:
            budget, chunk_blocks = assign_chunks(prefills, budget, memory.block_tokens, self._long.most, memory.groups)
            needed += chunk_blocks
        if needed > memory.free:
            self.giving_way.share(self._long.most)
            self._budget_left = 0
            if self.waiting.queue:
                admission.short_of = BLOCKS
            return True  # as vLLM: nobody is admitted in a step that had to preempt
        if memory.cached:
            memory.make_room(needed)  # whoever is admitted does not find what those before him write over
        if self.held_back:
            self._budget_left = 0
            return bool(self.waiting.queue) and self.waiting.all_late()
        if self.waiting.queue or self._arrived:
            budget = admission.admit(now, budget, memory.free - needed)
        self._budget_left = budget
        return admission.deferred

    # ---- changes during a leap ------------------------------------------------------------------------------------

    def admits_newcomers(self) -> bool:
        """Whether the batch has a seat and budget for one more, and nobody waits who must go first."""
        if self.giving_way.happened or self.admission.held_up:
            return False
        if self._long.alone or self.held_back:
            return True  # it has the step to itself no longer, or all ranks have prompts now
        if self._decoding.sequences + len(self._prompts.prefills) >= self._max_sequences:
            return False
        if self._budget_left == NOT_ASKED:
            self._budget_left = self._budget.left()
        return self._budget_left > 0

    def next_one_joins(self, steps: int, known_until: float = inf) -> tuple[bool, bool]:
        """Whether the next one of those who had come by then could join when this batch has done `steps` steps, and
        whether somebody before it in the queue came later.
        """
        request, late = self.waiting.next_by(known_until)
        return request != NOBODY and (self.held_back or self._would_fit(request, steps)), late

    def _would_fit(self, head: int, steps: int) -> bool:
        return self.admission.would_fit(head, steps, self._budget_left)

    def steps_that_fit(self, most: int) -> int:
        """The most of `most` steps with prompts for which KV blocks suffice; at least 1, which was checked before."""
        room = self._memory.free - self._prompts.growth_of_all(most)
        if room < 0:
            return 1
        return self._decoding.steps_that_fit(most, room) or 1
