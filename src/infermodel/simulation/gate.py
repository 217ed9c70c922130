"""The gate of an API: requests belong to keys, keys to tenants, and each key has its limits.

A refused client is told when to try again, and then sends what has waited in its line, in order, until it is refused
once more. So a refusal costs one attempt however long the line is, and nobody asks in vain before his time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf

import numpy as np

from infermodel.simulation.clock import Clock
from infermodel.simulation.streams import Streams
from infermodel.simulation.tally import Tally
from infermodel.tables import TenantRecord
from infermodel.workload.quotas import Buckets, RateLimits

DRAWN_AT_ONCE = 4096


class Gate:
    """Buckets, lines and counts of every key.

    Args:
        rate_limits: of the keys.
        let_in: called with a request whose tokens are taken from its key.
        refuse: called with one that will never be let in.
        tally: of the service.
        clock, order: when clients try again, and their place in an instant.
        streams: which key a request has is drawn.
    """

    def __init__(
        self,
        rate_limits: RateLimits,
        let_in: Callable[[int], object],
        refuse: Callable[[int], object],
        tally: Tally,
        clock: Clock,
        order: int,
        streams: Streams,
    ) -> None:
        self._random, self._limits = streams("key"), rate_limits
        self._let_in, self._refuse = let_in, refuse
        self._tally, self._clock, self._order = tally, clock, order
        tenants = rate_limits.tenants
        self._tenant_of_key = np.repeat(np.arange(len(tenants)), [tenant.keys for tenant in tenants])
        shares = np.array([tenant.share / tenant.keys for tenant in tenants])[self._tenant_of_key]
        self._cumulative = np.cumsum(shares / shares.sum())
        self._keys: list[int] = []
        self._buckets = [Buckets(tenants[number].limits) for number in self._tenant_of_key]
        self._lines: list[deque[int]] = [deque() for _ in self._tenant_of_key]  # of each key, who waits at the client
        self._refusals = np.zeros(len(tenants), np.int64)
        self._tokens = np.zeros(len(self._tenant_of_key), np.int64)

    def _key(self, request: int) -> int:
        """Key of a request: its log's, or one that was noted; else drawn in order of number, whoever asks first."""
        known = self._tally.log.keys.get(request)
        if known is not None:
            return known
        while request >= len(self._keys):
            drawn = np.searchsorted(self._cumulative, self._random.random(DRAWN_AT_ONCE), side="right")
            self._keys += np.minimum(drawn, len(self._cumulative) - 1).tolist()
        return self._keys[request]

    def come(self, request: int) -> None:
        """A request comes, behind those of its key that were refused and wait at the client."""
        key = self._key(request)
        self.note_key(request, key)
        line = self._lines[key]
        line.append(request)
        if len(line) == 1:
            self._try(key)

    def note_key(self, request: int, key: int) -> None:
        """A request is of a key, and has the priority of its tenant."""
        log, priority = self._tally.log, self._limits.tenants[int(self._tenant_of_key[key])].priority
        log.keys[request] = key
        if priority is not None:
            log.priority[request] = priority

    def _try(self, key: int) -> None:
        """Send what waits in a key's line until one is refused; that one tries again when it was told to."""
        line, now = self._lines[key], self._clock.now
        while line and not self._tally.ended:
            request = line[0]
            again = self.take(key, now, self._charge(request))
            if again > now and not self._limits.backs_off:
                again = inf
            if now < again < inf:
                self._clock.call_at(again, self._order, partial(self._try, key))
                return
            line.popleft()
            if again == inf:
                self._refuse(request)
            else:
                self._let_in(request)

    def _charge(self, request: int) -> int:
        """Tokens that a request is charged: its prompt and the output that it asks for."""
        log, asked = self._tally.log, self._limits.requested_output
        return log.prompt_tokens[request] + (log.output_tokens[request] if asked is None else asked)

    def take(self, key: int, at: float, tokens: int) -> float:
        """`at` if the tokens are taken from the key; else when it is worth trying again, perhaps never."""
        again = self._buckets[key].take(at, tokens)
        if again == at:
            self._tokens[key] += tokens
        else:
            self._refusals[self._tenant_of_key[key]] += 1
        return again

    def record(self, requests: int) -> tuple[TenantRecord, ...]:
        """What each tenant got, given how many requests were sent."""
        tenant_of = self._tenant_of_key[np.array([self._key(request) for request in range(requests)], np.int64)]
        return tuple(
            TenantRecord(
                name=tenant.name,
                keys=tenant.keys,
                requests=np.flatnonzero(tenant_of == number),
                refusals=int(self._refusals[number]),
                tokens_of_keys=self._tokens[self._tenant_of_key == number],
                waiting=sum(len(self._lines[key]) for key in np.flatnonzero(self._tenant_of_key == number)),
            )
            for number, tenant in enumerate(self._limits.tenants)
        )
