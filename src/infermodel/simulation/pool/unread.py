"""Prompts that replicas of a pool have been given and have not read yet."""

from __future__ import annotations


class Unread:
    """Counts their tokens.

    Attributes:
        tokens: of each replica.

    >>> unread = Unread(2)
    >>> unread.give(7, 0, 100); unread.give(8, 0, 50); unread.give(7, 1, 90); unread.tokens
    [50, 90]
    >>> unread.forget(7); unread.forget(7); unread.tokens
    [50, 0]
    """

    def __init__(self, replicas: int) -> None:
        self.tokens = [0] * replicas
        self._given: dict[int, tuple[int, int]] = {}

    def give(self, request: int, replica: int, tokens: int) -> None:
        """A replica, and no other any more, is to read so many tokens of a request."""
        self.forget(request)
        self._given[request] = replica, tokens
        self.tokens[replica] += tokens

    def forget(self, request: int) -> None:
        """A prompt has been read; nothing where that is known."""
        replica, tokens = self._given.pop(request, (0, 0))
        self.tokens[replica] -= tokens
