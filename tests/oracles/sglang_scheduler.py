"""SGLang 0.5.23 played pass by pass, as its released source has it (`sglang/srt/managers`: `Scheduler`, `PrefillAdder`,
`ScheduleBatch.retract_decode`, `NewTokenRatioTracker`, `SchedulerRecvSkipper`; `mem_cache/prefill_budget.py`). The
oracle of the scheduler, sharing nothing with `infermodel`: every pass looks at every request and counts every token.

The loop without overlap (`event_loop_normal`): receive, compose, run, book, one after the other. There is no radix
cache, pages hold `page` tokens, and requests do not ignore end-of-sequence tokens, so that a share of their answers is
reckoned with. Composing takes no time, and neither do passes in which nothing runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import nan

PASSES_AT_ONCE = 1000
"""What a pass that is not of decoding counts for towards the next look for newcomers."""


@dataclass(eq=False)
class Job:
    """A request and what became of it."""

    number: int
    arrived: float
    prompt: int
    answer: int
    asked: int  # max_new_tokens, all that the engine knows of the answer
    produced: int = 0
    filled: int = 0  # tokens of it in memory
    chunk: int = 0
    begun: float = nan
    retractions: int = 0
    token_times: list[float] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        return self.produced == self.answer

    @property
    def whole(self) -> int:
        """Tokens to be in memory before it decodes: its prompt, and after a retraction what it had produced."""
        return self.prompt + self.produced


class Batch(list[Job]):
    """Requests that are run together, and whether somebody was turned away when more was asked of them."""

    full = False


@dataclass
class Engine:
    """One scheduler with its memory.

    Attributes:
        tokens: of memory.
        page: tokens of a page.
        seats: `max_running_requests`.
        chunk: `chunked_prefill_size`.
        mixed: `enable_mixed_chunk`.
        interval: `scheduler_recv_interval`.
        first, least, sinks_over, ahead, clip: of the ratio of new tokens: its first value, its least, over how many
            steps it sinks, tokens seen ahead after a retraction, the longest answer that is reckoned with.
    """

    step_s: Callable[[list[int], list[tuple[int, int]]], float]
    tokens: int
    seats: int
    chunk: int
    page: int = 1
    mixed: bool = False
    interval: int = 1
    first: float = 0.7
    least: float = 0.098
    sinks_over: int = 600
    ahead: int = 20
    clip: int = 4096

    def play(self, jobs: Sequence[Job]) -> None:
        """Serve them all; the answer is in their fields."""
        self.waiting: list[Job] = []
        self.running, self.last = Batch(), Batch()
        self.last_mode = "none"
        self.chunked: Job | None = None
        self.ratio = self.first
        coming, now, counted = list(jobs), 0.0, 0
        while not all(job.finished for job in jobs):
            counted += {"decode": 1, "none": 1}.get(self.last_mode, PASSES_AT_ONCE)
            if counted >= self.interval:
                counted = 0
                while coming and coming[0].arrived <= now:
                    self.waiting.append(coming.pop(0))
            prefills, decodes = self._next(now)
            if not prefills and not decodes:
                self.ratio, self.last_mode = self.first, "none"
                if not self.waiting and (not coming or coming[0].arrived > now):
                    now = coming[0].arrived
                continue
            now += self.step_s(
                [job.filled for job in decodes], [(job.chunk, job.filled - job.chunk) for job in prefills]
            )
            for job in [*prefills, *decodes]:
                if job is not self.chunked:
                    job.produced += 1
                    job.token_times.append(now)
                    if job.finished:
                        job.filled = 0

    def _free(self) -> int:
        held = {*self.running, *self.last, *([self.chunked] if self.chunked else [])}
        return self.tokens - sum(self._paged(job.filled) for job in held)

    def _paged(self, tokens: int) -> int:
        return -(-tokens // self.page) * self.page

    # ---- what runs next -------------------------------------------------------------------------------------------

    def _next(self, now: float) -> tuple[list[Job], list[Job]]:
        """Prompts are read if any can be, else those who run get a token: who reads, and who decodes."""
        if self.last_mode == "extend":
            kept = Batch(job for job in self.last if job is not self.chunked and not job.finished)
            if len(kept) < len(self.last):
                self.running.full = False
            if kept and not self.running:
                self.running = kept  # a batch of its own, which was never full
            else:
                self.running.extend(kept)
            self.last = Batch()
        left = [job for job in self.running if not job.finished]
        if len(left) < len(self.running):
            self.running.full = False
        self.running[:] = left

        reading = self._prefill(now)
        if reading:
            self.last_mode = "extend"
            decoding: list[Job] = []
            if self.mixed and self.running and self._growth(self.running) <= self._free_beside(reading):
                decoding = list(self.running)
                for job in decoding:
                    job.filled += 1
                full, self.running = self.running.full, Batch()
                self.running.full = full
            self.last = Batch([*reading, *decoding])
            return reading, decoding
        if self.running:
            self._make_decodable()
            self.last_mode = "decode"
            for job in self.running:
                job.filled += 1
            return [], list(self.running)
        return [], []

    def _free_beside(self, reading: list[Job]) -> int:
        held = {*self.running, *reading}
        return self.tokens - sum(self._paged(job.filled) for job in held)

    def _growth(self, jobs: Sequence[Job]) -> int:
        """Tokens of the pages that these need for their next ones."""
        return sum(self.page for job in jobs if job.filled % self.page == 0)

    # ---- reading prompts ------------------------------------------------------------------------------------------

    def _prefill(self, now: float) -> list[Job]:
        """Who reads how much of a prompt in this pass."""
        if not self.running:
            self.running.full = False
        if (self.running.full or not self.waiting) and self.chunked is None:
            return []
        if self.seats - len(self.running) <= 0 and self.chunked is None:
            self.running.full = True
            return []
        beside = len(self.running) if self.mixed else 0
        rest = self.chunk - beside
        to_come = sum(min(job.asked - job.produced, self.clip) for job in self.running)
        available = self._free()
        spoken_for = beside + to_come * self.ratio  # of all, and of what this pass itself takes
        taken = beside
        reading: list[Job] = []

        def take(job: Job, chunk: int, answer: int) -> None:
            nonlocal rest, spoken_for, taken
            job.chunk = chunk
            job.filled += chunk
            reading.append(job)
            spoken_for += self._paged(chunk) + self.page + answer
            taken += self._paged(chunk) + self.page
            rest -= self._paged(chunk)

        if self.chunked is not None:
            job, missing = self.chunked, self.chunked.whole - self.chunked.filled
            most = min(rest, int(available - spoken_for))
            most = most if most > 0 else rest
            ends = missing <= most
            take(job, min(missing, most), min(job.asked, self.clip) if ends else 0)
            self.chunked = None if ends else job
        for job in list(self.waiting):
            no_token = available - spoken_for <= 0 or available - taken <= 0
            if rest <= 0 and not no_token:
                break
            if len(reading) >= self.seats - len(self.running):
                self.running.full = True
            if self.running.full:
                break
            answer = min(max(job.asked - job.produced, 0), self.clip)
            if not job.whole + answer + self.page < available - spoken_for:
                self.running.full = bool(reading or self.running)
                break
            if self._paged(job.whole) > rest:
                if rest // self.page * self.page <= 0:
                    break
                self.chunked = job
                take(job, rest // self.page * self.page, 0)
            else:
                take(job, job.whole, min(job.asked, self.clip))
            self.waiting.remove(job)
            job.begun = now if job.begun != job.begun else job.begun
            if available - spoken_for <= 0 or available - taken <= 0:
                self.running.full = True
                break
            if rest <= 0:
                break
        return reading

    # ---- decoding -------------------------------------------------------------------------------------------------

    def _make_decodable(self) -> None:
        """Retract until the next token of everybody who is left fits, or let the ratio sink by a step."""
        if self._growth(self.running) <= self._free():
            self.ratio = max(self.ratio - (self.first - self.least) / self.sinks_over, self.least)
            return
        order = sorted(self.running, key=lambda job: (job.produced, -job.prompt), reverse=True)
        out: list[Job] = []
        while len(order) > 1 and (not out or self._growth(order) > self._free()):
            job = order.pop()
            job.filled = 0
            job.retractions += 1
            out.append(job)
        if self._growth(order) > self._free():
            raise RuntimeError("the memory is too small for one request")
        self.running[:] = order
        self.running.full = False
        produced, asked = sum(job.produced for job in order), sum(job.asked for job in order)
        self.ratio = min(1.0, (produced + self.ahead * len(order)) / (asked + 1))
        self.waiting += out
