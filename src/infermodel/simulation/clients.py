"""Who sends requests: clients that do not wait for answers, users that do, and askers of questions of several calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from math import inf

from infermodel.simulation.alarm import Alarm, Routine
from infermodel.simulation.clock import Clock
from infermodel.simulation.joining import joining_s
from infermodel.simulation.questions import Questions
from infermodel.simulation.spec import ServiceSpec
from infermodel.simulation.streams import Streams
from infermodel.simulation.tally import Tally
from infermodel.workload.requests import Requests
from infermodel.workload.sessions import Call, Session, SessionTraffic, requests_of_calls
from infermodel.workload.traffic import ClosedTraffic

Door = Callable[[int], None]
"""Where requests enter the service: called with a request's number when its scheduler may see it."""

PAUSE_AFTER_REJECTION_S = 1.0
"""A closed-loop user whose request is refused tries the next one after this."""


def arrivals(
    requests: Iterator[Requests], spec: ServiceSpec, tally: Tally, door: Door, clock: Clock, order: int, alarm: Alarm
) -> Routine:
    """Send requests whether or not earlier ones are answered. None overtakes another on its way to the scheduler."""
    horizon = tally.horizon
    for block in requests:
        number = tally.log.extend(block)
        ingress_s, tokenise_s = spec.to_the_door_s
        ways_s = ingress_s + tokenise_s * block.prompt_tokens
        for arrived_at, way_s in zip(block.arrived_at.tolist(), ways_s.tolist(), strict=True):
            if tally.measured == inf and (
                arrived_at >= horizon.duration_s or (number >= horizon.requests and arrived_at > tally.first_at)
            ):
                tally.close_window(more=True)
            at = arrived_at + way_s
            if at > clock.now:
                alarm.set(at, order)
                yield alarm
            if tally.ended:
                return
            tally.count_in(number)
            door(number)
            number += 1
    if tally.measured == inf:
        tally.close_window(more=False)


class Users:
    """A fixed number of users, each of whom sends the next request after an answer and a pause."""

    def __init__(
        self,
        traffic: ClosedTraffic,
        spec: ServiceSpec,
        tally: Tally,
        door: Door,
        clock: Clock,
        order: int,
        streams: Streams,
    ) -> None:
        self._spec, self._tally, self._door, self._clock, self._order = spec, tally, door, clock, order
        self._bodies = traffic.blocks(streams)
        self._pauses = map(float, chain.from_iterable(traffic.think_times(streams)))
        self._think_s: list[float] = []
        self._waiting: dict[int, Alarm] = {}  # users by the request whose answer they wait for
        self._first_at = traffic.first_sent_s(streams, joining_s(spec)).tolist()
        self._requests = inf if traffic.requests is None else float(traffic.requests)

    def start(self) -> None:
        """The users come, together or one after the other."""
        for first_at in self._first_at:
            alarm = Alarm(self._clock.agenda)
            alarm.start(self.user(alarm, first_at, self._requests))

    def user(self, alarm: Alarm, first_at: float, requests: float) -> Routine:
        """Send a request, wait for the whole answer, think, send the next, until all users have sent `requests`."""
        tally, clock, log = self._tally, self._clock, self._tally.log
        if first_at > clock.now:
            alarm.set(first_at, self._order)
            yield alarm
        while not tally.ended:
            request = tally.sent
            if request >= requests:
                tally.close_window(more=False)
                return
            if request >= tally.horizon.requests and tally.measured == inf and clock.now > tally.first_at:
                tally.close_window(more=True)
                if tally.ended:
                    return
            if request >= len(log):
                block = next(self._bodies)
                log.extend(block)
                self._think_s.extend([next(self._pauses) for _ in range(len(block))])
            log.arrived_at[request] = clock.now
            tally.count_in(request)
            alarm.set(clock.now + self._spec.way_s(log.prompt_tokens[request]), self._order)
            yield alarm
            self._waiting[request] = alarm
            self._door(request)
            yield alarm

    def on_answered(self, request: int, at: float) -> None:
        """The user has the whole answer at `at`."""
        self._waiting.pop(request).set(at + self._think_s[request], self._order)

    def on_refused(self, request: int) -> None:
        """The user pauses before the next try."""
        pause_s = max(self._think_s[request], PAUSE_AFTER_REJECTION_S)
        self._waiting.pop(request).set(self._clock.now + pause_s, self._order)


class Askers:
    """Ask questions that take several calls each; calls that wait for others are sent when those are answered."""

    def __init__(
        self,
        traffic: SessionTraffic,
        spec: ServiceSpec,
        tally: Tally,
        door: Door,
        clock: Clock,
        order: int,
        streams: Streams,
    ) -> None:
        self._spec, self._tally, self._door, self._clock, self._order = spec, tally, door, clock, order
        self._block_tokens = traffic.block_tokens
        self.questions = Questions()
        tally.promised = self._promised
        self._sessions = traffic.sessions(streams)

    def start(self) -> None:
        """The first question comes."""
        alarm = Alarm(self._clock.agenda)
        alarm.start(self.ask(alarm, self._sessions))

    def ask(self, alarm: Alarm, sessions: Iterator[Session]) -> Routine:
        """Ask questions whether or not earlier ones are answered."""
        clock, tally = self._clock, self._tally
        for session in sessions:
            if session.arrived_at > clock.now:
                alarm.set(session.arrived_at, self._order)
                yield alarm
            self._close_if_enough()
            if tally.ended:
                return
            number = self.questions.ask(session, measured=tally.measured == inf)
            for call in session.first_calls():
                self._send(number, call)
        tally.close_window(more=False)

    def _send(self, question: int, call: Call) -> None:
        """A call of a question becomes a request now."""
        tally, clock = self._tally, self._clock
        self._close_if_enough()
        if tally.ended:
            return
        request = tally.log.extend(requests_of_calls([call], self._block_tokens))
        tally.log.arrived_at[request] = clock.now
        tally.count_in(request)
        self.questions.sent(request, question, call)
        way_s = self._spec.way_s(tally.log.prompt_tokens[request])
        clock.call_at(clock.now + way_s, self._order, partial(self._door, request))

    def _close_if_enough(self) -> None:
        """Calls are the requests that a run counts; those that all come at the first moment are measured together."""
        tally = self._tally
        if tally.sent >= tally.horizon.requests and self._clock.now > tally.first_at:
            tally.close_window(more=True)

    def _promised(self) -> bool:
        """Whether a measured question is not answered yet."""
        return bool(self.questions.open)

    def on_answered(self, request: int, at: float) -> None:
        """A call has been answered at the client: those that waited for it are sent, or the question is answered."""
        question, ready = self.questions.answered(request, at)
        for call in ready:
            send = partial(self._send, question, call)
            self._clock.call_at(max(call.sent_at, self._clock.now), self._order, send)
        self._tally.end_if_done()

    def on_refused(self, request: int) -> None:
        """The question will have no answer."""
        self.questions.give_up(request)
