"""Which requests of a service are measured, how many of them are still out, and when the run may end."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isnan, nan

from infermodel.simulation.alarm import ARRIVE, order_of
from infermodel.simulation.clock import Clock
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.spec import LONGEST_RUN, Horizon

LONGEST_DRAIN_S = 86400.0
"""Requests that came at one moment set no time in which others would have to finish; after a day they are given up."""


def nothing_promised() -> bool:
    """Whether measured work has yet to be sent, where requests are all the work there is."""
    return False


class Tally:
    """Counts what clients send and what comes to its end.

    Attributes:
        log: columns of the requests.
        horizon: what is measured.
        sent: requests that have left their client.
        measured: requests below this number are measured; infinite while the window is open.
        promised: whether a measured question has calls yet to be sent.
        ended: whether everything that is measured has come to its end.
        ended_at: when; NaN before.
    """

    def __init__(self, clock: Clock, horizon: Horizon, log: RequestLog, on_end: Callable[[], object]) -> None:
        self.log, self.horizon = log, horizon
        self.sent = 0
        self.measured = inf
        self.promised: Callable[[], bool] = nothing_promised
        self.ended = False
        self.ended_at = nan
        self._clock, self._on_end = clock, on_end
        self._pending = 0  # measured requests that have been sent and are neither finished nor rejected

    @property
    def first_at(self) -> float:
        """When the first request was sent; a NaN before."""
        return self.log.arrived_at[0] if self.sent else nan

    def count_in(self, request: int) -> None:
        """A client has sent a request; it may take a while to come."""
        self.sent = request + 1
        self._pending += request < self.measured

    def count_out(self, request: int) -> None:
        """A request is finished, or refused for good."""
        self._pending -= request < self.measured
        if self._pending == 0:
            self.end_if_done()

    def close_after(self, duration_s: float) -> None:
        """No request that comes later than this is measured."""
        if not self.ended:
            self._clock.call_at(duration_s, order_of(ARRIVE), lambda: self.close_window(more=True))

    def close_window(self, *, more: bool) -> None:
        """No later request is measured; `more`: but they keep coming."""
        if self.measured < inf:
            return
        self.measured = float(self.sent)
        self.end_if_done()
        if self.ended:
            return
        drain_s = self.horizon.drain_s
        if drain_s is None and more:
            at_once = self.log.arrived_at[self.sent - 1] == self.first_at if self.sent else False
            if not at_once:
                self._clock.call_at(2 * self._clock.now, order_of(ARRIVE), self._give_up)
                return
            drain_s = LONGEST_DRAIN_S
        if drain_s is not None:
            self._clock.call_at(self._clock.now + drain_s, order_of(ARRIVE), self._end)

    def end_if_done(self) -> None:
        """Stop when everything that is measured has come to its end."""
        if self._pending == 0 and self.measured < inf and not self.promised():
            self._end()

    def _give_up(self) -> None:
        """As long again as arrivals were measured has passed. A measured request that no replica has begun ends the
        run; where all are being answered, they get the time that long answers take."""
        if self._pending and not self._anybody_unbegun():
            self._clock.call_at(LONGEST_RUN / 2 * self._clock.now, order_of(ARRIVE), self._end)
        else:
            self._end()

    def _anybody_unbegun(self) -> bool:
        """Whether some measured request waits for its first step."""
        begun_at, finished, rejected = self.log.first_scheduled_at, self.log.finished, set(self.log.rejected)
        return any(
            isnan(begun_at[request]) and not finished[request] and request not in rejected
            for request in range(int(self.measured))
        )

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self.ended_at = self._clock.now
            self._on_end()
