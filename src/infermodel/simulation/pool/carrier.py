"""Whom pools tell of their requests: who brings them from one that reads prompts to one that decodes, and who sends
them to another one where each does all.
"""

from __future__ import annotations

from typing import Protocol

from infermodel.simulation.handover import Role


class Carrier(Protocol):
    """Who brings requests from a pool that reads prompts to one that decodes."""

    def on_prefilled(self, request: int, chunk: int, /) -> None:
        """A prompt has been read, the last `chunk` tokens in its last step."""
        ...

    def on_reserved(self, request: int, replica: int, /) -> None:
        """A replica has set blocks aside for a prompt."""
        ...

    def on_answered(self, request: int, /) -> None:
        """A request has its last token."""
        ...

    def on_lost(self, request: int, role: Role, /) -> None:
        """A replica of a pool has failed, and has lost a request that it had."""
        ...

    def on_released(self, request: int, /) -> None:
        """What a request held on a replica, and no seat, is given back."""
        ...

    def is_reading(self, request: int, /) -> bool:
        """Whether the pool that reads is at it."""
        ...


class Others(Protocol):
    """Who knows of other pools that could do all of a request, too."""

    def take_over(self, request: int, /) -> bool:
        """The request's pool is wholly down: whether another one takes it."""
        ...

    def on_up(self) -> None:
        """Replicas of a pool serve that did not before."""
        ...
