"""Who may send how much: rate limits of an API key, buckets of requests and tokens, each filled again when its period
is over, and the tenants that keys belong to.

A request takes one from each bucket of requests, and its prompt and the output it asks for from each bucket of tokens,
when it is admitted. If any bucket has too little, it takes nothing and is told when to try again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, inf


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What a key may send in each period, counted from time 0.

    Attributes:
        period_s: after which the buckets are full again.
        requests, tokens: that fill them; infinite where there is no such limit.
    """

    period_s: float
    requests: float = inf
    tokens: float = inf


@dataclass(frozen=True)
class Tenant:
    """Keys that are alike.

    Attributes:
        keys: how many.
        share: of the requests, against those of the other tenants; each of its keys sends as much as the next.
        limits: of each key; none: no limit.
        priority: of its requests; None: as the traffic has it.
    """

    name: str
    keys: int = 1
    share: float = 1.0
    limits: tuple[RateLimit, ...] = ()
    priority: int | None = None


def key_names(tenants: Sequence[Tenant]) -> list[str]:
    """Names of all keys: of a tenant's only key its own, of several `name-1`, `name-2` and so on.

    >>> key_names([Tenant("paying"), Tenant("free", keys=2)])
    ['paying', 'free-1', 'free-2']
    """
    each = ([t.name] if t.keys == 1 else [f"{t.name}-{i}" for i in range(1, t.keys + 1)] for t in tenants)
    return [name for names in each for name in names]


@dataclass(frozen=True)
class RateLimits:
    """Who may send how much.

    Attributes:
        tenants: at least one.
        requested_output: tokens of output that every request asks for; None: what it turns out to need.
        backs_off: whether a refused client tries again; one that does not has lost the request.
    """

    tenants: tuple[Tenant, ...]
    requested_output: int | None = None
    backs_off: bool = True


class Buckets:
    """What one key has left of its limits."""

    def __init__(self, limits: Sequence[RateLimit]) -> None:
        self.limits = tuple(limits)
        self._period = [0] * len(self.limits)
        self._requests = [limit.requests for limit in self.limits]
        self._tokens = [limit.tokens for limit in self.limits]

    def take(self, at: float, tokens: int) -> float:
        """Take a request out of every bucket, or nothing.

        Args:
            at: seconds, not before the last time.
            tokens: prompt and requested output.

        Returns:
            `at` if it was taken; else when every bucket that has too little is full again; infinity if it asks for
            more than a full bucket holds.

        >>> key = Buckets([RateLimit(60, requests=2, tokens=100)])
        >>> key.take(10, 60), key.take(20, 60), key.take(20, 40), key.take(30, 1), key.take(60, 101)
        (10, 60, 20, 60, inf)
        """
        again = at
        for i, limit in enumerate(self.limits):
            if tokens > limit.tokens or limit.requests < 1:
                return inf
            period = floor(at / limit.period_s)
            if (period + 1) * limit.period_s <= at:  # the quotient was rounded down
                period += 1
            if period != self._period[i]:
                self._period[i], self._requests[i], self._tokens[i] = period, limit.requests, limit.tokens
            if self._requests[i] < 1 or self._tokens[i] < tokens:
                again = max(again, (period + 1) * limit.period_s)
        if again == at:
            for i in range(len(self.limits)):
                self._requests[i] -= 1
                self._tokens[i] -= tokens
        return again


def most_tokens(limits: Sequence[RateLimit], duration_s: float, tokens_each: float = inf) -> float:
    """Tokens that a key can get within the first `duration_s` seconds, in requests of `tokens_each`.

    Each limit alone allows so many in the periods that begin within the duration; the least of them binds. With
    `tokens_each` infinite, requests never bind. Exact where each period is a whole number of the shorter ones.

    >>> free = [RateLimit(60, 30, 60_000), RateLimit(3600, 900, 1_000_000), RateLimit(86400, 14_400, 1_000_000)]
    >>> most_tokens(free, 86400), most_tokens(free, 60), most_tokens(free, 86400, 50)
    (1000000.0, 60000.0, 720000.0)
    """
    best = inf
    for limit in limits:
        periods = -(-duration_s // limit.period_s)
        best = min(best, periods * limit.tokens)
        if tokens_each < inf:
            best = min(best, periods * limit.requests * tokens_each)
    return float(best)
