"""Columns of requests that one pool prefills and another decodes: what happened to them in between."""

from __future__ import annotations

from array import array
from math import nan

import numpy as np
from numpy.typing import NDArray

from infermodel.simulation.handover import Role
from infermodel.simulation.records.views import integers, times
from infermodel.tables import HandoverTable, RequestTable


class HandoverLog:
    """The columns of `HandoverTable`, by number of the request.

    Attributes:
        holding: as the log's own, of what a request holds in the memory of the replica that decodes it.
        answer_tokens: of those that lost their memory in a failure: tokens of the answer that are read with the prompt.
        lost_bytes: that crossed, or were to cross, for requests that lost their memory or their receiver.
        lost_tokens: that prompts made and nobody got.
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
        self.answer_tokens: dict[int, int] = {}
        self.lost_bytes = 0.0
        self.lost_tokens = 0

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

    def context(self, request: int, prompt_tokens: int) -> int:
        """Tokens that are read for a request, of its prompt and of what it had of its answer."""
        return prompt_tokens + self.answer_tokens.get(request, 0)

    def lose_copy(self, request: int) -> None:
        """What has crossed for a request is worth nothing, nor are blocks that were set aside for it."""
        self.lost_bytes += self.link_bytes[request]
        self.link_bytes[request] = 0.0
        for each in (self.reserved_at, self.begun_at, self.transferred_at, self.joined_at):
            each[request] = nan

    def lose_read(self, request: int, answer_tokens: int, *, unseen: bool) -> None:
        """What has been read of a request is gone, too; `unseen`: the token that it made, which nobody got."""
        self.lose_copy(request)
        self.lost_tokens += unseen
        self.prefilled_at[request] = nan
        if answer_tokens:
            self.answer_tokens[request] = answer_tokens

    def table(self, count: int) -> HandoverTable:
        """The first `count` requests, most columns without a copy."""
        answer_tokens = np.zeros(count, np.int64)
        for request, tokens in self.answer_tokens.items():
            if request < count:
                answer_tokens[request] = tokens
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
            answer_tokens=answer_tokens,
        )


def served(
    requests: RequestTable, handover: HandoverTable | None, role: Role
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The replica of a pool that each request was preempted by, and how often."""
    replica, times = np.maximum(requests.replica, 0), requests.preemptions
    if handover is None:
        return replica, times
    read = handover.prefill_replica >= 0
    if role == "prefill":
        times = np.where(read, handover.prefill_preemptions, times)
        replica = np.where(read, handover.prefill_replica, replica)
    else:
        times = np.where(read, times - handover.prefill_preemptions, 0)
    return np.where(times > 0, replica, 0), times
