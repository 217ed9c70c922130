"""Columns of requests that one pool prefills and another decodes: what happened to them in between."""

from __future__ import annotations

from array import array
from math import nan

from infermodel.simulation.records.views import integers, times
from infermodel.tables import HandoverTable


class HandoverLog:
    """The columns of `HandoverTable`, by number of the request.

    Attributes:
        holding: as the log's own, of what a request holds in the memory of the replica that decodes it.
    """

    def __init__(self) -> None:
        self.prefill_replica = array("i")
        self.prefilled_at = array("d")
        self.reserved_at = array("d")
        self.begun_at = array("d")
        self.transferred_at = array("d")
        self.joined_at = array("d")
        self.link_bytes = array("d")
        self.cached_tokens = array("q")
        self.prefill_preemptions = array("i")
        self.holding = array("i")

    def extend(self, count: int) -> None:
        """Room for so many requests more."""
        never, nobody = array("d", [nan]) * count, array("i", [-1]) * count
        for each in (self.prefilled_at, self.reserved_at, self.begun_at, self.transferred_at, self.joined_at):
            each.extend(never)
        self.link_bytes.extend(array("d", [0.0]) * count)
        self.cached_tokens.extend(array("q", [0]) * count)
        self.prefill_preemptions.extend(array("i", [0]) * count)
        self.prefill_replica.extend(nobody)
        self.holding.extend(nobody)

    def table(self, count: int) -> HandoverTable:
        """The first `count` requests, most columns without a copy."""
        return HandoverTable(
            prefill_replica=integers(self.prefill_replica, count),
            prefilled_at=times(self.prefilled_at, count),
            reserved_at=times(self.reserved_at, count),
            begun_at=times(self.begun_at, count),
            transferred_at=times(self.transferred_at, count),
            joined_at=times(self.joined_at, count),
            link_bytes=times(self.link_bytes, count),
            cached_tokens=integers(self.cached_tokens, count),
            prefill_preemptions=integers(self.prefill_preemptions, count),
        )
