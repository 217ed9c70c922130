"""Who sends requests: clients that do not wait for answers, users that do, and askers of questions of several calls."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from math import inf
from typing import TYPE_CHECKING

from infermodel.simulation.alarm import Alarm, Routine
from infermodel.simulation.clock import Clock
from infermodel.simulation.questions import Questions
from infermodel.simulation.streams import Streams
from infermodel.workload.requests import Requests
from infermodel.workload.sessions import Call, Session, SessionTraffic, requests_of_calls
from infermodel.workload.traffic import ClosedTraffic

if TYPE_CHECKING:
    from infermodel.simulation.service import Service

PAUSE_AFTER_REJECTION_S = 1.0
"""A closed-loop user whose request is refused tries the next one after this."""


def arrivals(service: Service, clock: Clock, alarm: Alarm, requests: Iterator[Requests]) -> Routine:
    """Send requests whether or not earlier ones are answered. None overtakes another on its way to the scheduler."""
    horizon, order = service.horizon, service.order
    for block in requests:
        number = service.log.extend(block)
        ways_s = service.spec.ingress_s + service.spec.tokenise_s * block.prompt_tokens
        for arrived_at, way_s in zip(block.arrived_at.tolist(), ways_s.tolist(), strict=True):
            if service.measured == inf and (
                arrived_at >= horizon.duration_s or (number >= horizon.requests and arrived_at > service.first_at)
            ):
                service.close_window(more=True)
            at = arrived_at + way_s
            if at > clock.now:
                alarm.set(at, order)
                yield alarm
            if service.ended:
                return
            service.count_in(number)
            service.admit(number)
            number += 1
    if service.measured == inf:
        service.close_window(more=False)


class Users:
    """A fixed number of users, each of whom sends the next request after an answer and a pause."""

    def __init__(self, service: Service, clock: Clock, traffic: ClosedTraffic, streams: Streams) -> None:
        self._service, self._clock = service, clock
        self._bodies = traffic.blocks(streams)
        self._pauses = map(float, chain.from_iterable(traffic.think_times(streams)))
        self._think_s: list[float] = []
        self._waiting: dict[int, Alarm] = {}  # users by the request whose answer they wait for
        self._users, self._requests = traffic.users, inf if traffic.requests is None else float(traffic.requests)

    def start(self) -> None:
        """All users send their first request."""
        for _ in range(self._users):
            alarm = Alarm(self._clock.agenda)
            alarm.start(self.user(alarm, self._requests))

    def user(self, alarm: Alarm, requests: float) -> Routine:
        """Send a request, wait for the whole answer, think, send the next, until all users have sent `requests`."""
        service, clock, log = self._service, self._clock, self._service.log
        while not service.ended:
            request = service.sent
            if request >= requests:
                service.close_window(more=False)
                return
            if request >= service.horizon.requests and service.measured == inf and clock.now > service.first_at:
                service.close_window(more=True)
                if service.ended:
                    return
            if request >= len(log):
                block = next(self._bodies)
                log.extend(block)
                self._think_s.extend([next(self._pauses) for _ in range(len(block))])
            log.arrived_at[request] = clock.now
            service.count_in(request)
            alarm.set(clock.now + service.spec.way_s(log.prompt_tokens[request]), service.order)
            yield alarm
            self._waiting[request] = alarm
            service.admit(request)
            yield alarm

    @property
    def open(self) -> bool:
        """Whether measured work has yet to be sent: a user's next request is none."""
        return False

    def on_answered(self, request: int, at: float) -> None:
        """The user has the whole answer at `at`."""
        self._waiting.pop(request).set(at + self._think_s[request], self._service.order)

    def on_refused(self, request: int) -> None:
        """The user pauses before the next try."""
        pause_s = max(self._think_s[request], PAUSE_AFTER_REJECTION_S)
        self._waiting.pop(request).set(self._clock.now + pause_s, self._service.order)


class Askers:
    """Ask questions that take several calls each; calls that wait for others are sent when those are answered."""

    def __init__(self, service: Service, clock: Clock, traffic: SessionTraffic, streams: Streams) -> None:
        self._service, self._clock, self._block_tokens = service, clock, traffic.block_tokens
        self.questions = Questions()
        self._sessions = traffic.sessions(streams)

    def start(self) -> None:
        """The first question comes."""
        alarm = Alarm(self._clock.agenda)
        alarm.start(self.ask(alarm, self._sessions))

    def ask(self, alarm: Alarm, sessions: Iterator[Session]) -> Routine:
        """Ask questions whether or not earlier ones are answered."""
        clock, service = self._clock, self._service
        for session in sessions:
            if session.arrived_at > clock.now:
                alarm.set(session.arrived_at, service.order)
                yield alarm
            self._close_if_enough()
            if service.ended:
                return
            number = self.questions.ask(session, measured=service.measured == inf)
            for call in session.first_calls():
                self._send(number, call)
        service.close_window(more=False)

    def _send(self, question: int, call: Call) -> None:
        """A call of a question becomes a request now."""
        service, clock = self._service, self._clock
        self._close_if_enough()
        if service.ended:
            return
        request = service.log.extend(requests_of_calls([call], self._block_tokens))
        service.log.arrived_at[request] = clock.now
        service.count_in(request)
        self.questions.sent(request, question, call)
        way_s = service.spec.way_s(service.log.prompt_tokens[request])
        clock.call_at(clock.now + way_s, service.order, partial(service.admit, request))

    def _close_if_enough(self) -> None:
        """Calls are the requests that a run counts; those that all come at the first moment are measured together."""
        service = self._service
        if service.sent >= service.horizon.requests and self._clock.now > service.first_at:
            service.close_window(more=True)

    @property
    def open(self) -> bool:
        """Whether a measured question is not answered yet."""
        return bool(self.questions.open)

    def on_answered(self, request: int, at: float) -> None:
        """A call has been answered at the client: those that waited for it are sent, or the question is answered."""
        question, ready = self.questions.answered(request, at)
        for call in ready:
            send = partial(self._send, question, call)
            self._clock.call_at(max(call.sent_at, self._clock.now), self._service.order, send)
        self._service.end_if_done()

    def on_refused(self, request: int) -> None:
        """The question will have no answer."""
        self.questions.give_up(request)
