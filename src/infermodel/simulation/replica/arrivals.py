"""Who joins the running requests of a pool that decodes what another one has read.

Blocks for a prompt are set aside in the queue's order; a request holds them, and no seat, until its keys and values
have come. Then it takes a seat before anybody who still waits for blocks (vLLM 0.33.0, SGLang 0.5.23).
"""

from __future__ import annotations

from math import inf
from typing import Final

from infermodel.simulation.memory.ledger import blocks
from infermodel.simulation.memory.memory import NOTHING, Found
from infermodel.simulation.records.handovers import HandoverLog
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.replica.members import Members
from infermodel.simulation.replica.owner import Owner
from infermodel.simulation.replica.prompts import Prefill
from infermodel.simulation.replica.transit import Kept, Transit
from infermodel.simulation.replica.waiting import NOBODY, Waiting
from infermodel.simulation.spec import Limits

NO_ROOM: Final = -1
"""Blocks that cannot be set aside."""


class Arrivals:
    """Sets blocks aside for those who come, and lets in those whose keys and values are there.

    Attributes:
        coming: requests that another pool reads, until blocks are set aside for them.
        transit: those who have blocks and no seat.
        late: somebody came too late for the step that is composed, and joins the one after.

    Args:
        replica: its number.
        limits: of the engine.
        kept_free_tokens: of each request, which nothing is set aside of.
        owner: who is told that blocks are set aside.
    """

    def __init__(
        self,
        replica: int,
        limits: Limits,
        kept_free_tokens: int,
        coming: set[int],
        transit: Transit,
        members: Members,
        waiting: Waiting,
        log: RequestLog,
        handovers: HandoverLog,
        owner: Owner,
    ) -> None:
        self.coming, self.transit, self.late = coming, transit, False
        self._replica, self._kept_free_tokens, self._reserves = replica, kept_free_tokens, limits.reserves_output
        self._max_sequences = limits.max_sequences
        self._members, self._memory, self._waiting = members, members.memory, waiting
        self._log, self._handovers, self._owner = log, handovers, owner

    # ---- blocks for those who come --------------------------------------------------------------------------------

    def set_aside(self, request: int, room: int) -> int:
        """Set blocks aside for a request that comes; returns how many of `room`, `NO_ROOM` if they are not there. One
        that has been answered meanwhile, where its prompt was read again, needs none.
        """
        if self._log.finished[request]:
            self.coming.discard(request)
            self._owner.on_fewer(self._replica)
            return 0
        found, needed = self._wants(request)
        if not self._may_have(request, needed, room):
            return NO_ROOM
        memory, tokens = self._memory, self._handovers.context(request, self._log.prompt_tokens[request])
        if self._reserves:
            memory.reserve(self._members.blocks_at_end(request))
        memory.take(request, found)
        memory.grow(needed - found.blocks)
        self.transit.kept[request] = Kept(tokens, memory.held_in_windows(tokens), found.tokens)
        self._handovers.cached_tokens[request] = found.tokens
        self.coming.discard(request)
        self._owner.on_reserved(request, self._replica)
        return needed

    def would_fit(self, request: int, steps: int, taken: int) -> bool:
        """Whether a request that comes could have its blocks after so many steps, when the batch has taken `taken`."""
        members, memory = self._members, self._memory
        members.steps_on = steps
        found, needed = self._wants(request)
        members.steps_on = 0
        if self._may_have(request, needed, memory.free - taken):
            return True
        return found.blocks > 0 and taken > memory.free - memory.cached  # it may be gone by then: composing tells

    def _wants(self, request: int) -> tuple[Found, int]:
        """What is here of a prompt that is read elsewhere, and the free blocks that holding all of it takes."""
        memory, tokens = self._memory, self._handovers.context(request, self._log.prompt_tokens[request])
        brought = request in self._log.known_tokens  # which says what of it need not be computed, not that it is here
        found = NOTHING if brought else memory.find(request, tokens - 1)
        return found, memory.held(tokens) - memory.whole * (found.tokens // memory.block_tokens) + found.blocks

    def _may_have(self, request: int, needed: int, room: int) -> bool:
        members, memory = self._members, self._memory
        active = members.seated + len(self.transit.kept)
        if self._kept_free_tokens and active:
            room -= memory.whole * blocks(self._kept_free_tokens * (active + 1), memory.block_tokens)
        return needed <= room and (not self._reserves or memory.may_reserve(members.blocks_at_end(request)))

    # ---- those who are there --------------------------------------------------------------------------------------

    def let_decode(self, now: float) -> None:
        """Those whose first token came along, or was given out before, decode from the next step on."""
        until = self._known_until()
        while (request := self._next(until)) != NOBODY:
            self._members.join_read(request, self._take_seat(request, now), now)

    def let_read(self, now: float, budget: int, room: int) -> tuple[int, int]:
        """The others read the last token of their prompts again, which makes their first; returns what is left of so
        many tokens and blocks.
        """
        members, memory, until = self._members, self._memory, self._known_until()
        while budget > 0 and (request := self._next(until)) != NOBODY:
            tokens = self._take_seat(request, now).tokens
            read = Prefill(request, tokens, tokens - 1, 1)
            read.windowed = memory.held_in_windows(tokens - 1)
            given_back = memory.held(tokens) - memory.held(tokens - 1)
            memory.grow(-given_back)
            members.prompts.prefills.append(read)
            room += given_back - members.prompts.growth(read, 1)
            budget -= 1
        return budget, room

    def _known_until(self) -> float:
        """Whose keys and values came by then can be in the step that is composed: all, where no step was composed
        before it.
        """
        self.late = False
        if not self._members.seated:
            self._waiting.joins_until = inf
        return self._waiting.joins_until

    def _next(self, known_until: float) -> int:
        """Who takes a seat now: the first whose keys and values came in time, if there is a seat."""
        arrived = self.transit.arrived
        if not arrived or self._members.seated >= self._max_sequences:
            return NOBODY
        request, at = arrived[0]
        if at > known_until:
            self.late = True
            return NOBODY
        arrived.popleft()
        return request

    def _take_seat(self, request: int, now: float) -> Kept:
        self._members.admissions = self._log.admission[request] = self._members.admissions + 1
        self._log.replica[request] = self._replica
        self._handovers.joined_at[request] = now
        return self.transit.kept.pop(request)
