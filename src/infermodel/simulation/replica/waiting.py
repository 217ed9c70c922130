"""Who waits for a replica, and who of them its scheduler may know of yet."""

from __future__ import annotations

from math import inf
from typing import Final

from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.replica.queues import WaitingQueue

NOBODY: Final = -1


class Waiting:
    """A queue, seen by a scheduler that learns of some requests late.

    Attributes:
        queue: where requests wait.
        joins_until: requests that came by then can be in the next step.
    """

    def __init__(self, queue: WaitingQueue, log: RequestLog) -> None:
        self.queue = queue
        self.joins_until = inf
        self._log = log

    def came_at(self, request: int) -> float:
        """When a request came to the queue."""
        return self._log.routed_again_at.get(request, self._log.admitted_at[request])

    def next_by(self, known_until: float) -> tuple[int, bool]:
        """The next one of those who had come by then, `NOBODY` if nobody had, and whether the queue has one before it
        who came later, and so misses the step composed since.
        """
        queue, found, late = self.queue, NOBODY, False
        if known_until == inf:
            return queue.head() if queue else NOBODY, False
        while queue and found == NOBODY:
            head = queue.head()
            if self.came_at(head) <= known_until:
                found = head
            else:
                late = True
                if not queue.pass_over():
                    break
        if late:
            queue.bring_back()
        return found, late

    def all_late(self) -> bool:
        """Whether somebody waits, and all came too late for the next step."""
        found, late = self.next_by(self.joins_until)
        return late and found == NOBODY
