"""Clients outside of the simulation: somebody hands their requests in as they come, beside a load of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from infermodel.simulation.alarm import Alarm, Routine
from infermodel.simulation.clients import Door
from infermodel.simulation.clock import Clock
from infermodel.simulation.gate import Gate
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.spec import ServiceSpec
from infermodel.simulation.streams import Streams
from infermodel.simulation.tally import Tally
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
    """

    def __init__(
        self,
        traffic: LiveTraffic,
        spec: ServiceSpec,
        tally: Tally,
        admit: Door,
        dispatch: Door,
        gate: Gate | None,
        clock: Clock,
        order: int,
        streams: Streams,
    ) -> None:
        self.log: RequestLog = tally.log
        self.gate = gate
        self.on_end: Callable[[int, float], None] = nobody_listens
        self._background, self._streams = traffic.background, streams
        self._spec, self._tally, self._clock, self._order = spec, tally, clock, order
        self._admit, self._dispatch = admit, dispatch

    def start(self) -> None:
        """The background begins."""
        if self._background is not None:
            alarm = Alarm(self._clock.agenda)
            alarm.start(self.background(alarm, self._background.blocks(self._streams)))

    def background(self, alarm: Alarm, requests: Iterator[Requests]) -> Routine:
        """Send requests of others; the run goes on when there are no more."""
        for block in requests:
            number = self.log.extend(block)
            for arrived_at, prompt in zip(block.arrived_at.tolist(), block.prompt_tokens.tolist(), strict=True):
                at = arrived_at + self._spec.way_s(prompt)
                if at > self._clock.now:
                    alarm.set(at, self._order)
                    yield alarm
                self._tally.count_in(number)
                self._admit(number)
                number += 1

    def ask(self, key: int, tokens: int) -> float:
        """Take a request and its tokens from a key's quotas: now, or when it is worth trying again; perhaps never."""
        return self._clock.now if self.gate is None else self.gate.take(key, self._clock.now, tokens)

    def offer(self, request: Requests, key: int = 0) -> int:
        """A client sends a request now, whose quotas are settled; returns its number."""
        log, now = self.log, self._clock.now
        number = log.extend(request)
        log.arrived_at[number] = now
        if self.gate is not None:
            self.gate.note_key(number, key)
        self._tally.count_in(number)
        at = now + self._spec.way_s(log.prompt_tokens[number])
        self._clock.call_at(at, self._order, partial(self._dispatch, number))
        return number

    def on_answered(self, request: int, at: float) -> None:
        """The client has the whole answer at `at`."""
        self.on_end(request, at)

    def on_refused(self, request: int) -> None:
        """A request of the background is lost; callers are refused before they are handed in."""
