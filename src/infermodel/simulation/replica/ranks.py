"""Ranks of data-parallel attention: schedulers of their own, each with a queue and a memory, that step together.

Where ranks share experts, every layer of a step waits for all of them: the slowest sets its time, and a rank that has
nothing to do runs along (vLLM 0.33.0, `DPEngineCoreProc`; SGLang 0.5.23, `dp_attention`). So a leap over steps ends at
the first change of any rank's batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from infermodel.cost.forever import FOREVER
from infermodel.cost.step import Batch, Chunk, StepModel, Windowed
from infermodel.simulation.clock import Clock
from infermodel.simulation.records.recorder import Recorder
from infermodel.simulation.replica.holding_back import HoldingBack
from infermodel.simulation.replica.prompts import NO_IMAGES
from infermodel.simulation.replica.rank_router import RankRouter
from infermodel.simulation.replica.receiving import Receiving
from infermodel.simulation.replica.replica import Replica, Stepping
from infermodel.simulation.replica.scheduler import Scheduler


class Lockstep(Replica):
    """A replica of several ranks.

    Attributes:
        ranks: the scheduler of each, with its queue and its memory.
    """

    def __init__(
        self,
        clock: Clock,
        index: int,
        service: int,
        step_model: StepModel,
        ranks: Sequence[Scheduler],
        route: RankRouter,
        holding_back: HoldingBack,
        recorder: Recorder,
        receiving: Receiving,
        stepping: Stepping,
        place: int,
    ) -> None:
        self.ranks = list(ranks)
        self._route, self._turn = route, 0
        self._holding_back = holding_back
        self._busy: list[Scheduler] = []  # ranks that have work in the steps under way
        self._knocking: list[Scheduler] = []  # ranks with a newcomer who looks in at the end of the step under way
        super().__init__(clock, index, service, step_model, ranks[0], recorder, receiving, stepping, place)

    # ---- what the service sees ------------------------------------------------------------------------------------

    @property
    def kv_blocks(self) -> int:
        """Blocks of the memories of all ranks."""
        return sum([rank.members.memory.capacity for rank in self.ranks])

    @property
    def kv_blocks_used(self) -> int:
        """Blocks that requests hold."""
        return sum([rank.members.memory.used for rank in self.ranks])

    @property
    def schedulers(self) -> Sequence[Scheduler]:
        """Those of all ranks."""
        return self.ranks

    def take(self, request: int) -> None:
        """A request comes to the queue of a rank."""
        waiting = [len(rank.waiting.queue) for rank in self.ranks]
        rank = self.ranks[self._route(self._turn, waiting, [len(rank.members) for rank in self.ranks])]
        self._turn += 1
        rank.waiting.queue.push(request)
        if self.idle:
            self.notice()
        elif self._in_leap and rank not in self._knocking and rank.admits_newcomers():
            self._knocking.append(rank)
            if not self._knocked:
                self._knock(later=False)

    def rank_of(self, request: int) -> int:
        """The number of the rank in whose memory a request holds blocks, and no seat."""
        transits = [rank.members.transit for rank in self.ranks]
        return next(number for number, each in enumerate(transits) if each is not None and each.holds(request))

    def let_go(self) -> None:
        """No further step is composed: who has all its tokens leaves."""
        for rank in self.ranks:
            rank.members.let_go()
            rank.members.let_released_go()

    def drain(self) -> list[int]:
        """Take everybody out of its queues."""
        return [rank.waiting.queue.take() for rank in self.ranks for _ in range(len(rank.waiting.queue))]

    def waited_s(self) -> float:
        """As of one scheduler."""
        return sum([rank.members.waited_s() for rank in self.ranks])

    def _tokens_a_step(self) -> int:
        return sum([rank.members.active for rank in self._busy])

    def _lose_memory(self) -> tuple[list[int], list[int]]:
        lost: list[int] = []
        kept: list[int] = []
        for rank in self.ranks:
            rank.waiting.joins_until = inf
            of_batch, of_transit = rank.members.lose_memory()
            lost += of_batch
            kept += of_transit
        return lost, kept

    # ---- the routine ----------------------------------------------------------------------------------------------

    def _plan(self, now: float) -> int:
        """Every rank composes its next steps; returns for how many of them no batch changes.

        A rank that finds nothing to do beside those who leave runs along, and composes anew at the end of that step;
        only if none finds anything, all do so at once.
        """
        self._knocking = []
        left = any(rank.members.leaving for rank in self.ranks)
        most = self._plan_all(now)
        while not most and (left or any(rank.giving_way.happened for rank in self.ranks)):
            most, left = self._plan_all(now), False
        if most and any(rank.has_waiting() and not len(rank.members) for rank in self.ranks):
            return 1
        return most

    def _plan_all(self, now: float) -> int:
        most, busy = self._holding_back.compose(self.ranks) or FOREVER, []
        for rank in self.ranks:
            steps = rank.plan(now)
            if steps:
                busy.append(rank)
                if steps < most:
                    most = steps
        self._busy = busy
        return most if busy else 0

    def _ask(self, most: int) -> int:
        """Ask what the planned steps take, given what each rank does in them."""
        self._line = None
        self._ramp = ramp = self._ramp_of(together([rank.batch() for rank in self._busy]))
        self._leap.first_s, self._leap.slope_s = ramp.first_s, ramp.slope_s
        steps = min(most, ramp.steps)
        for rank in self._busy:
            if steps > 1 and rank.members.prompts.chunks:
                steps = rank.steps_that_fit(steps)
        return steps

    def _reads_prompts(self) -> bool:
        return any(rank.members.prompts.chunks for rank in self._busy)

    def _lets_in(self, steps: int) -> bool:
        """Whether a newcomer joins its rank after `steps` steps; those who came too late for that knock on."""
        known_until, knocking, late = self._known_until(steps), self._knocking, []
        for rank in knocking:
            until = known_until if self._receiving.late and len(rank.members) else inf
            fits, came_late = rank.next_one_joins(steps, until)
            if fits:
                return True
            if came_late:
                late.append(rank)
        self._knocking, self._knocked = late, bool(late)
        return False

    def _settle(self, steps: int, end: float) -> None:
        """Account for `steps` completed steps of the leap, which ends here, at `end`."""
        self._in_leap, begin = False, self._leap.anchor_s
        self.busy_s += end - begin
        if self._receiving.late:
            known_until = self._known_until(steps)
            for rank in self.ranks:
                rank.waiting.joins_until = known_until
            self._receiving.settle(steps, reads_prompts=self._reads_prompts())
        self._holding_back.settle(steps)
        sequences = waiting = produced = prompt_tokens = 0
        blocks = 0.0
        for rank in self._busy:
            members, short_of = rank.members, rank.admission.short_of
            if short_of:
                self._totals.waited(self.index, short_of, (end - begin) / len(self.ranks))
            memory, active = members.memory, members.active
            waiting += members.decoding.sequences - active
            if members.waits.runs and not members.held:
                members.waits.end(begin, self._leap.first_s, self._gaps)
            free = memory.free
            rank_produced, rank_read = members.advance(steps, end)
            blocks += memory.capacity - (free + memory.free) / 2
            sequences += active
            produced += rank_produced
            prompt_tokens += rank_read
        before = (steps - 1) * sequences
        self._tokens += self._latest_tokens + before
        self._latest_tokens, self._settled_at_s = produced - before, end
        self._leaps.record_ramp(
            self.index, begin, end, steps, sequences, waiting, blocks, produced, prompt_tokens, self._ramp
        )
        for rank in self._busy:
            rank.members.finish_due(end)


def together(ranks: list[Batch]) -> Batch:
    """The batch of a replica whose ranks that have work have these; at least one.

    >>> together([Batch(2, 20, 12), Batch(1, 30, 30)])  # doctest: +ELLIPSIS
    Batch(sequences=3, context_tokens=50, longest_context=30, windowed=(), ...
    """
    sequences = context = longest = finishing = 0
    chunks: list[Chunk] = []
    for rank in ranks:
        sequences += rank.sequences
        context += rank.context_tokens
        longest = max(longest, rank.longest_context)
        chunks += rank.chunks
        finishing += rank.finishing_chunks
    windowed = tuple(
        [
            Windowed(sum([each.context_tokens for each in window]), sum([each.growing for each in window]))
            for window in zip(*[rank.windowed for rank in ranks], strict=True)
        ]
    )
    images = sum([rank.images for rank in ranks], NO_IMAGES)
    each = ranks[0].tokens_each
    return Batch(sequences, context, longest, windowed, each, tuple(chunks), finishing, tuple(ranks), images)
