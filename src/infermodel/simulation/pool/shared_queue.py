"""One queue from which all replicas of a pool take, each when it has room."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from infermodel.simulation.replica.queues import WaitingQueue
from infermodel.simulation.replica.replica import Replica


class SharedQueue:
    """The queue, and who looks at its head.

    Attributes:
        queue: where requests wait.
        replicas: of the pool.

    Args:
        new_queue: makes an empty one.
    """

    def __init__(self, new_queue: Callable[[], WaitingQueue], replicas: Sequence[Replica]) -> None:
        self.queue, self.replicas = new_queue(), replicas
        self._new_queue = new_queue
        self._held_up: set[int] = set()  # replicas that the head did not fit into

    @property
    def waiting(self) -> int:
        """Requests in it, and those that one which has left it takes again itself."""
        queues = [replica.scheduler.waiting.queue for replica in self.replicas]
        return len(self.queue) + sum([len(queue) for queue in queues if queue is not self.queue])

    def push(self, request: int) -> None:
        """A request comes."""
        self.queue.push(request)
        for replica in self._takers():
            replica.notice()

    def _takers(self) -> list[Replica]:
        """Who may take the next request: an idle replica, or else whoever has room first."""
        up = [replica for replica in self.replicas if replica.up]
        return next(([replica] for replica in up if replica.idle), up)

    def drain(self) -> list[int]:
        """Take everybody out of it."""
        return [self.queue.take() for _ in range(len(self.queue))]

    def leave(self, replica: int) -> None:
        """This one takes nothing more; what it gives back for lack of room it takes again itself."""
        self.replicas[replica].scheduler.waiting.queue = self._new_queue()

    def let_in(self, replica: int) -> None:
        """This one takes from the queue."""
        self.replicas[replica].scheduler.waiting.queue = self.queue

    def is_left_by(self, replica: int) -> bool:
        """Whether this one does not take from the queue."""
        return self.replicas[replica].scheduler.waiting.queue is not self.queue

    def on_held_up(self, replica: int) -> None:
        """The head of the queue does not fit into `replica` now."""
        self._held_up.add(replica)

    def on_queue_moved(self, replica: int) -> None:
        """Replicas that the old head held up look at the new one."""
        if self._held_up:
            held_up, self._held_up = sorted(self._held_up - {replica}), set()
            self._show_head([self.replicas[number] for number in held_up], replica)

    def on_given_back(self, replica: int) -> None:
        """Another replica may have room for what this one has preempted."""
        self._show_head([taker for taker in self._takers() if taker.index != replica], replica)

    def _show_head(self, replicas: Sequence[Replica], since: int) -> None:
        """Replica `since` has changed the head, when those before it had started their steps."""
        for replica in replicas:
            replica.scheduler.admission.held_up = False
            replica.notice(later=replica.index < since)
