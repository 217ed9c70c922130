"""Clients outside of the simulation: somebody hands their requests in as they come, beside a load of others."""

from __future__ import annotations

from collections.abc import Callable

from infermodel.simulation.clients.open import send_all
from infermodel.simulation.clients.way import Door, Generator, Way
from infermodel.simulation.gate import Gate
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.streams import Streams
from infermodel.workload.live import LiveTraffic
from infermodel.workload.requests import Requests


def nobody_listens(request: int, at: float) -> None:
    """An answer that nobody waits for."""


class Callers:
    """Hands requests in, and tells when they are answered.

    Attributes:
        log: columns of the requests, the background's among them.
        gate: quotas of keys; None: there are none.
        on_end: called with a request and the time at which its client has the whole answer.

    Args:
        traffic: the load beside them.
        way: of all requests.
        streams: the load is drawn.
        let_in: where requests come to whose quotas are settled.
    """

    def __init__(self, traffic: LiveTraffic, way: Way, streams: Streams, let_in: Door, gate: Gate | None) -> None:
        self.log: RequestLog = way.log
        self.gate = gate
        self.on_end: Callable[[int, float], None] = nobody_listens
        self._way, self._let_in = way, let_in
        self._background = iter(()) if traffic.background is None else traffic.background.blocks(streams)

    def background_generator(self) -> Generator:
        """Sends requests of others; the run goes on when there are no more."""
        return send_all(self._background, self._way)

    def ask(self, key: int, tokens: int) -> float:
        """Take a request and its tokens from a key's quotas: now, or when it is worth trying again; perhaps never."""
        now = self._way.clock.now
        return now if self.gate is None else self.gate.take(key, now, tokens)

    def offer(self, request: Requests, key: int = 0) -> int:
        """A client has sent a request, now or a moment ago, whose quotas are settled; returns its number."""
        number = self.log.extend(request)
        if self.gate is not None:
            self.gate.note_key(number, key)
        self._way.send(number, self._let_in, self.log.arrived_at[number])
        return number

    def on_answered(self, request: int, at: float) -> None:
        """The client has the whole answer at `at`."""
        self.on_end(request, at)

    def on_refused(self, request: int) -> None:
        """A request of the background is lost; callers are refused before they are handed in."""
