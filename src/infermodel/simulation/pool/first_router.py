"""Several pools that each do all of a request, behind a router of their own."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from infermodel.simulation.handover import ByPromptLength, ByTenant, FirstRule
from infermodel.simulation.pool.pool import Pool
from infermodel.simulation.records.log import RequestLog


class FirstRouter:
    """Sends each request to one of the pools: by the length of its prompt, by whose it is, to where least is to be
    done, or to each in turn. While that pool is wholly down another one takes it, of those that are long enough the one
    with the least to be done; but a tenant's requests wait for the repair of its own.

    Args:
        pools: that there are.
        most_tokens: prompt and answer of the longest request of each.
        rule: how to choose; None: each in turn.
        refuse: called with a request that is too long for the pool of its tenant.
        log: columns of the requests.
    """

    def __init__(
        self,
        pools: Sequence[Pool],
        most_tokens: Sequence[int],
        rule: FirstRule | None,
        refuse: Callable[[int], object],
        log: RequestLog,
    ) -> None:
        self._pools, self._most_tokens, self._rule, self._refuse, self._log = pools, most_tokens, rule, refuse, log
        self._chosen = array("i")
        self._turn = 0
        self._open = [0] * len(pools)  # unfinished requests
        if not isinstance(rule, ByTenant):
            for pool in pools:
                pool.others = self

    def offer(self, request: int) -> None:
        """A request comes."""
        number, log = self._choose(request), self._log
        if log.prompt_tokens[request] + log.output_tokens[request] > self._most_tokens[number]:
            self._refuse(request)
            return
        missing = request + 1 - len(self._chosen)
        self._chosen.extend(array("i", [-1]) * missing)
        self._chosen[request] = number
        self._open[number] += 1
        self._pools[number].offer(request)

    def take_over(self, request: int) -> bool:
        """The pool that was chosen is down: whether another one takes the request."""
        log = self._log
        tokens = log.prompt_tokens[request] + log.output_tokens[request]
        able = [
            number
            for number, pool in enumerate(self._pools)
            if not pool.is_down and tokens <= self._most_tokens[number]
        ]
        if not able:
            return False
        number = min(able, key=self._load)
        self.on_left(request)
        self._open[number] += 1
        self._chosen[request] = number
        self._pools[number].offer_again(request)
        return True

    def on_up(self) -> None:
        """Replicas of a pool serve that did not before: who waits for the repair of another may go there."""
        for pool in self._pools:
            if pool.is_down:
                pool.offer_stranded()

    def _choose(self, request: int) -> int:
        rule, log = self._rule, self._log
        if isinstance(rule, ByPromptLength):
            return rule.pool_of(log.prompt_tokens[request])
        if isinstance(rule, ByTenant):
            return rule.pools[log.keys[request]]
        if rule is None:
            self._turn += 1
            return (self._turn - 1) % len(self._pools)
        return min(range(len(self._pools)), key=self._load)

    def _load(self, number: int) -> float:
        up = len(self._pools[number].up)
        return self._open[number] / up if up else inf

    def on_left(self, request: int) -> None:
        """A request has its last token, or goes to another pool."""
        self._open[self._chosen[request]] -= 1

    def chosen(self, requests: int) -> NDArray[np.int64]:
        """The pool of each of the first so many requests; -1: none."""
        numbers = np.full(requests, -1, np.int64)
        known = min(requests, len(self._chosen))
        numbers[:known] = np.asarray(self._chosen)[:known]
        return numbers
