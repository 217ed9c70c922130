"""Who is served next and who gives way: queue disciplines.

Nothing here knows how many tokens a request will produce.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import Generic, NamedTuple, Protocol, TypeVar


class WaitingQueue(Protocol):
    """Requests that wait for a replica, by number."""

    def __len__(self) -> int: ...

    def push(self, request: int, /) -> None:
        """A request joins."""
        ...

    def give_back(self, request: int, /) -> None:
        """A preempted request returns; it was ahead of everyone who waits now."""
        ...

    def send_back(self, request: int, is_late: Callable[[int], bool], /) -> None:
        """A preempted request returns behind everyone who waits now, but for those at the end who came too late."""
        ...

    def __iter__(self) -> Iterator[int]:
        """All who wait, in no order."""
        ...

    def head(self) -> int:
        """The next request, left in place."""
        ...

    def take(self) -> int:
        """The next request, removed."""
        ...

    def pass_over(self) -> bool:
        """The head came too late: leave it out until `bring_back`. False: everyone behind it came later still."""
        ...

    def bring_back(self) -> None:
        """Who was passed over waits in his place again."""
        ...


class FirstComeQueue(deque[int]):
    """First come, first served."""

    push = deque.append
    give_back = deque.appendleft
    take = deque.popleft

    def send_back(self, request: int, is_late: Callable[[int], bool]) -> None:
        """A preempted request returns, ahead only of those who came too late to be known."""
        late = 0
        while late < len(self) and is_late(self[-1 - late]):
            late += 1
        self.rotate(late)
        self.append(request)
        self.rotate(-late)

    def head(self) -> int:
        """The request that has waited longest."""
        return self[0]

    def pass_over(self) -> bool:
        """Nobody can be passed over: who came later stands behind."""
        return False

    def bring_back(self) -> None:
        """Nobody was."""


class Columns(Protocol):
    """What queues may know of requests, by number.

    Attributes:
        priority: lower goes first.
        prompt_tokens: length of the prompt.
        keys: key of each request; empty where there are none.
        sessions: session of each request (a conversation, a question of several calls, a user of a closed loop); empty
            where no router asks.
    """

    @property
    def priority(self) -> Sequence[int]:
        """Of each request."""
        ...

    @property
    def prompt_tokens(self) -> Sequence[int]:
        """Of each request."""
        ...

    @property
    def keys(self) -> Mapping[int, int]:
        """Of requests that have one."""
        ...

    @property
    def sessions(self) -> Mapping[int, int]:
        """Of requests that have one."""
        ...


Entry = TypeVar("Entry", tuple[int, int], tuple[int, float, int])


class HeapQueue(Generic[Entry]):
    """What queues have in common in which newcomers can overtake: the least entry is next; its last field is the
    request.
    """

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._passed: list[Entry] = []

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[int]:
        """All who wait, in no order."""
        return iter([entry[-1] for entry in self._heap])

    def head(self) -> int:
        """The request whose turn it is."""
        return self._heap[0][-1]

    def pass_over(self) -> bool:
        """Leave the head out until `bring_back`; others may have come before it."""
        self._passed.append(heappop(self._heap))
        return True

    def bring_back(self) -> None:
        """Who was passed over waits in his place again."""
        while self._passed:
            heappush(self._heap, self._passed.pop())


class PriorityQueue(HeapQueue[tuple[int, int]]):
    """The lowest priority number first; among equals the one that came first."""

    def __init__(self, columns: Columns) -> None:
        super().__init__()
        self._priority = columns.priority

    def push(self, request: int) -> None:
        """A request joins; requests are numbered in order of arrival."""
        heappush(self._heap, (self._priority[request], request))

    give_back = push

    def send_back(self, request: int, is_late: Callable[[int], bool]) -> None:
        """A preempted request returns; requests are numbered in order of arrival, which is their order."""
        self.push(request)

    def take(self) -> int:
        """The most urgent request, removed."""
        return heappop(self._heap)[1]


class FairQueue(HeapQueue[tuple[int, float, int]]):
    """The lowest priority number first; among equals the key that has been served the least prompt tokens lately.

    Start-time fair queueing (Goyal, Vin, Cheng, 1996): a request's tag is where its key's last one ended in virtual
    time, or now if that was earlier; the lowest tag goes first, and its tag is the virtual time. So keys that always
    wait get equal shares, and one that was away is owed nothing. How long answers are is not known to it.
    """

    def __init__(self, columns: Columns) -> None:
        super().__init__()
        self._columns = columns
        self._now = 0.0
        self._ends: dict[int, float] = {}

    def push(self, request: int) -> None:
        """A request joins."""
        columns = self._columns
        key = columns.keys.get(request, 0)
        starts = max(self._now, self._ends.get(key, 0.0))
        self._ends[key] = starts + columns.prompt_tokens[request]
        heappush(self._heap, (columns.priority[request], starts, request))

    def give_back(self, request: int) -> None:
        """A preempted request returns, ahead of its equals; it has been charged before."""
        heappush(self._heap, (self._columns.priority[request], -1.0, request))

    def send_back(self, request: int, is_late: Callable[[int], bool]) -> None:
        """A preempted request returns; it has been charged before, so that its turn comes again."""
        self.give_back(request)

    def take(self) -> int:
        """The request whose turn it is, removed."""
        _, starts, request = heappop(self._heap)
        self._now = max(self._now, starts)
        return request


def latest(admitted: Sequence[int], priority: Sequence[int]) -> int:
    """The running request admitted last, the one that loses least when recomputed (as in vLLM)."""
    return admitted[-1]


def least_urgent(admitted: Sequence[int], priority: Sequence[int]) -> int:
    """The running request with the highest priority number; among equals the one that came last."""
    return max(admitted, key=lambda request: (priority[request], request))


class Discipline(NamedTuple):
    """How a replica orders requests.

    Attributes:
        queue: makes an empty waiting queue, given the requests' columns.
        victim: picks who is preempted among the running, given in order of admission.
        overtakes: whether a newcomer can be ahead of a request that waits.
    """

    queue: Callable[[Columns], WaitingQueue]
    victim: Callable[[Sequence[int], Sequence[int]], int]
    overtakes: bool


QUEUES: Mapping[str, Discipline] = {
    "fcfs": Discipline(lambda columns: FirstComeQueue(), latest, overtakes=False),
    "priority": Discipline(PriorityQueue, least_urgent, overtakes=True),
    "fair": Discipline(FairQueue, least_urgent, overtakes=True),
}
