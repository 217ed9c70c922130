"""vLLM 0.33.0 played step by step: engine cores in their loop (`vllm/v1/engine/core.py`), requests that come by the
clock or when others are answered. The oracle of the scheduler, sharing nothing with `infermodel`.

When a step is composed. Without asynchronous scheduling (`EngineCore.step`), at the end of the one before, when that
one's outcome is booked. With it (`step_with_batch_queue`), a batch is queued while another runs: when step n ends, its
outcome is booked, step n + 1, composed before, begins, and at that instant step n + 2 is composed, with everybody who
came until then. So what step n frees serves step n + 2, and who comes while step n runs joins n + 2. An engine that had
nothing to run composes two steps at once when somebody comes: whoever comes later, even a moment, joins the third.

Ranks of data-parallel attention whose experts are shared (`DPEngineCoreProc`) each have a scheduler and a memory and
go in lockstep: a step of all lasts as long as the slowest rank's; a rank with nothing to run runs along, and since it
waits for that, composes its next step only at the end. (The engine goes on with idle steps, up to `dp_sync_interval`,
before all ranks find that nobody has work; this is not played.)

Scheduling itself takes no time, and answers reach clients at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from tests.oracles.vllm_scheduler import Job, Scheduler, Share

StepSeconds = Callable[[list[int], list[tuple[int, int]], int], float]
"""Duration of a step from (contexts of decoding requests, (new, before) of prompt chunks, chunks that finish)."""

Answered = Callable[[Job, float], Iterable[Job]]
"""What comes because a job was answered: the next question of a user, the next call of a chain."""


@dataclass
class Engine:
    """Engine cores in lockstep, or a single one.

    Attributes:
        ranks: their schedulers, all asynchronous or none.
        step_s: the time of a rank's step.
        route: the rank of a job; by default in turn.
        keeps: whether to keep
        steps: when each step began, how long it took, and what each rank did in it.
    """

    ranks: Sequence[Scheduler]
    step_s: StepSeconds
    route: Callable[[Job, Sequence[Scheduler]], int] | None = None
    keeps: bool = True
    steps: list[tuple[float, float, list[list[Share]]]] = field(default_factory=list)
    _turn: int = 0

    def play(self, jobs: Iterable[Job], answered: Answered = lambda job, at: ()) -> list[Job]:
        """Serve the jobs and those that answers bring; returns all of them in order of arrival."""
        coming: list[tuple[float, int, Job]] = []
        everybody: list[Job] = []

        def expect(more: Iterable[Job]) -> None:
            for job in more:
                everybody.append(job)
                heappush(coming, (job.arrived, job.number, job))

        expect(jobs)
        composed: list[list[Share] | None] = [None] * len(self.ranks)  # for the step to come, where already known
        now = 0.0
        while True:
            while coming and coming[0][0] <= now:
                self._take(heappop(coming)[2])
            step = [
                rank.schedule(now) if known is None else known for rank, known in zip(self.ranks, composed, strict=True)
            ]
            known_before = any(known is not None for known in composed)
            composed = [None] * len(self.ranks)
            if not any(step):
                if known_before:
                    continue  # batches without anything take no time: compose anew, at the same instant
                if not coming:
                    break
                now = coming[0][0]
                continue
            composed = [
                rank.schedule(now) if rank.ahead and share else None
                for rank, share in zip(self.ranks, step, strict=True)
            ]
            lasts = max(self._seconds(share) for share in step if share)
            while coming and coming[0][0] < now + lasts:
                self._take(heappop(coming)[2])  # its rank is chosen when it comes, by who runs then
            if self.keeps:
                self.steps.append((now, lasts, step))
            for share in (each for shares in step for each in shares if not each.decodes):
                share.job.begun = now if share.job.begun != share.job.begun else share.job.begun
            now += lasts
            for rank, share in zip(self.ranks, step, strict=True):
                for job in rank.book(share, now):
                    expect(answered(job, now))
        stuck = [job.number for job in everybody if not job.finished]
        if stuck:
            raise RuntimeError(f"the memory is too small for {stuck}")
        return sorted(everybody, key=lambda job: (job.arrived, job.number))

    def _take(self, job: Job) -> None:
        if self.route is not None:
            job.rank = self.route(job, self.ranks)
        else:
            job.rank = self._turn % len(self.ranks)
            self._turn += 1
        self.ranks[job.rank].add(job)

    def _seconds(self, step: list[Share]) -> float:
        decoding = [share.before + 1 for share in step if share.decodes]
        chunks = [(share.new, share.before) for share in step if not share.decodes]
        return self.step_s(decoding, chunks, sum(share.samples for share in step if not share.decodes))


@dataclass
class Fewest:
    """The rank with the fewest requests, of equals the first from one that moves on with each request: one API server
    of vLLM 0.33.0 (`DPLBAsyncMPClient`), without what it adds for queues before memories that are more than half full.
    """

    turn: int = 0

    def __call__(self, job: Job, ranks: Sequence[Scheduler]) -> int:
        scan = [(self.turn + i) % len(ranks) for i in range(len(ranks))]
        self.turn += 1
        return min(scan, key=lambda i: len(ranks[i].running) + len(ranks[i].waiting))
