"""When decoding requests will have all their tokens."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from infermodel.cost.forever import FOREVER
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.replica.decoding import Decoding


class Endings:
    """Steps of decoding after which requests end.

    Attributes:
        heap: (step, request), the first to end first.
    """

    def __init__(self) -> None:
        self.heap: list[tuple[int, int]] = []

    def expect(self, request: int, step: int) -> None:
        """A request ends with that step."""
        heappush(self.heap, (step, request))

    def forget(self, request: int, step: int) -> None:
        """It stops before."""
        self.heap.remove((step, request))
        heapify(self.heap)

    def due(self, decoding: Decoding) -> list[int]:
        """Who ended with the last step; they are forgotten."""
        heap, step, due = self.heap, decoding.step, []
        while heap and heap[0][0] <= step:
            due.append(heappop(heap)[1])
        return due


class Unforeseen(Endings):
    """Of requests that get a number of tokens a step which nobody knows before."""

    def __init__(self, log: RequestLog) -> None:
        super().__init__()
        self.heap = [(FOREVER, -1)]
        self._log = log

    def expect(self, request: int, step: int) -> None:
        """Nobody knows."""

    def forget(self, request: int, step: int) -> None:
        """Nobody knew."""

    def due(self, decoding: Decoding) -> list[int]:
        """Who has all its tokens."""
        step, log = decoding.step, self._log
        return [
            request
            for request, offset in decoding.offset.items()
            if offset + step == log.prompt_tokens[request] + log.output_tokens[request]
        ]
