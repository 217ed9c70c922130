"""Who gives his memory to others when it does not suffice for all."""

from __future__ import annotations

from infermodel.simulation.memory.ledger import blocks
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.replica.budget import StepBudget
from infermodel.simulation.replica.members import Members
from infermodel.simulation.replica.owner import Sharers
from infermodel.simulation.replica.queues import Discipline
from infermodel.simulation.replica.waiting import Waiting
from infermodel.simulation.spec import Limits


class GivingWay:
    """Takes the memory of running requests; they wait again, and compute their tokens again.

    Attributes:
        happened: somebody had to, for the step that is composed.
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
        self.happened = False
        self._replica, self._discipline, self._sharers = replica, discipline, sharers
        self._members, self._waiting, self._budget, self._log = members, waiting, budget, log
        self._reserves, self._ahead = limits.reserves_output, limits.schedules_ahead

    def share(self, most: int) -> None:
        """Compose a step for which memory does not suffice: in order of admission each takes its blocks, and where none
        are left for one, the discipline's victims give theirs back, perhaps he himself. What a victim was to do in this
        step is left to those after him (vLLM).

        Args:
            most: tokens of one prompt at most.
        """
        members, memory, gone, admitted = self._members, self._members.memory, set[int](), self._in_order_of_admission()
        reading = {prefill.request: prefill for prefill in members.prompts.prefills}
        shares: dict[int, tuple[int, int]] = {}  # of those in the step: tokens and blocks
        taken = 0
        for request in admitted.copy():
            if request in gone or request in members.leaving:
                continue
            had, new, prefill = members.computed(request), members.lookahead, reading.get(request)
            if prefill is None:
                need = memory.held(had + new) - memory.held(had)
            else:
                left = self._budget.left() - sum([shares[other][0] for other in shares if other in reading])
                new = prefill.chunk = min(prefill.target - had, left, most)
                need = memory.groups * (blocks(had + new, memory.block_tokens) - blocks(had, memory.block_tokens))
            while taken + need > memory.free and request not in gone:
                victim = self._victim(admitted)
                admitted.remove(victim)
                gone.add(victim)
                share = shares.pop(victim, (0, 0))
                taken -= share[1]
                self._preempt(victim, *share)
            if request not in gone:
                shares[request] = new, need
                taken += need
                memory.make_room(taken)

    def one(self) -> None:
        """Somebody gives way who has no share of this step yet."""
        self._preempt(self._victim(self._in_order_of_admission()), 0, 0)

    def _in_order_of_admission(self) -> list[int]:
        members, transit = self._members, self._members.transit
        admitted = [
            *members.decoding.offset,
            *(each for each in members.leaving if transit is None or each not in transit.handed),
            *(prefill.request for prefill in members.prompts.prefills),
        ]
        admitted.sort(key=self._log.admission.__getitem__)
        return admitted

    def _preempt(self, victim: int, new: int, taken: int) -> None:
        """Take the KV memory of one running request, which has taken blocks for new tokens of this step already; it
        will compute its tokens again.
        """
        members, memory, log = self._members, self._members.memory, self._log
        if members.seated == 1 and not (members.transit is not None and members.transit.kept):
            raise RuntimeError(f"request {victim} alone outgrows the KV memory of its replica")
        had = members.computed(victim)
        named_tokens, windowed = self._named(victim, had, new), memory.held_in_windows(had)
        ended = victim in members.leaving
        if ended:
            windowed = members.leaving.pop(victim)[1]
        elif victim in members.decoding.offset:
            members.stop_decoding(victim)
        else:
            prefill = members.prompts.of(victim)
            named_tokens, windowed = had + new, prefill.windowed
            members.prompts.prefills.remove(prefill)
        memory.grow(taken)
        new_places = blocks(had + new, memory.block_tokens) - blocks(had, memory.block_tokens)
        windowed += taken - memory.whole * new_places
        memory.give_back(victim, had + new, windowed, named_tokens=named_tokens, ended=ended)
        self.happened = True
        if self._reserves:
            memory.reserve(-members.blocks_at_end(victim))
        log.preemptions[victim] += 1
        if not ended:
            self._send_back(victim)
            if self._sharers is not None:
                self._sharers.on_given_back(self._replica)
        if members.room is not None:
            members.room.full = False

    def _named(self, request: int, had: int, new: int) -> int:
        """Tokens in memory of a decoding request that were known when its last step was composed: their blocks have
        names.
        """
        if not self._ahead:
            return had + min(new, 1)
        return had if new or request in self._members.just_read else had - 1

    def _victim(self, admitted: list[int]) -> int:
        """Who gives way of the running requests, given in order of admission."""
        return self._discipline.victim(admitted, self._log.priority)

    def _send_back(self, request: int) -> None:
        """Whoever gave way waits again."""
        self._waiting.queue.give_back(request)


class ShortestAnswerFirst(GivingWay):
    """Whoever has produced least gives way, and waits behind all whom the scheduler knows of (SGLang's retraction)."""

    def _victim(self, admitted: list[int]) -> int:
        """Who has the shortest answer so far, of equals the longest prompt, of equals who came last."""
        decoding, prompts = self._members.decoding, self._log.prompt_tokens
        offset, step = decoding.offset, decoding.step
        produced = [(offset[each] + step - prompts[each], -prompts[each]) for each in offset]
        at = min(range(len(produced)), key=lambda i: (produced[i], -i), default=0)
        return list(offset)[at] if produced else admitted[-1]

    def _send_back(self, request: int) -> None:
        """Behind everybody whom the scheduler knows of."""
        waiting = self._waiting
        waiting.queue.send_back(request, lambda other: waiting.came_at(other) > waiting.joins_until)
