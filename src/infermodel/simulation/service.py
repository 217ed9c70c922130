"""A service: its door, the pools that a request goes through, and its clients."""

from __future__ import annotations

from infermodel.simulation.alarm import ARRIVE, order_of
from infermodel.simulation.clients.askers import Askers
from infermodel.simulation.clients.callers import Callers
from infermodel.simulation.clients.start import Clients, start_clients
from infermodel.simulation.clients.way import Way
from infermodel.simulation.clock import Clock
from infermodel.simulation.gate import Gate
from infermodel.simulation.handover import ByPromptLength
from infermodel.simulation.pool.first_router import FirstRouter
from infermodel.simulation.pool.pool import Pool
from infermodel.simulation.pool.router import LOOK_AT_SESSIONS
from infermodel.simulation.pool.transfer import Link
from infermodel.simulation.records.handovers import HandoverLog
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.replica.replica import Stepping
from infermodel.simulation.spec import Horizon, ServiceSpec
from infermodel.simulation.streams import Streams
from infermodel.simulation.tally import Tally
from infermodel.tables import ServiceRecord


class Service:
    """Follows requests: from the door through the gate to a pool, and from there back to the client.

    Attributes:
        done: happens when everything that is measured has come to its end.
        log: columns of its requests.
        pools: that a request goes through, in order, or one of which it goes to.
        most_tokens: prompt and answer of the longest request that it serves.
        callers: clients outside of the simulation, where the traffic is theirs.
    """

    def __init__(
        self, clock: Clock, index: int, spec: ServiceSpec, streams: Streams, horizon: Horizon, stepping: Stepping
    ) -> None:
        self.done = clock.event()
        handovers = None if spec.link is None else HandoverLog()
        self.log = log = RequestLog(handovers)
        self.most_tokens, self._longest_prompt = spec.most_tokens, spec.longest_prompt
        self._most_tokens_of = [pool.most_tokens for pool in spec.pools]
        self._by_length = spec.first_router if isinstance(spec.first_router, ByPromptLength) else None
        self._spec, self._clock = spec, clock
        self._tally = tally = Tally(clock, horizon, log, self._end)
        order = order_of(ARRIVE, index)
        self.pools = [
            Pool(number, spec, index, tally, self._on_finished, clock, streams, stepping)
            for number in range(len(spec.pools))
        ]
        self._let_in = self.pools[0].offer
        self._link: Link | None = None
        self._first: FirstRouter | None = None
        if spec.link is not None and handovers is not None:
            source, destination = self.pools
            after = order_of(ARRIVE, index, 1)
            self._link = Link(spec.link, source, destination, tally, handovers, clock, after, self._longest_prompt)
            self._let_in = self._link.enter
        elif len(self.pools) > 1:
            self._first = FirstRouter(self.pools, self._most_tokens_of, spec.first_router, self._refuse, log)
            self._let_in = self._first.offer
        self._gate: Gate | None = None
        if spec.rate_limits:
            self._gate = Gate(spec.rate_limits, self._let_in, self._refuse, tally, clock, order, streams)
        self._clients: Clients | None = None  # those who wait for answers
        way = Way(
            spec,
            tally,
            self.admit,
            clock,
            order,
            keeps_sessions=any(pool.router in LOOK_AT_SESSIONS for pool in spec.pools),
        )
        self._clients = start_clients(spec, way, self._let_in, self._gate, streams)
        self.callers = self._clients if isinstance(self._clients, Callers) else None

    def admit(self, request: int) -> None:
        """A request comes to the door: refuse it, or let it in."""
        log, most = self.log, self.most_tokens
        prompt = log.prompt_tokens[request]
        if self._by_length is not None:
            most = self._most_tokens_of[self._by_length.pool_of(prompt)]
        if prompt + log.output_tokens[request] > most or prompt > self._longest_prompt:
            self._refuse(request)
        elif self._gate is not None:
            self._gate.come(request)
        else:
            self._let_in(request)

    def _refuse(self, request: int) -> None:
        """A request is refused for good."""
        self.log.rejected.append(request)
        if self._clients is not None:
            self._clients.on_refused(request)
        self._tally.count_out(request)

    def _on_finished(self, request: int, at: float) -> None:
        """The client of `request` has its last token at `at`."""
        self.log.finished[request] = 1
        if self._first is not None:
            self._first.on_left(request)
        self._tally.count_out(request)
        if self._clients is not None:
            self._clients.on_answered(request, at)

    def _end(self) -> None:
        for pool in self.pools:
            pool.halt()
        self.done.succeed()

    def record(self) -> ServiceRecord:
        """Everything that is known at the end."""
        sent, ended_at = self._tally.sent, self._tally.ended_at
        requests = self.log.table(sent)
        link = None if self._link is None else self._link.record(sent)
        handover = None if link is None else link.handover
        pool_of = None if self._first is None else self._first.chosen(sent)
        return ServiceRecord(
            name=self._spec.name,
            requests=requests,
            pools=tuple(pool.record(requests, handover, pool_of, ended_at) for pool in self.pools),
            ended_at=ended_at,
            events=self._clock.agenda.scheduled,
            tenants=self._gate.record(sent) if self._gate else (),
            questions=self._clients.questions.table() if isinstance(self._clients, Askers) else None,
            texts=self.log.texts(sent),
            link=link,
            pool_of=pool_of,
        )
