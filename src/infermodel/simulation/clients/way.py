"""The way of requests from their clients to the door of a service."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Generator as PythonsGenerator
from functools import partial

from simpy.events import Event

from infermodel.simulation.alarm import Alarm, Routine
from infermodel.simulation.clock import Clock
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.spec import ServiceSpec
from infermodel.simulation.tally import Tally

Generator = PythonsGenerator[Event, None, None]
"""A request generator of a service: a SimPy process."""

Door = Callable[[int], None]
"""Where requests enter the service: called with a request's number when it comes there."""


class Way:
    """Requests leave their clients and come to the door a little later.

    Attributes:
        tally: where they are counted, with their columns.
        door: where they come to.
        clock: of the simulation.
        order: place of what clients do within an instant.
        ingress_s, tokenise_s: time that a request takes, and further time for each token of its prompt.
        keeps_sessions: whether a router asks which session a request is of.
    """

    def __init__(
        self, spec: ServiceSpec, tally: Tally, door: Door, clock: Clock, order: int, *, keeps_sessions: bool
    ) -> None:
        self.tally, self.door, self.clock, self.order = tally, door, clock, order
        self.ingress_s, self.tokenise_s = spec.to_the_door_s
        self.keeps_sessions = keeps_sessions

    @property
    def log(self) -> RequestLog:
        """Columns of the requests."""
        return self.tally.log

    def note_session(self, request: int, session: int) -> None:
        """A request is of a session, if anybody asks."""
        if self.keeps_sessions:
            self.tally.log.sessions[request] = session

    def start(self, routine: Callable[[Alarm], Routine]) -> None:
        """Something that goes on request by request begins: its routine waits for an alarm of its own."""
        alarm = Alarm(self.clock.agenda)
        alarm.start(routine(alarm))

    def takes_s(self, request: int) -> float:
        """From a request's client to the door."""
        return self.ingress_s + self.tokenise_s * self.tally.log.prompt_tokens[request]

    def comes_at(self, request: int) -> float:
        """When a request that leaves its client now comes to the door."""
        return self.clock.now + self.takes_s(request)

    def send(self, request: int, door: Door | None = None, left_at: float | None = None) -> None:
        """A request leaves its client now, or left it a moment ago, for this door or another one."""
        self.tally.count_in(request)
        now = self.clock.now
        at = self.comes_at(request) if left_at is None else max(now, left_at + self.takes_s(request))
        self.clock.call_at(at, self.order, partial(door or self.door, request))
