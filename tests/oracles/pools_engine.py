"""Machines that read prompts, machines that decode, and a link between them, played one step at a time.

Nothing of `infermodel.simulation` is used, and nothing is clever: every step looks at every request, every machine is
asked again whenever anything has happened. With times that are multiples of a power of two, the simulator must agree to
the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf, nan
from typing import Literal

from tests.oracles import one_machine
from tests.oracles.one_machine import InBlocks

StepSeconds = Callable[[list[int], list[tuple[int, int]]], float]
"""Duration of a step from (contexts of decoding requests, (new, before) of prompt chunks)."""


@dataclass
class Job(one_machine.Job):
    """A request, and what became of it on its way."""

    comes: bool = False  # a machine that decodes is to set blocks aside for it
    there: float = nan  # its keys and values
    read: float = nan  # its prompt, by the first pool
    reserved: float = nan
    begun: float = nan
    joined: float = nan
    reader: int = -1
    decoder: int = -1
    size: float = 0.0


@dataclass
class Kind(InBlocks):
    """Machines of one kind."""

    machines: int
    step_s: StepSeconds
    seats: int
    budget: int
    blocks: int
    block: int = 4
    router: str = "round_robin"
    ahead: bool = False  # the next step is composed while one runs
    chunked: bool = True


@dataclass
class Wire:
    """The link: seconds of a byte at each end and of what is shared, and who does what when."""

    out_s: float = 0.0
    in_s: float = 0.0
    shared_s: float = 0.0
    latency: float = 0.0
    hop: float = 0.0
    byte: int = 1  # of a token
    before: bool = False  # blocks are set aside before a prompt is read
    first_token: Literal["prefill", "arrival", "decode"] = "decode"
    kept_free: int = 0
    sendable: Callable[[Job, int], float] = lambda job, chunk: 0.0  # bytes that may cross while a prompt is read


@dataclass(kw_only=True)
class Machine(one_machine.Machine[Job]):
    """A machine of a kind, and who holds blocks and no seat on it."""

    kind: Kind
    reads: bool
    kept: dict[int, int] = field(default_factory=dict)  # blocks
    there: list[Job] = field(default_factory=list)  # those of the kept whose keys and values have come
    released: list[Job] = field(default_factory=list)
    out_free: float = 0.0
    in_free: float = 0.0


class Pools:
    """One kind that reads, one that decodes."""

    def __init__(self, reading: Kind, decoding: Kind, wire: Wire) -> None:
        self.wire = wire
        self.readers = [Machine(i, kind=reading, reads=True) for i in range(reading.machines)]
        self.decoders = [Machine(i, kind=decoding, reads=False) for i in range(decoding.machines)]
        self.machines = self.readers + self.decoders
        self.agenda: list[tuple[float, int, Callable[[float], None]]] = []
        self.asked = self.turns = 0
        self.routed = {True: 0, False: 0}
        self.shared_free = 0.0

    def at(self, time: float, action: Callable[[float], None]) -> None:
        self.asked += 1
        heappush(self.agenda, (time, self.asked, action))

    def route(self, job: Job, machines: list[Machine], now: float) -> None:
        reads = machines[0].reads
        chosen = machines[self.routed[reads] % len(machines)]
        if machines[0].kind.router == "least_outstanding":
            chosen = min(machines, key=lambda machine: machine.outstanding)
        self.routed[reads] += 1
        chosen.outstanding += 1
        job.came, job.comes = now, not reads
        chosen.queue.append(job)

    def play(self, jobs: Sequence[Job]) -> None:
        """Serve all jobs; the answer is in their fields."""
        coming = list(jobs)
        while any(job.last != job.last or job.produced < job.output for job in jobs):
            due = [self.agenda[0][0]] if self.agenda else []
            now = min([m.ends for m in self.machines] + [j.arrived for j in coming[:1]] + due)
            assert now < inf, "nothing is left to happen"
            for machine in self.machines:
                if machine.ends == now:
                    self.complete(machine, now)
            while coming and coming[0].arrived == now:
                self.route(coming.pop(0), self.decoders if self.wire.before else self.readers, now)
            while self.transfers(now) or any(
                self.transfers(now) or (machine.ends == inf and self.start(machine, now)) for machine in self.machines
            ):
                pass

    def transfers(self, now: float) -> bool:
        """What the link does now, whenever a machine has been asked."""
        done = False
        while self.agenda and self.agenda[0][0] == now:
            heappop(self.agenda)[2](now)
            done = True
        return done

    # ---- the link -------------------------------------------------------------------------------------------------

    def hand_over(self, machine: Machine, job: Job, now: float) -> None:
        job.read, job.reader = now, machine.number
        machine.outstanding -= 1
        if self.wire.before:
            self.send(job, now)
        else:
            self.at(now + self.wire.hop, lambda when: self.route(job, self.decoders, when))

    def reserve(self, machine: Machine, job: Job, now: float) -> None:
        machine.kept[job.number] = machine.kind.held(job.prompt)
        job.comes, job.decoder, job.reserved = False, machine.number, now
        job.size = float(machine.kind.held(job.prompt) * machine.kind.block * self.wire.byte)
        if self.wire.before:
            self.at(now, lambda when: self.route(job, self.readers, when))
        else:
            self.send(job, now)

    def send(self, job: Job, now: float) -> None:
        wire, source = self.wire, self.readers[job.reader]
        may = wire.sendable(job, job.chunk) if wire.before else 0.0
        slowest = max(wire.out_s, wire.shared_s, wire.in_s)
        time = min((now - job.scheduled) * (may / job.size), now - source.out_free)
        crossed = min(may, max(0.0, time) / slowest if slowest else may)
        size = job.size - crossed
        begins = max(now, source.out_free)
        source.out_free = begins + size * wire.out_s
        sent = source.out_free
        if begins > now:
            self.at(begins, lambda when: self.begin(job, size, sent, when))
        else:
            self.begin(job, size, sent, now)

    def begin(self, job: Job, size: float, sent: float, now: float) -> None:
        wire, target = self.wire, self.decoders[job.decoder]
        job.begun = now
        passes = max(now, self.shared_free)
        self.shared_free = passed = passes + size * wire.shared_s
        target.in_free = received = max(passes, target.in_free) + size * wire.in_s
        self.at(max(sent, passed, received) + wire.latency, lambda when: self.arrive(job, when))

    def arrive(self, job: Job, now: float) -> None:
        job.there = now
        self.readers[job.reader].released.append(job)
        self.decoders[job.decoder].there.append(job)

    # ---- machines -------------------------------------------------------------------------------------------------

    def complete(self, machine: Machine, now: float) -> None:
        """The step is over: a token for everyone who decodes, and for everyone whose prompt is complete."""
        got, leaving = machine.complete(), list[Job]()
        for job in got:
            if machine.reads and job.output > 1:
                if self.wire.first_token == "prefill":
                    job.first = job.last = now
                leaving.append(job)
                self.hand_over(machine, job, now)
                continue
            job.produced += 1
            job.first, job.last = (now if job.produced == 1 else job.first), now
            if job.produced < job.output:
                machine.decoding.append(job)
                continue
            machine.outstanding -= 1
            leaving.append(job)
            if machine.reads and self.wire.before:
                self.decoders[job.decoder].released.append(job)
                self.decoders[job.decoder].outstanding -= 1
        machine.leaving = leaving
        if not machine.kind.ahead:
            self.see_off(machine)

    def see_off(self, machine: Machine) -> None:
        for job in machine.leaving:
            if machine.reads and job.output > 1 and job not in machine.released:
                machine.kept[job.number] = machine.kind.held(job.prompt)
            elif job in machine.released:
                machine.released.remove(job)
        machine.leaving = []

    def start(self, machine: Machine, now: float) -> bool:
        """Begin a step, if there is anything to do: who leaves is in the way of one that was composed before, and who
        gave way comes back to one that is composed after."""
        begun, again = False, True
        while again and not begun:
            leaving = bool(machine.leaving)
            begun, preempted = self.compose(machine, now)
            self.see_off(machine)
            again = leaving or preempted
        return begun

    def compose(self, machine: Machine, now: float) -> tuple[bool, bool]:
        """Compose a step: whether there is one, and whether somebody gave way."""
        kind, wire = machine.kind, self.wire
        for job in [each for each in machine.released if each not in machine.leaving]:
            machine.released.remove(job)
            del machine.kept[job.number]
        running = bool(machine.held())

        def late(since: float) -> bool:
            """After a step that runs was begun, and with it the next one composed."""
            return kind.ahead and running and since > machine.began

        if wire.first_token != "decode":
            while machine.there and len(machine.held()) < kind.seats and not late(machine.there[0].there):
                self.seat(machine, now, machine.decoding, read=0)
                job = machine.decoding[-1]
                job.produced, job.cached = 1, job.prompt
                if wire.first_token == "arrival":
                    job.first = job.last = now
        free = kind.blocks - sum(kind.held(job.cached) for job in machine.held()) - sum(machine.kept.values())
        free, preempted = machine.share(kind, free, lambda: self.left(machine), lambda: self.gives_way(machine))
        left = self.left(machine) - sum(job.chunk for job in machine.filling)
        if not preempted and wire.first_token == "decode":
            while left > 0 and machine.there and len(machine.held()) < kind.seats:
                if late(machine.there[0].there):
                    break
                self.seat(machine, now, machine.filling, read=1)
                left -= 1
        while not preempted and left > 0 and len(machine.held()) < kind.seats:
            waiting = [job for job in machine.queue if not late(job.came)]
            if not waiting:
                break
            job = waiting[0]
            if job.comes:
                active = len(machine.held()) + len(machine.kept)
                spare = kind.held(wire.kept_free * (active + 1)) if active else 0
                if kind.held(job.prompt) > free - spare:
                    break
                machine.queue.remove(job)
                self.reserve(machine, job, now)
                free -= kind.held(job.prompt)
                continue
            job.chunk = min(job.rest, left)
            whole = kind.chunked or job.chunk == job.rest or not machine.held()
            if not whole or kind.growth(job, job.chunk) > free:
                break
            self.turns += 1
            machine.admit(job, self.turns, now)
            left -= job.chunk
            free -= kind.growth(job, job.chunk)
        if not machine.decoding and not machine.filling:
            return False, preempted
        machine.began = now
        chunks = [(job.chunk, job.cached) for job in machine.filling if job.chunk]
        machine.ends = now + kind.step_s([job.cached + 1 for job in machine.decoding], chunks)
        return True, preempted

    def seat(self, machine: Machine, now: float, row: list[Job], read: int) -> None:
        job = machine.there.pop(0)
        del machine.kept[job.number]
        job.joined, job.cached, job.chunk = now, job.prompt - read, read
        job.turn = self.turns = self.turns + 1
        row.append(job)

    def gives_way(self, machine: Machine) -> Job:
        """The last admitted, but of those whose prompt is read already nobody."""
        handed = [each for each in machine.leaving if machine.reads and each.output > 1]
        return max((each for each in machine.held() if each not in handed), key=lambda job: job.turn)

    def left(self, machine: Machine) -> int:
        return max(0, machine.kind.budget - len(machine.decoding))
