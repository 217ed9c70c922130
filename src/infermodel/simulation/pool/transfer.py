"""The link between a pool that reads prompts and one that decodes: what a request holds is copied over it.

Blocks at the destination are set aside before anything is sent, those at the source are held until all has come. A
transfer passes the cards of the replica that sends, what all transfers share, and the cards of the replica that
receives. Each of these passes one transfer after the other at its own rate, and passes on at once what has come (cut
through): so a lone transfer goes at the rate of the slowest, and many together never get more out of any than it has.

What a replica loses that fails is computed again, and nothing else is: a prompt that has been read is sent to another
replica where the receiver fails, blocks that are set aside wait where a prompt is read anew. Whoever decodes and loses
its memory begins its way anew, the tokens that it had read with the prompt. The time that lanes have given to a
transfer that is broken off they have given: nobody moves up.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from math import isnan

import numpy as np

from infermodel.cost.block_pool import KvMemory
from infermodel.simulation.clock import Clock
from infermodel.simulation.handover import LinkSpec, Role
from infermodel.simulation.pool.pool import Pool
from infermodel.simulation.records.handovers import HandoverLog
from infermodel.simulation.tally import Tally
from infermodel.tables import LinkRecord


def block_bytes(memory: KvMemory) -> float:
    """Bytes of a block on all devices that hold a part of it.

    >>> block_bytes(KvMemory(160, 16, 2.0, 0.0)), block_bytes(KvMemory(160, 16, 2.0, 0.0, block_bytes=40.0))
    (32.0, 40.0)
    """
    return memory.block_bytes or memory.block_tokens * memory.bytes_per_token


class Lanes:
    """Cards of the replicas of a pool: each replica, or each of its ranks, has a lane of its own.

    Attributes:
        rate: of a lane, bytes/s.
        busy_s: seconds in which each was in use.
    """

    def __init__(self, lanes: int, rate: float) -> None:
        self.rate = rate
        self.busy_s = np.zeros(lanes)
        self._free_at = [0.0] * lanes

    def free_at(self, lane: int) -> float:
        """When a lane is done with what it has to pass."""
        return self._free_at[lane]

    def take(self, lane: int, at: float, size: float) -> tuple[float, float]:
        """A lane gets so many bytes more at `at`; returns when it begins with them, and when it is done.

        >>> lanes = Lanes(2, 8.0)
        >>> lanes.take(0, 1.0, 16.0), lanes.take(0, 2.0, 8.0), lanes.take(1, 2.0, 8.0)
        ((1.0, 3.0), (3.0, 4.0), (2.0, 3.0))
        """
        begins_at = max(self._free_at[lane], at)
        self._free_at[lane] = done_at = begins_at + size / self.rate
        self.busy_s[lane] += size / self.rate
        return begins_at, done_at


class Way:
    """How far a request is from one pool to the other. Whoever is sent elsewhere gets another one: what was to happen
    on the old one does not.

    Attributes:
        given: the pool that reads has it.
        read: that pool has read it, and keeps what it wrote for the copy.
        asked: the pool that decodes has it in its queue, or has set blocks aside.
        goes_to: replica and rank that have set blocks aside.
        preemptions: of the request, before it was given.
    """

    __slots__ = ("asked", "given", "goes_to", "preemptions", "read")

    def __init__(self) -> None:
        self.given = self.read = self.asked = False
        self.preemptions = 0
        self.goes_to: tuple[int, int] | None = None


class Link:
    """Carries requests from one pool to the other.

    Args:
        spec: rates, and the habits of the engines.
        source: the pool that reads prompts.
        destination: the one that decodes.
        tally: of the service, with columns of its requests.
        handovers: further columns.
        clock: of the simulation.
        order: place of what it does within an instant: after requests have come.
        longest: tokens of the longest prompt that the source reads.
    """

    def __init__(
        self,
        spec: LinkSpec,
        source: Pool,
        destination: Pool,
        tally: Tally,
        handovers: HandoverLog,
        clock: Clock,
        order: int,
        longest: int,
    ) -> None:
        self._longest = longest
        self._spec, self._source, self._destination = spec, source, destination
        self._tally, self._log, self._handovers, self._clock, self._order = tally, tally.log, handovers, clock, order
        self._first = spec.reserved == "before_prefill"
        self._memory = destination.kv_memory
        self._ranks = source.kv_memory.ranks, self._memory.ranks
        self._out = Lanes(len(source.replicas) * self._ranks[0], spec.out_bytes_per_s / self._ranks[0])
        self._in = Lanes(len(destination.replicas) * self._ranks[1], spec.in_bytes_per_s / self._ranks[1])
        self._shared = Lanes(1, spec.shared_bytes_per_s)
        self._releasing: Counter[int] = Counter()  # on how many replicas the next step gives back what requests hold
        self._again: set[int] = set()  # who waits for that, to begin anew
        self._ways: dict[int, Way] = {}  # of those that have not come to the destination with all they hold
        source.carrier = destination.carrier = self

    # ---- a request's way ------------------------------------------------------------------------------------------

    def enter(self, request: int) -> None:
        """A request comes to the service, or begins its way anew."""
        self._ways[request] = way = Way()
        if self._first:
            self._ask(request, way)
        else:
            self._give(request, way)

    def _ask(self, request: int, way: Way) -> None:
        """The destination is to set blocks aside."""
        way.asked = True
        self._destination.expect(request)

    def _give(self, request: int, way: Way) -> None:
        """The source is to read the prompt."""
        way.given = True
        way.preemptions = self._log.preemptions[request]
        self._source.offer_again(request)

    def on_prefilled(self, request: int, chunk: int) -> None:
        """The source has read a prompt, `chunk` tokens of it in the last step."""
        log, handovers, now, way = self._log, self._handovers, self._clock.now, self._ways[request]
        way.read = True
        handovers.prefill_replica[request] = log.replica[request]
        handovers.prefilled_at[request] = now
        handovers.prefill_preemptions[request] += log.preemptions[request] - way.preemptions
        if way.goes_to is not None:
            self._send(request, way, self._crossed(request, chunk))
        elif not way.asked:
            self._clock.call_at(now + self._spec.hop_s, self._order, partial(self._go_on, request, way))

    def _go_on(self, request: int, way: Way) -> None:
        """The destination gets a request that has been read."""
        if self._ways.get(request) is way:
            self._ask(request, way)

    def on_reserved(self, request: int, replica: int) -> None:
        """A replica of the destination has set blocks aside."""
        way = self._ways[request]
        way.goes_to = replica, self._destination.replicas[replica].rank_of(request)
        self._handovers.reserved_at[request] = self._clock.now
        if way.read:
            self._send(request, way, 0.0)
        elif not way.given:
            self._clock.call_at(self._clock.now, self._order, partial(self._read, request, way))

    def _read(self, request: int, way: Way) -> None:
        """The source gets a request whose blocks are set aside."""
        if self._ways.get(request) is way:
            self._give(request, way)

    def on_answered(self, request: int) -> None:
        """The source has given the last token of an answer: blocks that are set aside are not needed."""
        way = self._ways.pop(request, None)
        if way is not None:
            self._let_go_there(request, way)

    def _let_go_there(self, request: int, way: Way) -> None:
        if way.goes_to is not None:
            self._releasing[request] += 1
            self._destination.give_up(request, way.goes_to[0])

    # ---- replicas that fail ---------------------------------------------------------------------------------------

    def on_lost(self, request: int, role: Role) -> None:
        """A replica of the source, or of the destination, has failed and has lost a request that it had."""
        way = self._ways.get(request)
        if way is None:
            self._lose_read(request)
            self._again.add(request)
            self._begin_anew(request)
        elif role == "decode":
            self._turn_back(request, way)
        elif not way.read:
            self._source.offer_again(request)
        elif way.asked and way.goes_to is None:
            self._read_for_who_waits(request, way)
        else:
            del self._ways[request]
            self._let_go_there(request, way)
            self.on_lost(request, role)

    def _begin_anew(self, request: int) -> None:
        """A request that lost all it had begins its way anew, once what it held elsewhere is given back."""
        if request not in self._again or self._releasing[request]:
            return
        self._again.discard(request)
        if self._can_be_read(request):
            self.enter(request)
        else:
            self._destination.offer_again(request)

    def on_released(self, request: int) -> None:
        """What a request held on a replica is given back, in the step that is composed now."""
        self._releasing[request] -= 1
        if not self._releasing[request]:
            del self._releasing[request]
        if request in self._again:
            self._clock.call_at(self._clock.now, self._order, partial(self._begin_anew, request))

    def is_reading(self, request: int) -> bool:
        """Whether the source is at it."""
        way = self._ways.get(request)
        return way is not None and way.given and not way.read

    def _can_be_read(self, request: int) -> bool:
        """Whether a replica of the source holds all that is to be read; else the destination reads it itself."""
        return self._handovers.context(request, self._log.prompt_tokens[request]) <= self._longest

    def _read_for_who_waits(self, request: int, way: Way) -> None:
        """What had been read of a request is lost, which waits at the destination for blocks, and goes on waiting."""
        self._lose_read(request)
        if self._can_be_read(request):
            way.read = False
            self._give(request, way)
        else:
            del self._ways[request]
            self._destination.expect_no_more(request)

    def _turn_back(self, request: int, way: Way) -> None:
        """The destination has lost a request that has not come: another replica is asked, perhaps once it is read."""
        self._handovers.lose_copy(request)
        if way.given and not way.read:
            way.asked, way.goes_to = False, None
            return
        self._ways[request] = other = Way()
        other.given, other.read, other.preemptions = way.given, way.read, way.preemptions
        self._ask(request, other)

    def _lose_read(self, request: int) -> None:
        """What was computed of a request is lost."""
        handovers = self._handovers
        made, joined = (not isnan(each[request]) for each in (handovers.prefilled_at, handovers.joined_at))
        unseen = self._spec.first_token == "arrival" and made and not joined
        had, _ = self._log.resumed.get(request, (0, 0.0))
        handovers.lose_read(request, had, unseen=unseen)

    # ---- bytes ----------------------------------------------------------------------------------------------------

    def _bytes(self, request: int) -> float:
        """Of all blocks that the destination has set aside and does not find there."""
        memory, found = self._memory, self._handovers.cached_tokens[request]
        tokens, block = self._handovers.context(request, self._log.prompt_tokens[request]), self._memory.block_tokens
        count = memory.whole * (-(-tokens // block) - found // block)
        count += sum([each.groups * min(-(-tokens // block), each.held) for each in memory.windows])
        return count * block_bytes(memory)

    def _crossed(self, request: int, chunk: int) -> float:
        """Bytes that had crossed when the last step of a prompt ended: of those that could have, as many as the lane
        had time for since the first step, the same share of which had passed before there was anything to send.
        """
        spec, memory, total = self._spec, self._memory, self._bytes(request)
        if spec.overlap == "layers":
            sendable = total * (1 - 1 / spec.layers)
        elif spec.overlap == "chunks":
            block, found = memory.block_tokens, self._handovers.cached_tokens[request]
            before = self._handovers.context(request, self._log.prompt_tokens[request]) - chunk
            sendable = memory.whole * max(0, before // block - found // block) * block_bytes(memory)
        else:
            return 0.0
        now, lane = self._clock.now, self._lane_out(request)
        log = self._log
        begun_at = max(log.first_scheduled_at[request], log.routed_again_at[request])  # which it came after a failure
        reading_s = (now - begun_at) * (sendable / total)
        rate = min(self._out.rate, self._shared.rate, self._in.rate)
        return min(sendable, rate * max(0.0, min(reading_s, now - self._out.free_at(lane))))

    def _lane_out(self, request: int) -> int:
        replica = self._handovers.prefill_replica[request]
        return replica * self._ranks[0] + self._source.replicas[replica].rank_of(request)

    def _send(self, request: int, way: Way, crossed: float) -> None:
        """Both ends have blocks: what has not crossed yet is sent when the sender's lane is free."""
        self._handovers.link_bytes[request] = total = self._bytes(request)
        lane, now = self._lane_out(request), self._clock.now
        self._out.busy_s[lane] += crossed / self._out.rate
        begins_at, done_at = self._out.take(lane, now, total - crossed)
        begin = partial(self._begin, request, way, total - crossed, done_at)
        if begins_at > now:
            self._clock.call_at(begins_at, self._order, begin)
        else:
            begin()

    def _begin(self, request: int, way: Way, size: float, sent_at: float) -> None:
        """The sender's lane begins with a transfer, and has sent all of it at `sent_at`."""
        if self._tally.ended or self._ways.get(request) is not way:
            return  # what is on its way stays there, though other services go on; or it is broken off
        assert way.goes_to is not None
        replica, rank = way.goes_to
        self._handovers.begun_at[request] = now = self._clock.now
        passes_at, passed_at = self._shared.take(0, now, size)
        _, received_at = self._in.take(replica * self._ranks[1] + rank, passes_at, size)
        comes_at = max(sent_at, passed_at, received_at) + self._spec.latency_s
        self._clock.call_at(comes_at, self._order, partial(self._arrive, request, way))

    def _arrive(self, request: int, way: Way) -> None:
        """All has come: the source may forget the request, and the destination goes on with it."""
        if self._tally.ended or self._ways.get(request) is not way:
            return
        log, handovers = self._log, self._handovers
        del self._ways[request]
        assert way.goes_to is not None
        replica, _ = way.goes_to
        handovers.transferred_at[request] = self._clock.now
        log.routed_again_at.pop(request, None)
        self._releasing[request] += 1
        self._source.release(request, handovers.prefill_replica[request])
        log.replica[request] = replica
        self._destination.replicas[replica].arrive(request)

    def record(self, requests: int) -> LinkRecord:
        """What it carried, of the first so many requests."""
        return LinkRecord(
            handover=self._handovers.table(requests),
            link_bytes=float(np.sum(np.asarray(self._handovers.link_bytes))) + self._handovers.lost_bytes,
            out_busy_s=self._out.busy_s,
            in_busy_s=self._in.busy_s,
            shared_busy_s=float(self._shared.busy_s[0]),
            prefilled_gives_first=self._spec.first_token == "prefill",
            recomputes=self._spec.first_token == "decode",
            block_bytes=block_bytes(self._memory),
            lost_bytes=self._handovers.lost_bytes,
            lost_tokens=self._handovers.lost_tokens,
        )
