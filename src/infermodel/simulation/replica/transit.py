"""Requests that hold memory of a replica but no seat: what they hold comes from another pool, or is copied to one."""

from __future__ import annotations

from collections import deque

from infermodel.engine import FirstToken


class Kept:
    """What such a request holds: blocks for `tokens` of it, `windowed` of them in windows; others may find `named`."""

    __slots__ = ("named", "tokens", "windowed")

    def __init__(self, tokens: int, windowed: int, named: int) -> None:
        self.tokens = tokens
        self.windowed = windowed
        self.named = named


class Transit:
    """Those of one scheduler.

    Attributes:
        sends: they have been read here, and another pool decodes them; else it is the other way round.
        first_token: who gives it out.
        kept: what each holds.
        handed: requests that another pool decodes, until what they hold has been copied.
        released: requests whose memory nobody needs any more since the last step was composed.
        arrived: whose keys and values have come, and when, in that order; they wait for a seat.
    """

    def __init__(self, first_token: FirstToken, *, sends: bool) -> None:
        self.sends, self.first_token = sends, first_token
        self.kept: dict[int, Kept] = {}
        self.handed: set[int] = set()
        self.released: list[int] = []
        self.arrived: deque[tuple[int, float]] = deque()

    def __len__(self) -> int:
        """Requests whose memory somebody needs still."""
        return len(self.handed if self.sends else self.kept) - len(self.released)

    def holds(self, request: int) -> bool:
        """Whether it is one of these."""
        return request in self.kept or request in self.handed

    def arrive(self, request: int, now: float) -> None:
        """All keys and values of a request have come."""
        kept = self.kept[request]
        kept.named = kept.tokens
        self.arrived.append((request, now))
