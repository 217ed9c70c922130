"""A serving fleet played one step at a time, request by request and block by block: the oracle of the simulator.

Nothing of `infermodel.simulation` is used, and nothing is clever: every step looks at every request. With times that
are multiples of a power of two, the simulator must agree to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf, nan

StepSeconds = Callable[[list[int], list[tuple[int, int]], int], float]
"""Duration of a step from (contexts of decoding requests, (new, before) of prompt chunks, chunks that finish)."""


@dataclass
class Job:
    """A request and what became of it."""

    number: int
    arrived: float
    prompt: int
    output: int
    priority: int = 0
    produced: int = 0
    cached: int = 0  # tokens of it in the KV memory
    chunk: int = 0
    came: float = nan  # to the queue that it waits in
    scheduled: float = nan
    first: float = nan
    last: float = nan
    machine: int = -1
    preemptions: int = 0
    turn: int = 0  # of its last admission

    @property
    def rest(self) -> int:
        """Tokens to compute before it can get its next one, while it is not decoding."""
        return self.prompt + self.produced - self.cached


@dataclass
class Machine:
    """A replica: who waits, whose prompt is being read, who decodes; when its step ends and what the step works on."""

    number: int
    queue: list[Job]
    filling: list[Job] = field(default_factory=list)
    decoding: list[Job] = field(default_factory=list)
    leaving: list[Job] = field(default_factory=list)  # answered by the last step, but not before the next was composed
    began: float = inf
    ends: float = inf
    up: bool = True
    outstanding: int = 0

    def held(self) -> list[Job]:
        """Who has a seat and blocks."""
        return self.decoding + self.filling + self.leaving


@dataclass
class Fleet:
    """What the replicas are and how they are run; `play` does it."""

    step_s: StepSeconds
    seats: int
    budget: int
    blocks: int = 1 << 40
    block: int = 16
    replicas: int = 1
    queue: str = "fcfs"
    router: str = "round_robin"
    chunked: bool = True
    ahead: bool = False  # the next step is composed while one runs
    reserves: bool = False  # nobody starts before all the blocks that he may need are left
    slots: Callable[[int, int], int] = lambda sequences, longest: 1 << 40
    outages: Sequence[tuple[float, float, Sequence[int]]] = ()  # (from, until, replicas)
    turns: int = 0

    def held(self, tokens: int) -> int:
        return -(-tokens // self.block)

    def growth(self, job: Job, tokens: int) -> int:
        return self.held(job.cached + tokens) - self.held(job.cached)

    def most(self, job: Job) -> int:
        """Blocks that it holds at its end; its last token is never written."""
        return self.held(job.prompt + job.output - 1)

    def play(self, jobs: Sequence[Job]) -> None:
        """Serve all jobs; the answer is in their fields."""
        shared: list[Job] = []
        assert self.router in ("round_robin", "least_outstanding", "shared_queue"), f"cannot play {self.router}"
        machines = [Machine(i, shared if self.router == "shared_queue" else []) for i in range(self.replicas)]
        coming, stranded, turn = list(jobs), [], 0
        events = sorted(
            [(a, False, who) for a, _, who in self.outages] + [(b, True, who) for _, b, who in self.outages]
        )

        def route(job: Job) -> None:
            nonlocal turn
            up = [machine for machine in machines if machine.up]
            if not up:
                stranded.append(job)
                return
            if self.router == "least_outstanding":
                chosen = min(up, key=lambda machine: machine.outstanding)
            else:
                chosen = up[turn % len(up)]
            turn += 1
            chosen.outstanding += 1
            chosen.queue.append(job)

        while any(job.produced < job.output for job in jobs):
            now = min([m.ends for m in machines] + [j.arrived for j in coming[:1]] + [e[0] for e in events[:1]])
            for machine in machines:
                if machine.ends == now:
                    self.complete(machine, now)
            while events and events[0][0] == now:
                _, up, who = events.pop(0)
                lost: list[Job] = []
                for machine in (machines[number] for number in who):
                    machine.up, machine.ends = up, inf
                    lost += machine.decoding + machine.filling
                    machine.decoding, machine.filling, machine.leaving = [], [], []
                    if machine.queue is not shared:
                        lost += machine.queue
                        machine.queue.clear()
                    machine.outstanding = 0
                again = [*stranded] if up else sorted(lost, key=lambda job: job.number)
                stranded = [] if up else stranded
                for job in again:
                    job.cached, job.came = 0, now
                    route(job)
            while coming and coming[0].arrived == now:
                coming[0].came = now
                route(coming.pop(0))
            while any(self.start(m, now) for m in machines if m.up and m.ends == inf):
                pass

    def complete(self, machine: Machine, now: float) -> None:
        """The step is over: a token for everyone who decodes, and for everyone whose prompt is complete."""
        for job in machine.decoding:
            job.cached += 1
        for job in machine.filling:
            job.cached += job.chunk
        got = machine.decoding + [job for job in machine.filling if job.rest == 0]
        machine.filling = [job for job in machine.filling if job.rest > 0]
        for job in got:
            job.produced += 1
            job.first, job.last = (now if job.produced == 1 else job.first), now
        machine.outstanding -= sum(job.produced == job.output for job in got)
        machine.decoding = [job for job in got if job.produced < job.output]
        machine.leaving = [job for job in got if job.produced == job.output and self.ahead]
        machine.ends = inf

    def start(self, machine: Machine, now: float) -> bool:
        """Begin a step, if there is anything to do: who leaves is in the way of one that was composed before."""
        if machine.leaving:
            if self.compose(machine, now):
                machine.leaving = []
                return True
            machine.leaving = []
        return self.compose(machine, now)

    def compose(self, machine: Machine, now: float) -> bool:
        preempted, free, left = False, self.blocks - sum(self.held(job.cached) for job in machine.held()), 0
        step: list[Job] = []
        for job in sorted(machine.decoding + machine.filling, key=lambda job: job.turn):
            if job not in machine.held():
                continue  # it gave way to one before it
            job.chunk = 1
            if job in machine.filling:
                left = self.room_for_prompts(machine) - sum(each.chunk for each in step if each in machine.filling)
                job.chunk = min(job.rest, left)
            while job in machine.held() and self.growth(job, job.chunk) > free:
                urgency = (lambda job: (job.priority, job.number)) if self.queue == "priority" else lambda job: job.turn
                victim, preempted = max(machine.held(), key=urgency), True
                free += self.held(victim.cached + victim.chunk if victim in step else victim.cached)
                step = [each for each in step if each is not victim]
                for held in (machine.decoding, machine.filling, machine.leaving):
                    if victim in held:
                        held.remove(victim)
                victim.cached, victim.preemptions = 0, victim.preemptions + 1
                if victim.produced < victim.output:
                    machine.queue.insert(0, victim)
            if job in machine.held():
                free -= self.growth(job, job.chunk)
                step.append(job)
        left = self.room_for_prompts(machine) - sum(job.chunk for job in machine.filling)
        running = bool(machine.held())
        while not preempted and left > 0 and len(machine.held()) < self.seats:
            waiting = [job for job in machine.queue if not (self.ahead and running and job.came > machine.began)]
            if not waiting:
                break
            job = waiting[0]
            if self.queue == "priority":
                job = min(waiting, key=lambda each: (each.priority, each.number))
            job.chunk = min(job.rest, left)
            whole = self.chunked or job.chunk == job.rest or not machine.held()
            if not whole or self.growth(job, job.chunk) > free:
                break
            if self.reserves and sum(map(self.most, [job, *machine.held()])) > self.blocks:
                break
            machine.queue.remove(job)
            machine.filling.append(job)
            job.turn = self.turns = self.turns + 1
            job.machine = machine.number
            job.scheduled = now if job.scheduled != job.scheduled else job.scheduled
            left -= job.chunk
            free -= self.growth(job, job.chunk)
        if not machine.decoding and not machine.filling:
            return False
        machine.began = now
        chunks = [job for job in machine.filling if job.chunk]
        machine.ends = now + self.step_s(
            [job.cached + 1 for job in machine.decoding],
            [(job.chunk, job.cached) for job in chunks],
            sum(job.chunk == job.rest for job in chunks),
        )
        return True

    def room_for_prompts(self, machine: Machine) -> int:
        sequences, longest = len(machine.decoding), max((job.cached + 1 for job in machine.decoding), default=0)
        return max(0, min(self.budget - sequences, self.slots(sequences, longest)))
