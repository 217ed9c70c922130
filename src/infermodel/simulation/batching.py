"""Who is served next and who gives way: queue disciplines and the chunks of prompts that a step takes.

Nothing here knows how many tokens a request will produce.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from typing import NamedTuple, Protocol


class WaitingQueue(Protocol):
    """Requests that wait for a replica, by number."""

    def __len__(self) -> int: ...

    def push(self, request: int, /) -> None:
        """A request joins."""
        ...

    def give_back(self, request: int, /) -> None:
        """A preempted request returns; it was ahead of everyone who waits now."""
        ...

    def head(self) -> int:
        """The next request, left in place."""
        ...

    def take(self) -> int:
        """The next request, removed."""
        ...


class FirstComeQueue(deque[int]):
    """First come, first served."""

    push = deque.append
    give_back = deque.appendleft
    take = deque.popleft

    def head(self) -> int:
        """The request that has waited longest."""
        return self[0]


class PriorityQueue:
    """The lowest priority number first; among equals the one that came first."""

    def __init__(self, priority: Sequence[int]) -> None:
        self._priority = priority
        self._heap: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, request: int) -> None:
        """A request joins; requests are numbered in order of arrival."""
        heappush(self._heap, (self._priority[request], request))

    give_back = push

    def head(self) -> int:
        """The most urgent request."""
        return self._heap[0][1]

    def take(self) -> int:
        """The most urgent request, removed."""
        return heappop(self._heap)[1]


def latest(admitted: Sequence[int], priority: Sequence[int]) -> int:
    """The running request admitted last, the one that loses least when recomputed (as in vLLM)."""
    return admitted[-1]


def least_urgent(admitted: Sequence[int], priority: Sequence[int]) -> int:
    """The running request with the highest priority number; among equals the one that came last."""
    return max(admitted, key=lambda request: (priority[request], request))


class Discipline(NamedTuple):
    """How a replica orders requests.

    Attributes:
        queue: makes an empty waiting queue, given the column of priorities.
        victim: picks who is preempted among the running, given in order of admission.
        overtakes: whether a newcomer can be ahead of a request that waits.
    """

    queue: Callable[[Sequence[int]], WaitingQueue]
    victim: Callable[[Sequence[int], Sequence[int]], int]
    overtakes: bool


QUEUES: Mapping[str, Discipline] = {
    "fcfs": Discipline(lambda priority: FirstComeQueue(), latest, overtakes=False),
    "priority": Discipline(PriorityQueue, least_urgent, overtakes=True),
}


class Prefill:
    """A prompt on its way into the KV cache: `done` of `target` tokens are there, a step adds `chunk`."""

    __slots__ = ("chunk", "done", "request", "target")

    def __init__(self, request: int, target: int, done: int, chunk: int = 0) -> None:
        self.request = request
        self.target = target
        self.done = done
        self.chunk = chunk


def blocks(tokens: int, block_tokens: int) -> int:
    """KV blocks that hold `tokens`.

    >>> blocks(0, 16), blocks(1, 16), blocks(16, 16), blocks(17, 16)
    (0, 1, 1, 2)
    """
    return -(-tokens // block_tokens)


def assign_chunks(prefills: Sequence[Prefill], budget: int, block_tokens: int) -> tuple[int, int]:
    """Share the step's token budget among the prompts in progress, first come first served, whole rests first.

    Sets `chunk` of each prefill (0: waits this step).

    Returns:
        budget left, and KV blocks that the chunks newly need.

    >>> a, b = Prefill(0, 100, 0), Prefill(1, 100, 32)
    >>> assign_chunks([a, b], 128, 16), a.chunk, b.chunk
    ((0, 9), 100, 28)
    """
    needed = 0
    for prefill in prefills:
        prefill.chunk = min(prefill.target - prefill.done, budget)
        budget -= prefill.chunk
        needed += blocks(prefill.done + prefill.chunk, block_tokens) - blocks(prefill.done, block_tokens)
    return budget, needed
