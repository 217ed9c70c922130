"""Which replica gets a request: pure policies over what a router may see of requests and replicas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from infermodel.simulation.pool.load import LoadIndex
from infermodel.simulation.pool.unread import Unread
from infermodel.simulation.replica.queues import Columns


class PoolView(Protocol):
    """What a router may see: load and memory of the replicas, never how long an answer will be.

    Attributes:
        load: unfinished requests of each replica.
        random: a stream of the router's own.
        turn: how many requests were routed before.
        unread: prompts that replicas have been given and not read yet, where the router looks at prompts.
        homes: where sessions went last, where the router keeps them there.
    """

    load: LoadIndex
    random: np.random.Generator
    turn: int
    unread: Unread
    homes: dict[int, int]

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

    def kv_tokens(self, replica: int, /) -> int:
        """Tokens of context that lie in the blocks that its requests hold."""
        ...

    def cached_tokens(self, replica: int, request: int, /) -> int:
        """Tokens of the request's prompt that need not be computed on the replica."""
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


def two_choices(request: int, pool: PoolView) -> int:
    """Of two replicas, each pair as likely as the others, the one with fewer unfinished requests; the first drawn of
    equals. Nearly as even as the least of all, by a look at two (Mitzenmacher, 2001).
    """
    up = pool.up
    if len(up) == 1:
        return up[0]
    first = int(pool.random.integers(len(up)))
    second = (first + 1 + int(pool.random.integers(len(up) - 1))) % len(up)
    return min(up[first], up[second], key=lambda replica: pool.load.counts[replica])


def prefix_aware(request: int, pool: PoolView) -> int:
    """The replica with the least work: prompt tokens that it would have to compute, those of others that it has been
    given and not read, and tokens of context that it holds; the lowest number of equals. O(replicas).

    The three weigh the same, as in NVIDIA Dynamo's KV router if nothing else is said (its documentation of 1.2: cost of
    prefill and cost of decoding, in blocks, the least of all workers).
    """
    prompt = pool.columns.prompt_tokens[request]

    def work(replica: int) -> tuple[int, int]:
        rest = prompt - pool.cached_tokens(replica, request)
        return rest + pool.unread.tokens[replica] + pool.kv_tokens(replica), replica

    return min(pool.up, key=work)


def session_affinity(request: int, pool: PoolView) -> int:
    """Where the session's request before went, while that is up; the replica with the fewest unfinished requests where
    there is none, which then is the session's.
    """
    session = pool.columns.sessions.get(request)
    home = None if session is None else pool.homes.get(session)
    if home is not None and pool.load.is_up(home):
        return home
    chosen = pool.load.lightest()
    if session is not None:
        pool.homes[session] = chosen
    return chosen


SHARED_QUEUE = "shared_queue"
"""Not a router: all replicas take from one queue, each when it has room."""

ROUTERS: Mapping[str, Router] = {
    "round_robin": round_robin,
    "random": uniform_random,
    "least_outstanding": least_outstanding,
    "least_kv_used": least_kv_used,
    "two_choices": two_choices,
    "prefix_aware": prefix_aware,
    "session_affinity": session_affinity,
}

LOOK_AT_PROMPTS = frozenset({"prefix_aware"})
"""Routers for whom unread prompts are counted."""

LOOK_AT_SESSIONS = frozenset({"session_affinity"})
"""Routers for whom clients say which session a request is of."""

ROUTER_NAMES: tuple[str, ...] = (*ROUTERS, SHARED_QUEUE)
