"""The link between a pool that reads prompts and one that decodes: what a request holds is copied over it.

Blocks at the destination are set aside before anything is sent, those at the source are held until all has come. A
transfer passes the cards of the replica that sends, what all transfers share, and the cards of the replica that
receives. Each of these passes one transfer after the other at its own rate, and passes on at once what has come (cut
through): so a lone transfer goes at the rate of the slowest, and many together never get more out of any than it has.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from infermodel.cost.block_pool import KvMemory
from infermodel.simulation.clock import Clock
from infermodel.simulation.handover import LinkSpec
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
    ) -> None:
        self._spec, self._source, self._destination = spec, source, destination
        self._tally, self._log, self._handovers, self._clock, self._order = tally, tally.log, handovers, clock, order
        self._first = spec.reserved == "before_prefill"
        self._memory = destination.kv_memory
        self._ranks = source.kv_memory.ranks, self._memory.ranks
        self._out = Lanes(len(source.replicas) * self._ranks[0], spec.out_bytes_per_s / self._ranks[0])
        self._in = Lanes(len(destination.replicas) * self._ranks[1], spec.in_bytes_per_s / self._ranks[1])
        self._shared = Lanes(1, spec.shared_bytes_per_s)
        self._goes_to: dict[int, tuple[int, int]] = {}  # replica and rank that have set blocks aside
        source.carrier = destination.carrier = self

    # ---- a request's way ------------------------------------------------------------------------------------------

    def enter(self, request: int) -> None:
        """A request comes to the service."""
        if self._first:
            self._destination.expect(request)
        else:
            self._source.offer(request)

    def on_prefilled(self, request: int, chunk: int) -> None:
        """The source has read a prompt, `chunk` tokens of it in the last step."""
        log, handovers, now = self._log, self._handovers, self._clock.now
        handovers.prefill_replica[request] = log.replica[request]
        handovers.prefilled_at[request] = now
        handovers.prefill_preemptions[request] = log.preemptions[request]
        if self._first:
            self._send(request, self._crossed(request, chunk))
        else:
            self._clock.call_at(now + self._spec.hop_s, self._order, partial(self._go_on, request))

    def _go_on(self, request: int) -> None:
        """The destination gets a request that has been read."""
        self._log.routed_again_at[request] = self._clock.now
        self._destination.expect(request)

    def on_reserved(self, request: int, replica: int) -> None:
        """A replica of the destination has set blocks aside."""
        self._goes_to[request] = replica, self._destination.replicas[replica].rank_of(request)
        self._handovers.reserved_at[request] = self._clock.now
        if self._first:
            self._clock.call_at(self._clock.now, self._order, partial(self._read, request))
        else:
            self._send(request, 0.0)

    def _read(self, request: int) -> None:
        """The source gets a request whose blocks are set aside."""
        self._log.routed_again_at[request] = self._clock.now
        self._source.offer(request)

    def on_answered(self, request: int) -> None:
        """The source has given all of an answer, which was a single token: blocks that are set aside are not needed."""
        if request in self._goes_to:
            replica, _ = self._goes_to.pop(request)
            self._destination.give_up(request, replica)

    # ---- bytes ----------------------------------------------------------------------------------------------------

    def _bytes(self, request: int) -> float:
        """Of all blocks that the destination has set aside and does not find there."""
        memory, found = self._memory, self._handovers.cached_tokens[request]
        tokens, block = self._log.prompt_tokens[request], self._memory.block_tokens
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
            before = self._log.prompt_tokens[request] - chunk
            sendable = memory.whole * max(0, before // block - found // block) * block_bytes(memory)
        else:
            return 0.0
        now, lane = self._clock.now, self._lane_out(request)
        reading_s = (now - self._log.first_scheduled_at[request]) * (sendable / total)
        rate = min(self._out.rate, self._shared.rate, self._in.rate)
        return min(sendable, rate * max(0.0, min(reading_s, now - self._out.free_at(lane))))

    def _lane_out(self, request: int) -> int:
        replica = self._handovers.prefill_replica[request]
        return replica * self._ranks[0] + self._source.replicas[replica].rank_of(request)

    def _send(self, request: int, crossed: float) -> None:
        """Both ends have blocks: what has not crossed yet is sent when the sender's lane is free."""
        self._handovers.link_bytes[request] = total = self._bytes(request)
        lane, now = self._lane_out(request), self._clock.now
        self._out.busy_s[lane] += crossed / self._out.rate
        begins_at, done_at = self._out.take(lane, now, total - crossed)
        begin = partial(self._begin, request, total - crossed, done_at)
        if begins_at > now:
            self._clock.call_at(begins_at, self._order, begin)
        else:
            begin()

    def _begin(self, request: int, size: float, sent_at: float) -> None:
        """The sender's lane begins with a transfer, and has sent all of it at `sent_at`."""
        if self._tally.ended:
            return  # what is on its way stays there, though other services go on
        replica, rank = self._goes_to[request]
        self._handovers.begun_at[request] = now = self._clock.now
        passes_at, passed_at = self._shared.take(0, now, size)
        _, received_at = self._in.take(replica * self._ranks[1] + rank, passes_at, size)
        comes_at = max(sent_at, passed_at, received_at) + self._spec.latency_s
        self._clock.call_at(comes_at, self._order, partial(self._arrive, request))

    def _arrive(self, request: int) -> None:
        """All has come: the source may forget the request, and the destination goes on with it."""
        if self._tally.ended:
            return
        log, handovers = self._log, self._handovers
        replica, _ = self._goes_to.pop(request)
        handovers.transferred_at[request] = self._clock.now
        log.routed_again_at.pop(request, None)
        self._source.replicas[handovers.prefill_replica[request]].release(request)
        log.replica[request] = replica
        self._destination.replicas[replica].arrive(request)

    def record(self, requests: int) -> LinkRecord:
        """What it carried, of the first so many requests."""
        return LinkRecord(
            handover=self._handovers.table(requests),
            link_bytes=float(np.sum(np.asarray(self._handovers.link_bytes))),
            out_busy_s=self._out.busy_s,
            in_busy_s=self._in.busy_s,
            shared_busy_s=float(self._shared.busy_s[0]),
            prefilled_gives_first=self._spec.first_token == "prefill",
            recomputes=self._spec.first_token == "decode",
            block_bytes=block_bytes(self._memory),
        )
