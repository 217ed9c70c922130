"""Whom a replica tells about requests: the protocols stand below the replica, whoever owns it above."""

from __future__ import annotations

from typing import Protocol


class Owner(Protocol):
    """Whom a replica tells about requests and their tokens."""

    def on_finished(self, request: int, at: float, /) -> None:
        """The client of `request` has its last token at `at`."""
        ...

    def streams_from(self, request: int, end: float, /) -> float:
        """When the client has its first token, of the step that ended at `end`."""
        ...

    def streams_until(self, request: int, end: float, /) -> float:
        """When the client has its last token, of the step that ended at `end`."""
        ...

    def on_prefilled(self, request: int, chunk: int, /) -> None:
        """All of a prompt is read that another pool decodes, the last `chunk` tokens by the step that ended now; what
        the request holds is kept until it is released.
        """
        ...

    def on_reserved(self, request: int, replica: int, /) -> None:
        """`replica` has set blocks aside for a prompt that another pool reads."""
        ...

    def on_released(self, request: int, /) -> None:
        """What a request held on a replica, and no seat, is given back."""
        ...

    def on_fewer(self, replica: int, /) -> None:
        """`replica` has a request fewer: blocks need not be set aside, as the pool that read it has answered it."""
        ...


class Sharers(Protocol):
    """Whom a replica tells what it does to its queue, from which others may take as well."""

    def on_held_up(self, replica: int, /) -> None:
        """The head of the queue does not fit into `replica` now; it may fit into another one."""
        ...

    def on_queue_moved(self, replica: int, /) -> None:
        """`replica` has taken requests from the queue."""
        ...

    def on_given_back(self, replica: int, /) -> None:
        """`replica` has put a preempted request back into the queue."""
        ...
