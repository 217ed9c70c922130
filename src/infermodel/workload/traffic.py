"""Whole traffics: who sends when, and how long prompts and outputs are, as blocks of request columns.

Three kinds: open (arrivals do not wait for answers; an offline batch is open traffic at time 0), closed (a fixed
number of users, each sending the next request after the last answer) and trace (replay of a log). Random numbers come
from generators by name, one stream per quantity, so that changing one law leaves the others' draws alone. `streams` is
asked once for each name in a call of `blocks`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from infermodel.workload.arrivals import Arrivals, Profile, require_positive
from infermodel.workload.bodies import Priorities, Shared, Streams, request_bodies
from infermodel.workload.images import Images
from infermodel.workload.lengths import Lengths, Tokens
from infermodel.workload.requests import Requests

BLOCK = 4096  # requests drawn at once: large enough for numpy, small beside a run


@dataclass(frozen=True)
class OpenTraffic:
    """Requests that come whether or not earlier ones are answered.

    Attributes:
        arrivals: law of arrival times, stream `arrivals`.
        prompt: law of prompt tokens, stream `prompt_tokens`.
        output: law of output tokens, stream `output_tokens`.
        prefix: what prompts have in common, stream `prompt_id`; None: every prompt is its own.
        priorities: stream `priority`; None: all equal.
        images: in prompts beside their text, stream `images`; None: none.
    """

    arrivals: Arrivals
    prompt: Lengths
    output: Lengths
    prefix: Shared | None = None
    priorities: Priorities | None = None
    images: Images | None = None

    @property
    def mean_rate_per_s(self) -> float:
        """Long-run requests a second; NaN for an offline batch."""
        return self.arrivals.mean_rate_per_s

    @property
    def mean_prompt_tokens(self) -> float:
        """Expected prompt tokens of a request, those of images included."""
        return self.prompt.mean() + (self.images.mean_tokens if self.images else 0.0)

    @property
    def mean_output_tokens(self) -> float:
        """Expected output tokens of a request."""
        return self.output.mean()

    def at_rate(self, rate_per_s: float) -> OpenTraffic:
        """The same traffic at another mean rate: with equal streams, the same requests, closer or farther apart."""
        return replace(self, arrivals=self.arrivals.at_rate(rate_per_s))

    def blocks(self, streams: Streams, size: int = BLOCK) -> Iterator[Requests]:
        """Requests in order of arrival, without end unless the arrivals end."""
        body = request_bodies(self.prompt, self.output, self.prefix, self.priorities, streams, self.images)
        for arrived_at in self.arrivals.blocks(streams("arrivals"), size):
            yield body(arrived_at)


@dataclass(frozen=True)
class ThinkTime:
    """Seconds that a user waits between an answer and the next request."""

    mean_s: float = 0.0
    law: Literal["fixed", "exponential"] = "fixed"

    def __post_init__(self) -> None:
        if not 0 <= self.mean_s < math.inf:
            raise ValueError(f"think time must be finite and not negative, not {self.mean_s} s")

    def draw(self, generator: np.random.Generator, count: int) -> NDArray[np.float64]:
        """The next `count` pauses, seconds."""
        if self.law == "fixed":
            return np.full(count, self.mean_s)
        return generator.standard_exponential(count) * self.mean_s

    def mean_at_least_s(self, least_s: float) -> float:
        """Mean of the longer of a pause and `least_s`.

        >>> ThinkTime(3.0).mean_at_least_s(1.0), round(ThinkTime(1.0, "exponential").mean_at_least_s(1.0), 3)
        (3.0, 1.368)
        """
        if self.law == "exponential" and self.mean_s > 0:
            return least_s + self.mean_s * math.exp(-least_s / self.mean_s)  # what is left beyond it has the same law
        return max(least_s, self.mean_s)


NO_PAUSE = ThinkTime()


@dataclass(frozen=True)
class ClosedTraffic:
    """A fixed number of users; each sends the next request after the answer to the last one and a pause.

    Request i in order of issue takes the i-th prompt, output and pause of the sequences, whichever user sends it, as
    benchmark tools take prompts off one list. So services that are compared receive the same requests in the same
    order, at their own pace; the pause belongs to the request that it follows.

    Attributes:
        users: how many.
        prompt: law of prompt tokens, stream `prompt_tokens`.
        output: law of output tokens, stream `output_tokens`.
        think_time: law of pauses, stream `think_time`.
        prefix: what prompts have in common, stream `prompt_id`.
        priorities: stream `priority`.
        images: in prompts beside their text, stream `images`; None: none.
        requests: how many the users send in all before they leave, as benchmark tools do; None: they go on.
        start: when they send the first one: all at time 0, as benchmark tools do, or spread over a mean answer and
            pause, each user at a random place in a part of its own (stream `joining`).
    """

    users: int
    prompt: Lengths
    output: Lengths
    think_time: ThinkTime = NO_PAUSE
    prefix: Shared | None = None
    priorities: Priorities | None = None
    requests: int | None = None
    start: Literal["together", "spread"] = "together"
    images: Images | None = None

    def __post_init__(self) -> None:
        require_positive("users", self.users)
        if self.requests is not None:
            require_positive("requests", self.requests)

    @property
    def mean_prompt_tokens(self) -> float:
        """Expected prompt tokens of a request, those of images included."""
        return self.prompt.mean() + (self.images.mean_tokens if self.images else 0.0)

    @property
    def mean_output_tokens(self) -> float:
        """Expected output tokens of a request."""
        return self.output.mean()

    def with_users(self, users: int) -> ClosedTraffic:
        """The same users, more or fewer."""
        return replace(self, users=users)

    def blocks(self, streams: Streams, size: int = BLOCK) -> Iterator[Requests]:
        """Requests in order of issue, without end; `arrived_at` is NaN, the simulation knows when each is sent."""
        body = request_bodies(self.prompt, self.output, self.prefix, self.priorities, streams, self.images)
        while True:
            yield body(np.full(size, np.nan))

    def first_sent_s(self, streams: Streams, joining_s: float) -> NDArray[np.float64]:
        """When each user sends its first request, seconds, ascending, the first at 0: one in each of as many parts of
        the time over which they join as there are users.
        """
        places = np.arange(self.users) + streams("joining").random(self.users)
        places[0] = 0.0
        return places * (joining_s / self.users)

    def think_times(self, streams: Streams, size: int = BLOCK) -> Iterator[NDArray[np.float64]]:
        """The pause after request i in seconds, in order of issue, without end."""
        generator = streams("think_time")
        while True:
            yield self.think_time.draw(generator, size)


@dataclass(frozen=True)
class TraceTraffic:
    """Replay of a log, cut to a window, faster or slower, once or several times over.

    A window keeps what arrives at `from_s` or later and before `to_s`, and starts the clock at `from_s`. Repetitions
    follow each other at the window's length; without `to_s` one mean gap after the last request. Each repetition has
    prompts of its own: replaying the same texts would turn every repeated prompt into a cache hit.

    Requests that follow an answer are where their conversation began, in a window and at a rate; how long after that
    answer they are sent stays as it is.

    Attributes:
        requests: the log in order of arrival.
        rate_scale: 2 halves every time, so twice the rate.
        from_s: start of the window, seconds of the log.
        to_s: its end; None for the end of the log.
        repeat: how many times the window is played.
        prompt: replaces the log's prompt tokens; prompts are then all distinct.
        output: replaces the log's output tokens.
    """

    requests: Requests
    rate_scale: float = 1.0
    from_s: float = 0.0
    to_s: float | None = None
    repeat: int = 1
    prompt: Lengths | None = None
    output: Lengths | None = None

    def __post_init__(self) -> None:
        require_positive("rate_scale", self.rate_scale)
        require_positive("repeat", self.repeat)
        if not 0 <= self.from_s < math.inf:
            raise ValueError(f"from must be finite and not negative, not {self.from_s} s")
        if self.to_s is not None and not self.from_s < self.to_s < math.inf:
            raise ValueError(f"to ({self.to_s} s) must be after from ({self.from_s} s)")
        if self._bounds()[0] == self._bounds()[1]:
            end = "the end" if self.to_s is None else f"{self.to_s:g} s"
            raise ValueError(f"no request of the trace arrives from {self.from_s:g} s to {end}")

    @property
    def window_s(self) -> float:
        """Length of one repetition in seconds as played, rate scale included."""
        first, last = self._bounds()
        arrived_at = self.requests.arrived_at
        if self.to_s is not None:
            return (self.to_s - self.from_s) / self.rate_scale
        count = last - first
        span = float(arrived_at[last - 1] - arrived_at[first])
        mean_gap = span / (count - 1) if count > 1 else 0.0
        return (float(arrived_at[last - 1]) - self.from_s + mean_gap) / self.rate_scale

    @property
    def requests_of_a_window(self) -> int:
        """Requests of one repetition."""
        first, last = self._bounds()
        return last - first

    @property
    def total_requests(self) -> int:
        """Requests of all repetitions."""
        return self.requests_of_a_window * self.repeat

    @property
    def in_a_row(self) -> tuple[float, float]:
        """Mean calls of a conversation, one after the other, and seconds between their answers and the next ones in
        all; 1 and 0 where none follows an answer.
        """
        log = self.requests
        if log.after is None or log.wait_s is None:
            return 1.0, 0.0
        first, last = self._bounds()
        begun = int((log.after[first:last] < 0).sum())
        return (last - first) / begun, float(log.wait_s[first:last].sum()) / begun

    @property
    def mean_rate_per_s(self) -> float:
        """Requests a second over the window as played; NaN where all come at one moment."""
        first, last = self._bounds()
        return (last - first) / self.window_s if self.window_s > 0 else math.nan

    @property
    def mean_prompt_tokens(self) -> float:
        """Mean prompt tokens of the window."""
        first, last = self._bounds()
        return self.prompt.mean() if self.prompt else float(self.requests.prompt_tokens[first:last].mean())

    @property
    def mean_output_tokens(self) -> float:
        """Mean output tokens of the window."""
        first, last = self._bounds()
        return self.output.mean() if self.output else float(self.requests.output_tokens[first:last].mean())

    def at_rate(self, rate_per_s: float) -> TraceTraffic:
        """The same requests played so that their mean rate is this."""
        return replace(self, rate_scale=self.rate_scale * rate_per_s / self.mean_rate_per_s)

    def blocks(self, streams: Streams, size: int = BLOCK) -> Iterator[Requests]:
        """Requests in order of arrival, `repeat` times the window."""
        first, last = self._bounds()
        log = self.requests
        if self.prompt is not None:  # other lengths are other texts
            nobody = np.full(len(log), -1, dtype=np.int64)
            log = replace(log, prompt_id=nobody, block_hashes=None, hash_block_tokens=0, cached_tokens=None)
        prompt_tokens = drawn_or_logged(self.prompt, log.prompt_tokens, "prompt_tokens", streams)
        output_tokens = drawn_or_logged(self.output, log.output_tokens, "output_tokens", streams)
        ids = int(log.prompt_id.max()) + 1
        hashes = 1 + max((max(blocks, default=-1) for blocks in log.block_hashes or ()), default=-1)
        for turn in range(self.repeat):
            for begin in range(first, last, size):
                part = slice(begin, min(begin + size, last))
                yield Requests(
                    arrived_at=turn * self.window_s + (log.arrived_at[part] - self.from_s) / self.rate_scale,
                    prompt_tokens=prompt_tokens(part),
                    output_tokens=output_tokens(part),
                    priority=log.priority[part],
                    prompt_id=np.where(log.prompt_id[part] < 0, -1, log.prompt_id[part] + turn * ids),
                    block_hashes=shifted(log.block_hashes, part, turn * hashes),
                    hash_block_tokens=log.hash_block_tokens,
                    after=self._after(part, turn),
                    wait_s=None if log.wait_s is None else log.wait_s[part],
                    cached_tokens=None if log.cached_tokens is None else log.cached_tokens[part],
                    key=None if log.key is None else log.key[part],
                )

    def _after(self, part: slice, turn: int) -> NDArray[np.int64] | None:
        """Whom requests of a part follow, by their numbers among all that are sent."""
        first, last = self._bounds()
        after = self.requests.after
        if after is None:
            return None
        return np.where(after[part] < 0, -1, after[part] - first + turn * (last - first))

    def _bounds(self) -> tuple[int, int]:
        """First request of the window and the first after it."""
        arrived_at = self.requests.arrived_at
        first = int(np.searchsorted(arrived_at, self.from_s, side="left"))
        last = len(arrived_at) if self.to_s is None else int(np.searchsorted(arrived_at, self.to_s, side="left"))
        return first, last


Traffic = OpenTraffic | ClosedTraffic | TraceTraffic


def drawn_or_logged(law: Lengths | None, logged: Tokens, stream: str, streams: Streams) -> Callable[[slice], Tokens]:
    """A source of tokens for part after part of a log: drawn from the law, or as logged where there is none."""
    if law is None:
        return lambda part: logged[part]
    generator = streams(stream)
    return lambda part: law.draw(generator, part.stop - part.start)


def shifted(
    block_hashes: tuple[tuple[int, ...], ...] | None, part: slice, by: int
) -> tuple[tuple[int, ...], ...] | None:
    """A part of a log's hashes, each raised by the same number; the very same tuples where that is zero."""
    if block_hashes is None or not by:
        return block_hashes and block_hashes[part]
    return tuple(tuple(block + by for block in blocks) for blocks in block_hashes[part])


def profile_of(traffic: Traffic) -> Profile | None:
    """The profile of the day that the rate follows; None where it does not vary."""
    return traffic.arrivals if isinstance(traffic, OpenTraffic) and isinstance(traffic.arrivals, Profile) else None
