"""A serving fleet played one step at a time, request by request and block by block: the oracle of the simulator.

Nothing of `infermodel.simulation` is used, and nothing is clever: every step looks at every request. With times that
are multiples of a power of two, the simulator must agree to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from tests.oracles import one_machine
from tests.oracles.one_machine import InBlocks

StepSeconds = Callable[[list[int], list[tuple[int, int]], int], float]
"""Duration of a step from (contexts of decoding requests, (new, before) of prompt chunks, chunks that finish)."""


@dataclass
class Job(one_machine.Job):
    """A request, and the replica that served it."""

    machine: int = -1


@dataclass
class Machine(one_machine.Machine[Job]):
    """A replica, which may be down."""

    up: bool = True


@dataclass
class Fleet(InBlocks):
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
        got = machine.complete()
        for job in got:
            job.produced += 1
            job.first, job.last = (now if job.produced == 1 else job.first), now
        machine.outstanding -= sum(job.produced == job.output for job in got)
        machine.decoding = [job for job in got if job.produced < job.output]
        machine.leaving = [job for job in got if job.produced == job.output and self.ahead]

    def start(self, machine: Machine, now: float) -> bool:
        """Begin a step, if there is anything to do: who leaves is in the way of one that was composed before."""
        if machine.leaving:
            if self.compose(machine, now):
                machine.leaving = []
                return True
            machine.leaving = []
        return self.compose(machine, now)

    def compose(self, machine: Machine, now: float) -> bool:
        def gives_way() -> Job:
            urgency = (lambda job: (job.priority, job.number)) if self.queue == "priority" else lambda job: job.turn
            return max(machine.held(), key=urgency)

        free = self.blocks - sum(self.held(job.cached) for job in machine.held())
        free, preempted = machine.share(self, free, lambda: self.room_for_prompts(machine), gives_way)
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
            self.turns += 1
            machine.admit(job, self.turns, now)
            job.machine = machine.number
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
