"""Askers of questions that take several calls."""

from __future__ import annotations

from functools import partial
from math import inf

from infermodel.simulation.clients.questions import Questions
from infermodel.simulation.clients.way import Generator, Way
from infermodel.simulation.streams import Streams
from infermodel.workload.sessions import Call, SessionTraffic, requests_of_calls


class Askers:
    """Ask questions that take several calls each; calls that wait for others are sent when those are answered."""

    def __init__(self, traffic: SessionTraffic, way: Way, streams: Streams) -> None:
        self._way = way
        self._block_tokens = traffic.block_tokens
        self.questions = Questions()
        way.tally.promised = self._promised
        self._sessions = traffic.sessions(streams)

    def generator(self) -> Generator:
        """Ask questions whether or not earlier ones are answered."""
        way, clock, tally = self._way, self._way.clock, self._way.tally
        for session in self._sessions:
            if session.arrived_at > clock.now:
                yield clock.at(session.arrived_at, way.order)
            self._close_if_enough()
            if tally.ended:
                return
            number = self.questions.ask(session, measured=tally.measured == inf)
            for call in session.first_calls():
                self._send(number, call)
        tally.close_window(more=False)

    def _send(self, question: int, call: Call) -> None:
        """A call of a question becomes a request now."""
        way, tally = self._way, self._way.tally
        self._close_if_enough()
        if tally.ended:
            return
        request = tally.log.extend(requests_of_calls([call], self._block_tokens))
        tally.log.arrived_at[request] = way.clock.now
        self.questions.sent(request, question, call)
        way.note_session(request, question)
        way.send(request)

    def _close_if_enough(self) -> None:
        """Calls are the requests that a run counts; those that all come at the first moment are measured together."""
        tally = self._way.tally
        if tally.sent >= tally.horizon.requests and self._way.clock.now > tally.first_at:
            tally.close_window(more=True)

    def _promised(self) -> bool:
        """Whether a measured question is not answered yet."""
        return bool(self.questions.open)

    def on_answered(self, request: int, at: float) -> None:
        """A call has been answered at the client: those that waited for it are sent, or the question is answered."""
        question, ready = self.questions.answered(request, at)
        for call in ready:
            send = partial(self._send, question, call)
            self._way.clock.call_at(max(call.sent_at, self._way.clock.now), self._way.order, send)
        self._way.tally.end_if_done()

    def on_refused(self, request: int) -> None:
        """The question will have no answer."""
        self.questions.give_up(request)
