"""What a router knows of replicas that it reads every so often, as a gateway does that scrapes their metrics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from infermodel.simulation.alarm import COMPLETE, LAST, Alarm, Routine, order_of
from infermodel.simulation.clock import Clock
from infermodel.simulation.pool.load import LoadIndex
from infermodel.simulation.pool.router import PoolView
from infermodel.simulation.pool.unread import Unread
from infermodel.simulation.replica.queues import Columns


class OldView:
    """A pool as its router last read it: unfinished requests and KV memory of replicas are as they were then. Who is
    up, what the router has sent itself and where prompts lie it knows at any time.

    Readings come at whole multiples of their distance, after what completes at that moment and before what arrives.
    A pool without a request and with nothing in memory is not read: what would be read is known.

    Attributes:
        load, random, turn, unread, homes: as of a `PoolView`.

    Args:
        pool: as it is.
        every_s: between readings.
        clock: of the simulation.
        order: within an instant, see `order_of_readings`.
    """

    def __init__(self, pool: PoolView, every_s: float, clock: Clock, order: int) -> None:
        replicas = len(pool.up)
        self._pool, self._every_s, self._clock, self._order = pool, every_s, clock, order
        self.random: np.random.Generator = pool.random
        self.unread: Unread = pool.unread
        self.homes: dict[int, int] = pool.homes
        self.load = LoadIndex(replicas)
        self.turn = 0
        self._used = [(0.0, 0)] * replicas  # of KV memory: share, tokens
        self._reads = False
        self._alarm = Alarm(clock.agenda)
        self._alarm.start(self._reading())

    @property
    def up(self) -> Sequence[int]:
        """Replicas that are up, ascending."""
        return self._pool.up

    @property
    def columns(self) -> Columns:
        """Of the requests."""
        return self._pool.columns

    def kv_used(self, replica: int) -> float:
        """Share of the replica's KV memory that was in use."""
        return self._used[replica][0]

    def kv_tokens(self, replica: int) -> int:
        """Tokens of context that lay in the blocks that its requests held."""
        return self._used[replica][1]

    def cached_tokens(self, replica: int, request: int) -> int:
        """Tokens of the request's prompt that need not be computed on the replica."""
        return self._pool.cached_tokens(replica, request)

    def note(self, turn: int) -> None:
        """A request comes: from now on there is something to read."""
        self.turn = turn
        if not self._reads:
            self._reads = True
            self._alarm.set(self._next_s(), self._order)

    def _next_s(self) -> float:
        """The first whole multiple of the distance that is later than now."""
        number = int(self._clock.now / self._every_s)
        while number * self._every_s <= self._clock.now:
            number += 1
        return number * self._every_s

    def _reading(self) -> Routine:
        while True:
            yield self._alarm
            self._read()
            if any(self.load.counts) or any(tokens for _, tokens in self._used):
                self._alarm.set(self._next_s(), self._order)
            else:
                self._reads = False

    def _read(self) -> None:
        pool, replicas = self._pool, range(len(self._used))
        self.load = pool.load.copy()
        self._used = [(pool.kv_used(each), pool.kv_tokens(each)) for each in replicas]


def order_of_readings(service: int, pool: int) -> int:
    """Of a pool's readings within an instant: behind all that completes then.

    >>> from infermodel.simulation.alarm import ARRIVE
    >>> order_of(COMPLETE, 0, 99_999) < order_of_readings(0, 1) < order_of_readings(0, 0) < order_of(ARRIVE)
    True
    """
    return order_of(COMPLETE, service, LAST - pool)
