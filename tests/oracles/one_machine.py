"""What both step engines, `step_engine` and `pools_engine`, play: a machine, its requests, and the blocks they share.

Nothing of `infermodel.simulation` is used, and nothing is clever: every step looks at every request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, nan
from typing import Generic, TypeVar


@dataclass
class Job:
    """A request and what became of it."""

    number: int
    arrived: float
    prompt: int
    output: int
    priority: int = 0
    produced: int = 0  # tokens that the client has or that came along
    cached: int = 0  # tokens of it in the memory of the machine that works on it
    chunk: int = 0
    came: float = nan  # to the queue that it waits in
    scheduled: float = nan
    first: float = nan
    last: float = nan
    preemptions: int = 0
    turn: int = 0  # of its last admission

    @property
    def rest(self) -> int:
        """Tokens to compute before it can get its next one, while it is not decoding."""
        return self.prompt + self.produced - self.cached


AnyJob = TypeVar("AnyJob", bound=Job)


class InBlocks:
    """Keys and values lie in whole blocks."""

    block: int

    def held(self, tokens: int) -> int:
        return -(-tokens // self.block)

    def growth(self, job: Job, tokens: int) -> int:
        return self.held(job.cached + tokens) - self.held(job.cached)


@dataclass
class Machine(Generic[AnyJob]):
    """Who waits, whose prompt is being read, who decodes; when its step ends and what the step works on."""

    number: int
    queue: list[AnyJob] = field(default_factory=list)
    filling: list[AnyJob] = field(default_factory=list)
    decoding: list[AnyJob] = field(default_factory=list)
    leaving: list[AnyJob] = field(default_factory=list)  # done by the last step, but not before the next was composed
    began: float = inf
    ends: float = inf
    outstanding: int = 0

    def held(self) -> list[AnyJob]:
        """Who has a seat and blocks."""
        return self.decoding + self.filling + self.leaving

    def complete(self) -> list[AnyJob]:
        """The step is over: who gets a token, everyone who decodes and everyone whose prompt is complete."""
        for job in self.decoding:
            job.cached += 1
        for job in self.filling:
            job.cached += job.chunk
        got = self.decoding + [job for job in self.filling if job.rest == 0]
        self.filling = [job for job in self.filling if job.rest > 0]
        self.decoding, self.ends = [], inf
        return got

    def admit(self, job: AnyJob, turn: int, now: float) -> None:
        """It has a seat, and its prompt is read from this step on."""
        self.queue.remove(job)
        self.filling.append(job)
        job.turn = turn
        job.scheduled = now if job.scheduled != job.scheduled else job.scheduled

    def share(
        self, blocks: InBlocks, free: int, room: Callable[[], int], gives_way: Callable[[], AnyJob]
    ) -> tuple[int, bool]:
        """Blocks for those who run, in order of admission; without blocks one of them gives way.

        Args:
            blocks: what a request takes.
            free: blocks that nobody has.
            room: tokens of prompts that the step has room for, asked again at each of them.
            gives_way: who is preempted, of those held now.

        Returns:
            Blocks that are left, and whether anybody gave way.
        """
        preempted, step = False, list[AnyJob]()
        for job in sorted(self.decoding + self.filling, key=lambda job: job.turn):
            if job not in self.held():
                continue  # it gave way to one before it
            job.chunk = 1
            if job in self.filling:
                job.chunk = min(job.rest, room() - sum(each.chunk for each in step if each in self.filling))
            while job in self.held() and blocks.growth(job, job.chunk) > free:
                victim, preempted = gives_way(), True
                free += blocks.held(victim.cached + victim.chunk if victim in step else victim.cached)
                step = [each for each in step if each is not victim]
                for held in (self.decoding, self.filling, self.leaving):
                    if victim in held:
                        held.remove(victim)
                victim.cached, victim.preemptions = 0, victim.preemptions + 1
                if victim.produced < victim.output:
                    self.queue.insert(0, victim)
            if job in self.held():
                free -= blocks.growth(job, job.chunk)
                step.append(job)
        return free, preempted
