"""Keys of an API by the names that clients give, and what they are told of their quotas."""

from __future__ import annotations

from math import ceil, inf

from infermodel.serve.asked import Asked, Refused
from infermodel.serve.fleet import Fleet
from infermodel.workload.quotas import RateLimits, key_names


class Keys:
    """Who may send: a tenant's only key has the tenant's name, others `name-1`, `name-2`, ..."""

    def __init__(self, limits: RateLimits | None) -> None:
        self._limits = limits
        self.numbers = {name: i for i, name in enumerate(key_names(limits.tenants))} if limits else {}

    def number(self, authorization: str) -> int:
        """Number of the key in a header `Authorization: Bearer KEY`; 0 where there are no keys.

        Raises:
            Refused: there is no such key.
        """
        if self._limits is None:
            return 0
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key:
            said = "You didn't provide an API key. Send it as a header: Authorization: Bearer KEY."
            raise Refused(401, said)
        if key.strip() not in self.numbers:
            raise Refused(401, "Incorrect API key provided.", code="invalid_api_key")
        return self.numbers[key.strip()]

    def take(self, fleet: Fleet, key: int, asked: Asked, prompt_tokens: int, output_tokens: int) -> None:
        """Take a request from its key's quotas.

        Raises:
            Refused: too much for now, or for ever.
        """
        if self._limits is None:
            return
        wanted = self._limits.requested_output
        if wanted is None:
            wanted = output_tokens if asked.most is None else asked.most
        tokens = prompt_tokens + wanted
        wait_s = fleet.ask(key, tokens)
        if wait_s == inf:
            said = f"Request too large: it asks for {tokens} tokens, more than a quota of this key holds."
            raise Refused(429, said, kind="tokens", code="rate_limit_exceeded")
        if wait_s > 0:
            said = f"Rate limit reached. Please try again in {wait_s:.3f}s."
            headers = {"Retry-After": str(ceil(wait_s)), "retry-after-ms": str(ceil(1000 * wait_s))}
            raise Refused(429, said, kind="requests", code="rate_limit_exceeded", headers=headers)
