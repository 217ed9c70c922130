"""Several pools that each do all of a request, behind a router of their own."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from infermodel.simulation.handover import ByPromptLength
from infermodel.simulation.pool.pool import Pool
from infermodel.simulation.records.log import RequestLog


class FirstRouter:
    """Sends each request to one of the pools, by the length of its prompt or to each in turn."""

    def __init__(self, pools: Sequence[Pool], rule: ByPromptLength | None, log: RequestLog) -> None:
        self._pools, self._rule, self._log = pools, rule, log
        self._chosen = array("i")
        self._turn = 0

    def offer(self, request: int) -> None:
        """A request comes."""
        if self._rule is not None:
            number = self._rule.pool_of(self._log.prompt_tokens[request])
        else:
            number = self._turn % len(self._pools)
            self._turn += 1
        missing = request + 1 - len(self._chosen)
        self._chosen.extend(array("i", [-1]) * missing)
        self._chosen[request] = number
        self._pools[number].offer(request)

    def chosen(self, requests: int) -> NDArray[np.int64]:
        """The pool of each of the first so many requests; -1: none."""
        numbers = np.full(requests, -1, np.int64)
        known = min(requests, len(self._chosen))
        numbers[:known] = np.asarray(self._chosen)[:known]
        return numbers
