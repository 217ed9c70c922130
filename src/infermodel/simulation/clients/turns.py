"""Conversations of a log: requests that follow the answers before them."""

from __future__ import annotations

from functools import partial

from infermodel.simulation.clients.way import Generator, Way
from infermodel.simulation.streams import Streams
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import TraceTraffic


class Turns:
    """Send those requests of a log that have times of their own at these, and others a while after the answers that
    they follow.
    """

    def __init__(self, traffic: TraceTraffic, way: Way, streams: Streams) -> None:
        self._way = way
        self._blocks = traffic.blocks(streams)
        self._place: dict[int, int] = {}  # in the log, of requests that are not answered yet
        self._first: dict[int, int] = {}  # place of a conversation's first request, by that of a later one
        self._followers: dict[int, list[tuple[int, float, Requests]]] = {}  # by the place of the one before them
        self._to_follow = 0
        self._all_read = False

    def generator(self) -> Generator:
        """Read the log to its end; what follows an answer is kept until it is due."""
        way, place = self._way, 0
        for block in self._blocks:
            assert block.after is not None  # only such logs are played here
            assert block.wait_s is not None
            columns = (block.arrived_at.tolist(), block.after.tolist(), block.wait_s.tolist())
            for at, (arrived_at, earlier, wait_s) in enumerate(zip(*columns, strict=True), place):
                request = block.only(at - place)
                if earlier >= 0:
                    self._followers.setdefault(earlier, []).append((at, wait_s, request))
                    self._to_follow += 1
                    if way.keeps_sessions:
                        self._first[at] = self._first.get(earlier, earlier)
                    continue
                if arrived_at > way.clock.now:
                    yield way.clock.at(arrived_at, way.order)
                if way.tally.ended:
                    return
                self._send(at, request)
            place += len(block)
        self._all_read = True
        self._close_if_all()

    def _send(self, place: int, request: Requests) -> None:
        way, tally = self._way, self._way.tally
        if tally.sent >= tally.horizon.requests and way.clock.now > tally.first_at:
            tally.close_window(more=True)
        if tally.ended:
            return
        number = tally.log.extend(request)
        tally.log.arrived_at[number] = way.clock.now
        self._place[number] = place
        way.note_session(number, self._first.get(place, place))
        way.send(number)

    def _send_follower(self, place: int, request: Requests) -> None:
        self._to_follow -= 1
        self._send(place, request)
        self._close_if_all()

    def _close_if_all(self) -> None:
        if self._all_read and not self._to_follow:
            self._way.tally.close_window(more=False)

    def on_answered(self, request: int, at: float) -> None:
        """Those that follow are sent when they have waited."""
        clock, order = self._way.clock, self._way.order
        for place, wait_s, follower in self._followers.pop(self._place.pop(request), ()):
            clock.call_at(max(at + wait_s, clock.now), order, partial(self._send_follower, place, follower))

    def on_refused(self, request: int) -> None:
        """The rest of the conversation is never sent."""
        lost = [self._place.pop(request)]
        while lost:
            for place, _, _ in self._followers.pop(lost.pop(), ()):
                self._to_follow -= 1
                lost.append(place)
        self._close_if_all()
