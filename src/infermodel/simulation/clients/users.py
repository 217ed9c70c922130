"""Users who wait for answers."""

from __future__ import annotations

from functools import partial
from itertools import chain
from math import inf

from infermodel.simulation.alarm import Alarm, Routine
from infermodel.simulation.clients.way import Generator, Way
from infermodel.simulation.streams import Streams
from infermodel.workload.traffic import ClosedTraffic

PAUSE_AFTER_REJECTION_S = 1.0
"""A closed-loop user whose request is refused tries the next one after this."""


class Users:
    """A fixed number of users, each of whom sends the next request after an answer and a pause.

    Args:
        traffic: how many, what they send and how long they pause.
        way: of their requests.
        streams: their bodies and pauses are drawn.
        joining_s: from the first user's first request to the last one's.
    """

    def __init__(self, traffic: ClosedTraffic, way: Way, streams: Streams, joining_s: float) -> None:
        self._way = way
        self._bodies = traffic.blocks(streams)
        self._pauses = map(float, chain.from_iterable(traffic.think_times(streams)))
        self._think_s: list[float] = []
        self._waiting: dict[int, Alarm] = {}  # users by the request whose answer they wait for
        self._first_at = traffic.first_sent_s(streams, joining_s).tolist()
        self._requests = inf if traffic.requests is None else float(traffic.requests)

    def generator(self) -> Generator:
        """The users come, together or one after the other, and each goes on by himself."""
        clock = self._way.clock
        for number, first_at in enumerate(sorted(self._first_at)):
            if first_at > clock.now:
                yield clock.at(first_at, self._way.order)
            self._way.start(partial(self.user, number=number, requests=self._requests))

    def user(self, alarm: Alarm, number: int, requests: float) -> Routine:
        """Send a request, wait for the whole answer, think, send the next, until all users have sent `requests`."""
        way, tally, clock, log = self._way, self._way.tally, self._way.clock, self._way.log
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
            way.note_session(request, number)
            alarm.set(way.comes_at(request), way.order)
            yield alarm
            self._waiting[request] = alarm
            way.door(request)
            yield alarm

    def on_answered(self, request: int, at: float) -> None:
        """The user has the whole answer at `at`."""
        self._waiting.pop(request).set(at + self._think_s[request], self._way.order)

    def on_refused(self, request: int) -> None:
        """The user pauses before the next try."""
        pause_s = max(self._think_s[request], PAUSE_AFTER_REJECTION_S)
        self._waiting.pop(request).set(self._way.clock.now + pause_s, self._way.order)
