"""The API servers of a pool: requests come in through them, tokens leave through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from infermodel.simulation.clock import Clock
from infermodel.simulation.pool.front_end import FrontEnd, front_ends
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.replica.replica import Replica
from infermodel.simulation.spec import FrontEndSpec


class ApiServers:
    """A front end for each replica, or one that several share.

    Args:
        servers: of each replica.
        come_in: called with a request and its replica's number when a process is done with the request.
        log: columns of the requests.
        clock, order: when that is, and its place in an instant.

    Attributes:
        stretch_s: by how much waiting made finished answers longer from first to last token, together.
    """

    def __init__(
        self,
        servers: Sequence[FrontEnd],
        come_in: Callable[[int, int], object],
        log: RequestLog,
        clock: Clock,
        order: int,
    ) -> None:
        self.stretch_s = 0.0
        self._servers, self._come_in = servers, come_in
        self._log, self._clock, self._order = log, clock, order
        self._first_waited_s: dict[int, float] = {}  # what first tokens of running answers were kept waiting

    def take(self, request: int, replica: int) -> None:
        """A request for a replica comes."""
        server = self._servers[replica]
        images = self._log.images.get(request)
        pixels = images.pixels if images is not None else 0
        at = server.take(self._clock.now, self._log.prompt_tokens[request], pixels)
        self._clock.call_at(at, self._order, partial(self._come_through, request, replica, server.streamed_s))

    def _come_through(self, request: int, replica: int, streamed_s: float) -> None:
        """A process is done with a request, unless tokens that streamed meanwhile have held it up."""
        server, now = self._servers[replica], self._clock.now
        late_s = server.held_up_s(now, streamed_s)
        if now + late_s > now:
            again = partial(self._come_through, request, replica, server.streamed_s)
            self._clock.call_at(now + late_s, self._order, again)
        else:
            self._come_in(request, replica)

    def first_token_waits_s(self, request: int) -> float:
        """For how long the first token is kept waiting that leaves its replica now."""
        delay_s = self._delay_s(request)
        if delay_s:
            self._first_waited_s[request] = delay_s
        return delay_s

    def last_token_waits_s(self, request: int) -> float:
        """For how long the last token is kept waiting that leaves its replica now."""
        delay_s = self._delay_s(request)
        self.stretch_s += delay_s - self._first_waited_s.pop(request, 0.0)
        return delay_s

    def forget(self, request: int) -> None:
        """Others stream the rest of an answer."""
        self.stretch_s -= self._first_waited_s.pop(request, 0.0)

    def _delay_s(self, request: int) -> float:
        return self._servers[self._log.replica[request]].delay_s(self._clock.now)

    @property
    def busy_s(self) -> float:
        """Process-seconds of work so far."""
        return sum(each.busy_s for each in dict.fromkeys(self._servers))

    @property
    def processes(self) -> int:
        """How many there are."""
        return sum(each.processes for each in dict.fromkeys(self._servers))


def servers_of(
    spec: FrontEndSpec, replicas: Sequence[Replica], systems: Sequence[Sequence[int]], *, one_queue: bool
) -> list[FrontEnd]:
    """The front end of each replica.

    Args:
        spec: of one server.
        replicas: of the pool.
        systems: numbers of the replicas on each system.
        one_queue: whether all replicas take from one queue: then all requests take from all processes.
    """
    if not one_queue:
        return front_ends(spec, replicas, systems)
    servers = len(systems) if spec.of_system else len(replicas)
    return [FrontEnd(replace(spec, processes=spec.processes * servers), replicas)] * len(replicas)
