"""Columns of requests that one pool prefills and another decodes: what happened to them in between."""

from __future__ import annotations

from array import array
from math import nan

import numpy as np
from numpy.typing import NDArray

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
        for times in (self.prefilled_at, self.reserved_at, self.begun_at, self.transferred_at, self.joined_at):
            times.extend(never)
        self.link_bytes.extend(array("d", [0.0]) * count)
        self.cached_tokens.extend(array("q", [0]) * count)
        self.prefill_preemptions.extend(array("i", [0]) * count)
        self.prefill_replica.extend(nobody)
        self.holding.extend(nobody)

    def table(self, count: int) -> HandoverTable:
        """The first `count` requests, most columns without a copy."""

        def times(column: array[float]) -> NDArray[np.float64]:
            return np.asarray(memoryview(column)[:count])

        def integers(column: array[int]) -> NDArray[np.int64]:
            return np.asarray(memoryview(column)[:count]).astype(np.int64, copy=False)

        return HandoverTable(
            prefill_replica=integers(self.prefill_replica),
            prefilled_at=times(self.prefilled_at),
            reserved_at=times(self.reserved_at),
            begun_at=times(self.begun_at),
            transferred_at=times(self.transferred_at),
            joined_at=times(self.joined_at),
            link_bytes=times(self.link_bytes),
            cached_tokens=integers(self.cached_tokens),
            prefill_preemptions=integers(self.prefill_preemptions),
        )
