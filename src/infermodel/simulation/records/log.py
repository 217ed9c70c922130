"""Columns of a service's requests: what is asked, and when what became of them."""

from __future__ import annotations

from array import array
from math import nan

import numpy as np

from infermodel.simulation.records.handovers import HandoverLog
from infermodel.simulation.records.views import integers, times
from infermodel.tables import FINISHED, REJECTED, UNFINISHED, RequestTable, Texts
from infermodel.workload.images import PromptImages
from infermodel.workload.requests import Requests


class RequestLog:
    """Columns of a service's requests, in order of arrival; replicas write primitive times into them.

    Attributes:
        handovers: further columns, where one pool prefills and another decodes.
    """

    def __init__(self, handovers: HandoverLog | None = None) -> None:
        self.handovers = handovers
        self.arrived_at: array[float] = array("d")
        self.prompt_tokens = array("q")
        self.output_tokens = array("q")
        self.priority = array("q")
        self.prompt_id = array("q")
        self.admitted_at = array("d")
        self.first_scheduled_at = array("d")
        self.first_token_at = array("d")
        self.last_token_at = array("d")
        self.replica = array("i")
        self.preemptions = array("i")
        self.cached_tokens = array("l")
        self.admission = array("q")  # number of its last admission, among those of its replica
        self.holding = array("i")  # of what a request holds in its replica's memory and others may find; -1: nothing
        self.finished = bytearray()
        self.rejected: list[int] = []
        self.resumed: dict[int, tuple[int, float]] = {}  # preempted or lost: tokens given so far, time of the last
        self.routed_again_at: dict[int, float] = {}  # those that an outage sent to another replica, or held up
        self.keys: dict[int, int] = {}  # of an API with rate limits
        self.sessions: dict[int, int] = {}  # where a router asks for them
        self.known_tokens: dict[int, int] = {}  # of prompts that need not be computed whatever the cache holds
        self.images: dict[int, PromptImages] = {}  # of the prompts that hold any
        self.block_hashes: dict[int, tuple[int, ...]] = {}
        self.hash_block_tokens = 0

    def __len__(self) -> int:
        return len(self.arrived_at)

    def extend(self, block: Requests) -> int:
        """Append requests; returns the number of the first."""
        first, count = len(self), len(block)
        self.arrived_at.frombytes(np.ascontiguousarray(block.arrived_at, np.float64).tobytes())
        for column, values in (
            (self.prompt_tokens, block.prompt_tokens),
            (self.output_tokens, block.output_tokens),
            (self.priority, block.priority),
            (self.prompt_id, block.prompt_id),
        ):
            column.frombytes(np.ascontiguousarray(values, np.int64).tobytes())
        never = array("d", [nan]) * count
        for each in (self.admitted_at, self.first_scheduled_at, self.first_token_at, self.last_token_at):
            each.extend(never)
        self.finished.extend(bytes(count))
        self.replica.extend(array("i", [-1]) * count)
        self.preemptions.extend(array("i", [0]) * count)
        self.cached_tokens.extend(array("l", [0]) * count)
        self.admission.extend(array("q", [0]) * count)
        self.holding.extend(array("i", [-1]) * count)
        if self.handovers is not None:
            self.handovers.extend(count)
        if block.block_hashes is not None:
            self.block_hashes.update(enumerate(block.block_hashes, first))
            self.hash_block_tokens = block.hash_block_tokens
        if block.cached_tokens is not None:
            self.known_tokens.update(enumerate(block.cached_tokens.tolist(), first))
        if block.key is not None:
            self.keys.update(enumerate(block.key.tolist(), first))
        if block.images is not None:
            self.images.update({i: held for i, held in enumerate(block.images, first) if held is not None})
        return first

    def table(self, count: int) -> RequestTable:
        """The first `count` requests, most columns without a copy: no requests can be added as long as it lives."""
        status = np.where(np.frombuffer(bytes(self.finished), np.uint8) == 1, FINISHED, UNFINISHED).astype(np.int64)
        status[self.rejected] = REJECTED
        status = status[:count]

        last = times(self.last_token_at, count)
        return RequestTable(
            arrived_at=times(self.arrived_at, count),
            prompt_tokens=integers(self.prompt_tokens, count),
            output_tokens=integers(self.output_tokens, count),
            cached_tokens=integers(self.cached_tokens, count),
            admitted_at=times(self.admitted_at, count),
            first_scheduled_at=times(self.first_scheduled_at, count),
            first_token_at=times(self.first_token_at, count),
            last_token_at=last,
            finished_at=np.where(status == FINISHED, last, np.nan),
            replica=integers(self.replica, count),
            preemptions=integers(self.preemptions, count),
            priority=integers(self.priority, count),
            status=status,
        )

    def texts(self, count: int) -> Texts:
        """What the prompts of the first `count` requests have in common; views, as in `table`."""
        return Texts(integers(self.prompt_id, count), self.block_hashes, self.hash_block_tokens)
