"""Which replica gets a request: pure policies over what a router may see of requests and replicas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from infermodel.simulation.pool.load import LoadIndex
from infermodel.simulation.replica.queues import Columns


class PoolView(Protocol):
    """What a router may see: load and memory of the replicas, never how long an answer will be.

    Attributes:
        load: unfinished requests of each replica.
        random: a stream of the router's own.
        turn: how many requests were routed before.
    """

    load: LoadIndex
    random: np.random.Generator
    turn: int

    @property
    def up(self) -> Sequence[int]:
        """Replicas that are up, ascending; never empty when a router is asked."""
        ...

    @property
    def columns(self) -> Columns:
        """What may be known of requests, by number."""
        ...

    def kv_used(self, replica: int, /) -> float:
        """Share of the replica's KV memory in use or spoken for."""
        ...


Router = Callable[[int, PoolView], int]
"""From (request, what it may see) to a replica."""


def round_robin(request: int, pool: PoolView) -> int:
    """Each replica in turn."""
    return pool.up[pool.turn % len(pool.up)]


def uniform_random(request: int, pool: PoolView) -> int:
    """Any replica with the same probability."""
    return pool.up[int(pool.random.integers(len(pool.up)))]


def least_outstanding(request: int, pool: PoolView) -> int:
    """The replica with the fewest unfinished requests; the lowest number of equals."""
    return pool.load.lightest()


def least_kv_used(request: int, pool: PoolView) -> int:
    """The replica with the smallest share of KV memory in use; the lowest number of equals. O(replicas)."""
    return min(pool.up, key=lambda replica: (pool.kv_used(replica), replica))


SHARED_QUEUE = "shared_queue"
"""Not a router: all replicas take from one queue, each when it has room."""

ROUTERS: Mapping[str, Router] = {
    "round_robin": round_robin,
    "random": uniform_random,
    "least_outstanding": least_outstanding,
    "least_kv_used": least_kv_used,
}

ROUTER_NAMES: tuple[str, ...] = (*ROUTERS, SHARED_QUEUE)
