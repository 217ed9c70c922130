"""API server processes in front of replicas: every request and every streamed token passes through one of them.

A process does one thing after the other. Requests take a process in order of arrival, whichever is free first, for
the time that HTTP, the chat template and the tokeniser take. Tokens that stream out take a little each, spread evenly
over the processes; how many there were is looked up when somebody asks, so no event is made for a token. An event loop
comes back to its streams after every piece of a request, so tokens wait for tokens only, and requests for everything.
Without tokens this is a queue with `processes` servers (M/D/k where arrivals are Poisson and prompts alike).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from infermodel.simulation.spec import FrontEndSpec


class Streams(Protocol):
    """A replica whose tokens are streamed."""

    def tokens_before(self, time: float) -> int:
        """Output tokens of the steps that ended before `time`."""
        ...


class FrontEnd:
    """The processes of one server.

    Attributes:
        busy_s: process-seconds of work taken on so far.
        streamed_s: seconds of each process for tokens that had left the replicas when somebody looked last.
    """

    def __init__(self, spec: FrontEndSpec, replicas: Sequence[Streams]) -> None:
        self._spec, self._replicas = spec, replicas
        self._free_at = [0.0] * spec.processes
        self._streams_until = 0.0  # when a process would be done with tokens alone
        self._looked_at, self._streamed = 0.0, 0
        self.busy_s = self.streamed_s = 0.0

    @property
    def processes(self) -> int:
        """How many there are."""
        return len(self._free_at)

    def take(self, now: float, prompt_tokens: int, pixels: int = 0) -> float:
        """A request arrives, with images of so many pixels; returns when its process is done with it, but for tokens
        that are still to stream.
        """
        self._stream(now)
        free_at = self._free_at
        first = min(range(len(free_at)), key=free_at.__getitem__)
        work_s = self._spec.way_s(prompt_tokens, pixels)
        self.busy_s += work_s
        free_at[first] = done_at = max(free_at[first], now) + work_s
        return done_at

    def held_up_s(self, now: float, streamed_s: float) -> float:
        """By how much tokens have held up a request since `streamed_s` was looked at."""
        self._stream(now)
        return self.streamed_s - streamed_s

    def delay_s(self, now: float) -> float:
        """How long a token that leaves its replica now waits for those before it."""
        self._stream(now)
        return max(0.0, self._streams_until - now)

    def _stream(self, now: float) -> None:
        """Charge the tokens that have left the replicas since last time, as work that came evenly meanwhile."""
        if now == self._looked_at:
            return  # tokens of this very instant come after it
        streamed = sum([replica.tokens_before(now) for replica in self._replicas])
        if streamed > self._streamed:
            work_s = (streamed - self._streamed) * self._spec.token_s
            self.busy_s += work_s
            share_s, since = work_s / len(self._free_at), self._looked_at
            self._free_at = [max(free_at, since) + share_s for free_at in self._free_at]
            self.streamed_s += share_s
            self._streams_until = max(self._streams_until, since) + share_s
            self._streamed = streamed
        self._looked_at = now


def front_ends(spec: FrontEndSpec, replicas: Sequence[Streams], systems: Sequence[Sequence[int]]) -> list[FrontEnd]:
    """The front end of each replica: its own, or one that all replicas of a system share.

    Args:
        spec: how many processes, and for whom.
        replicas: of the service.
        systems: numbers of the replicas on each system.
    """
    if not spec.of_system:
        return [FrontEnd(spec, [replica]) for replica in replicas]
    found: list[FrontEnd] = []
    for numbers in systems:
        shared = FrontEnd(spec, [replicas[number] for number in numbers])
        found += [shared] * len(numbers)
    return found
