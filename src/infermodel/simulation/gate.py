"""The gate of an API: requests belong to keys, keys to tenants, and each key has its limits.

A refused client is told when to try again, and then sends what has waited in its line, in order, until it is refused
once more. So a refusal costs one attempt however long the line is, and nobody asks in vain before his time.
"""

from __future__ import annotations

from collections import deque
from math import inf

import numpy as np

from infermodel.simulation.streams import Streams
from infermodel.tables import TenantRecord
from infermodel.workload.quotas import Buckets, RateLimits, Tenant

DRAWN_AT_ONCE = 4096


class Gate:
    """Buckets, lines and counts of every key.

    Attributes:
        lines: of each key, the requests that wait at the client.
    """

    def __init__(self, rate_limits: RateLimits, streams: Streams) -> None:
        self._random, self._limits = streams("key"), rate_limits
        tenants = rate_limits.tenants
        self._tenant_of_key = np.repeat(np.arange(len(tenants)), [tenant.keys for tenant in tenants])
        shares = np.array([tenant.share / tenant.keys for tenant in tenants])[self._tenant_of_key]
        self._cumulative = np.cumsum(shares / shares.sum())
        self._keys: list[int] = []
        self._buckets = [Buckets(tenants[number].limits) for number in self._tenant_of_key]
        self.lines: list[deque[int]] = [deque() for _ in self._tenant_of_key]
        self._refusals = np.zeros(len(tenants), np.int64)
        self._tokens = np.zeros(len(self._tenant_of_key), np.int64)

    def key(self, request: int) -> int:
        """Key of a request; drawn in order of number, whoever asks first."""
        while request >= len(self._keys):
            drawn = np.searchsorted(self._cumulative, self._random.random(DRAWN_AT_ONCE), side="right")
            self._keys += np.minimum(drawn, len(self._cumulative) - 1).tolist()
        return self._keys[request]

    def tenant(self, request: int) -> Tenant:
        """Tenant of a request."""
        return self.tenant_of(self.key(request))

    def tokens(self, prompt_tokens: int, output_tokens: int) -> int:
        """Tokens that a request is charged: its prompt and the output that it asks for."""
        asked = self._limits.requested_output
        return prompt_tokens + (output_tokens if asked is None else asked)

    def ask(self, key: int, at: float, tokens: int) -> float:
        """`at` if the tokens are taken from the key; else when it is worth trying again, perhaps never."""
        again = self.take(key, at, tokens)
        return again if again == at or self._limits.backs_off else inf

    def take(self, key: int, at: float, tokens: int) -> float:
        """The same for a client whose way with refusals is its own: when a try would not be in vain."""
        again = self._buckets[key].take(at, tokens)
        if again == at:
            self._tokens[key] += tokens
        else:
            self._refusals[self._tenant_of_key[key]] += 1
        return again

    def tenant_of(self, key: int) -> Tenant:
        """Tenant that a key belongs to."""
        return self._limits.tenants[int(self._tenant_of_key[key])]

    def record(self, requests: int) -> tuple[TenantRecord, ...]:
        """What each tenant got, given how many requests were sent."""
        self.key(requests)
        tenant_of = self._tenant_of_key[np.array(self._keys[:requests], np.int64)]
        return tuple(
            TenantRecord(
                name=tenant.name,
                keys=tenant.keys,
                requests=np.flatnonzero(tenant_of == number),
                refusals=int(self._refusals[number]),
                tokens_of_keys=self._tokens[self._tenant_of_key == number],
                waiting=sum(len(self.lines[key]) for key in np.flatnonzero(self._tenant_of_key == number)),
            )
            for number, tenant in enumerate(self._limits.tenants)
        )
