"""One call after the other of vLLM 0.33.0's scheduler, as its released source has it (`vllm/v1/core/sched`:
`Scheduler.schedule`, `update_from_output`, `AsyncScheduler`).

First everybody who runs, in order of admission, then, if nobody had to give way, those who wait. Nothing of
`infermodel` is used.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from math import nan

from tests.oracles.vllm_blocks import Memory


@dataclass(eq=False, slots=True)
class Job:
    """A request, what the scheduler knows of it, and what became of it."""

    number: int
    arrived: float
    prompt: Sequence[Hashable]
    answer: Sequence[Hashable]
    priority: int = 0
    stops: bool = False  # ends by a stop token, which the engine cannot foresee
    rank: int = 0

    scheduled: float = nan  # when the step was composed that admitted it
    begun: float = nan  # and when that step began
    first: float = nan
    last: float = nan
    cached: int = 0  # tokens found at its first admission
    preemptions: int = 0
    token_times: list[float] = field(default_factory=list)

    tokens: list[Hashable] = field(default_factory=list)  # known: the prompt, and of the answer what was sampled
    names: list[int] = field(default_factory=list)
    computed: int = 0  # counted when scheduled, not when done
    in_flight: int = 0  # of these, in steps that are not over
    placeholders: int = 0  # tokens that steps in flight will bring
    stale: int = 0  # in flight when it was preempted
    drafts: int = 0
    whole: int = 0  # tokens after which the engine knows that it ends, its prompt's included
    reads_prompt: bool = True
    runs: bool = False
    finished: bool = False

    @property
    def produced(self) -> int:
        return len(self.tokens) - len(self.prompt)

    @property
    def foreseen(self) -> int:
        """Tokens of the answer after which the engine knows that it ends."""
        return 1 << 40 if self.stops else len(self.answer)


@dataclass(slots=True)
class Share:
    """What a step does for one request."""

    job: Job
    new: int
    before: int
    decodes: bool
    drafts: int = 0
    samples: bool = False


@dataclass
class Scheduler:
    """One engine core: who waits, who runs, and the memory.

    Attributes:
        memory: its blocks.
        seats: `max_num_seqs`.
        budget: `max_num_batched_tokens`.
        policy: "fcfs" or "priority".
        ahead: asynchronous scheduling.
        whole: `scheduler_reserve_full_isl`.
        chunked: chunked prefill.
        long_prompt: `long_prefill_token_threshold`, 0 for none.
        drafts: tokens drafted for each sequence and step.
        lookahead: tokens of room for the drafter beyond the step's.
        draft_slots: places in the batch that a drafter takes for each request.
        watermark: blocks to be left at an admission, if somebody runs.
        accepted: drafts accepted for a job that has produced so many tokens.
    """

    memory: Memory
    seats: int
    budget: int
    policy: str = "fcfs"
    ahead: bool = False
    whole: bool = True
    chunked: bool = True
    long_prompt: int = 0
    drafts: int = 0
    lookahead: int = 0
    draft_slots: int = 0
    watermark: int = 0
    accepted: Callable[[Job, int], int] = lambda job, produced: 0
    waiting: list[Job] = field(default_factory=list)
    running: list[Job] = field(default_factory=list)

    def add(self, job: Job) -> None:
        job.tokens, job.names = list(job.prompt), []
        job.whole = len(job.prompt) + job.foreseen
        self.memory.extend_names(job.names, job.tokens)
        self.waiting.append(job)
        self._sort()

    def _sort(self) -> None:
        """The waiting queue is a heap where priorities rule; among equals, who came first."""
        if self.policy == "priority":
            self.waiting.sort(key=lambda job: (job.priority, job.arrived, job.number))

    # ---- composing a step -----------------------------------------------------------------------------------------

    def schedule(self, now: float) -> list[Share]:
        """What the next step works on."""
        step: list[Share] = []
        left, places = self.budget, self.budget  # tokens, and places in the batch, some of which drafters take
        others = len(self.running) + len(self.waiting) > 1
        long_prompt = self.long_prompt if others else 0
        preempted = False

        at = 0
        while at < len(self.running) and left > 0 and places > self.draft_slots:
            job = self.running[at]
            at += 1
            if job.placeholders and job.computed + 2 - job.placeholders >= job.whole:
                continue  # a step in flight brings its last token
            new = len(job.tokens) + job.drafts + job.placeholders - job.computed
            new = min(new, long_prompt) if long_prompt else new
            new = min(new, left, places - self.draft_slots)
            if new == 0:
                continue
            fits = False
            while not (fits := self._grow(job, new)):
                victim = self.running[-1]
                if self.policy == "priority":
                    victim = max(self.running, key=lambda each: (each.priority, each.arrived, each.number))
                if self.running.index(victim) < at:
                    at -= 1
                self.running.remove(victim)
                for share in [share for share in step if share.job is victim]:
                    step.remove(share)
                    left += share.new
                    places += share.new + self.draft_slots
                self._preempt(victim)
                preempted = True
                if victim is job:
                    break
            if not fits and self.policy == "fcfs":
                break
            if fits:
                verified = max(0, new + job.computed - len(job.tokens) - job.placeholders) if job.drafts else 0
                job.drafts = 0
                step.append(Share(job, new, job.computed, not job.reads_prompt, verified))
                left -= new
                places -= new + self.draft_slots

        if not preempted:
            reading = any(not share.decodes for share in step)
            self._admit(now, step, left, places, long_prompt, reading=reading)
        for share in step:
            self._count(share)
        return step

    def _grow(self, job: Job, new: int) -> bool:
        return self.memory.allocate(
            job,
            job.names,
            len(job.tokens),
            job.computed,
            new,
            lookahead=self.lookahead,
            settled=max(0, job.computed - job.in_flight),
        )

    def _admit(self, now: float, step: list[Share], left: int, places: int, long_prompt: int, *, reading: bool) -> None:
        """Take from the waiting queue, in its order, until somebody does not fit."""
        running_before, skipped = len(step), []
        while self.waiting and left > 0 and places > self.draft_slots and len(self.running) < self.seats:
            job = self.waiting[0]
            if job.stale:
                skipped.append(self.waiting.pop(0))  # a step in flight still brings a token of it
                continue
            hits, found = self.memory.find(job.names, len(job.tokens) - 1)
            new, padded = len(job.tokens) - found, False
            room = min(left, places - self.draft_slots)
            if self.drafts and new == 1 and not reading and (running_before or found):
                if 1 + self.drafts > room:
                    break
                new, padded = 1 + self.drafts, True
            new = min(new, long_prompt) if long_prompt else new
            if not self.chunked and new > room:
                break
            new = min(new, room)
            spare = self.watermark if self.running else 0
            if not self.memory.allocate(
                job,
                job.names,
                len(job.tokens),
                found,
                new,
                hits=hits,
                lookahead=self.lookahead,
                whole=self.whole,
                spare=spare,
            ):
                break
            self.running.append(self.waiting.pop(0))
            job.runs, job.computed = True, found
            if job.scheduled != job.scheduled:
                job.scheduled, job.cached = now, found
            step.append(Share(job, new, found, False, self.drafts if padded else 0))
            left -= new
            places -= new + self.draft_slots
        self.waiting[:0] = skipped
        self._sort()

    def _count(self, share: Share) -> None:
        """Tokens count as computed as soon as they are scheduled (`_update_after_schedule`)."""
        job = share.job
        job.computed += share.new
        job.in_flight += share.new
        job.reads_prompt = job.computed < len(job.tokens) + job.placeholders
        share.samples = not job.reads_prompt
        if self.ahead and share.samples:
            job.placeholders += 1 + share.drafts
            job.drafts = self.drafts

    def _preempt(self, job: Job) -> None:
        """It gives its blocks back and waits first of all; it keeps the tokens it has."""
        self.memory.release(job)
        job.runs = False
        job.computed = job.placeholders = job.drafts = 0
        job.stale = job.in_flight
        job.preemptions += 1
        self.waiting.insert(0, job)
        self._sort()

    # ---- booking its outcome --------------------------------------------------------------------------------------

    def book(self, step: list[Share], now: float) -> list[Job]:
        """A step is over; returns who has all his tokens (`update_from_output`)."""
        ended: list[Job] = []
        for share in step:
            job = share.job
            job.in_flight -= share.new
            stale = job.stale > 0
            job.stale -= share.new if stale else 0
            if job.finished:
                continue  # the step after a stop token
            if not share.samples:
                continue
            produced = job.produced
            brought = 1 + (min(share.drafts, self.accepted(job, produced)) if share.drafts else 0)
            if not stale:
                rejected = share.drafts - (brought - 1)
                job.computed -= rejected if job.computed else 0
                job.placeholders -= rejected if job.placeholders else 0
            kept = min(brought, len(job.answer) - produced)
            job.tokens += job.answer[produced : produced + kept]
            self.memory.extend_names(job.names, job.tokens)
            job.token_times += [now] * kept
            job.first, job.last = (now if job.first != job.first else job.first), now
            job.finished = produced + kept == len(job.answer)
            promised = job.placeholders > 0
            if not stale:
                job.computed -= brought - kept
                job.placeholders -= brought if promised else 0
            if not stale and job.runs and (promised or self.drafts):
                self.memory.name_computed(job, job.names, job.computed - job.in_flight)
            if job.finished:
                ended.append(job)
                if job.runs:
                    self.memory.release(job)
                (self.running if job.runs else self.waiting).remove(job)
            elif self.drafts and not self.ahead:
                job.drafts = self.drafts
        return ended
