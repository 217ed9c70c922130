"""A service: a fleet of replicas behind a router."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import isnan

import numpy as np
from numpy.typing import NDArray
from simpy.events import Event

from infermodel.simulation.alarm import ARRIVE, order_of
from infermodel.simulation.clients.askers import Askers
from infermodel.simulation.clients.callers import Callers
from infermodel.simulation.clients.start import Clients, start_clients
from infermodel.simulation.clients.way import Way
from infermodel.simulation.clock import Clock
from infermodel.simulation.gate import Gate
from infermodel.simulation.pool.front_end import FrontEnd, front_ends
from infermodel.simulation.pool.outages import spread, start_outages
from infermodel.simulation.pool.router import ROUTERS, SHARED_QUEUE, LoadIndex
from infermodel.simulation.records.availability import Availability
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.records.recorder import Recorder
from infermodel.simulation.replica.drafts import Drafting
from infermodel.simulation.replica.prompts_first import PromptsFirst
from infermodel.simulation.replica.queues import QUEUES, Discipline, WaitingQueue
from infermodel.simulation.replica.rank_router import RANK_ROUTERS
from infermodel.simulation.replica.ranks import Lockstep
from infermodel.simulation.replica.replica import Replica, Stepping
from infermodel.simulation.replica.scheduler import Scheduler
from infermodel.simulation.spec import Horizon, ServiceSpec, longest_in_memory
from infermodel.simulation.streams import Streams
from infermodel.simulation.tally import Tally
from infermodel.tables import ServiceRecord


class Service:
    """The processes of one service: its clients, its router, its systems with their replicas.

    Attributes:
        done: happens when everything that is measured has come to its end.
        load, up, random: what its router may see.
        most_tokens: prompt and answer of the longest request that it serves.
        callers: clients outside of the simulation, where the traffic is theirs.
    """

    def __init__(
        self, clock: Clock, index: int, spec: ServiceSpec, streams: Streams, horizon: Horizon, stepping: Stepping
    ) -> None:
        self._spec = spec
        self.done = Event(clock)
        self.load = LoadIndex(spec.replicas)
        self.random = streams("router")
        self._clock, self._order = clock, order_of(ARRIVE, index)
        self._log = log = RequestLog()
        self._tally = Tally(clock, horizon, log, self._end)
        self._recorder = Recorder(spec.replicas)
        self._gate = (
            Gate(spec.rate_limits, self._dispatch, self._reject, self._tally, clock, self._order, streams)
            if spec.rate_limits
            else None
        )
        self._route = ROUTERS.get(spec.router)
        self._load_matters = self._route is not None and spec.replicas > 1
        discipline = QUEUES[spec.queue]
        self._shared = shared = discipline.queue(self._log) if spec.router == SHARED_QUEUE else None
        self.replicas: list[Replica] = []
        of_ranks = spec.step_model.kv_memory.ranks
        for number in range(spec.replicas):
            queues = [discipline.queue(log) if shared is None else shared for _ in range(of_ranks)]
            ranks = [self._running(number, discipline, queue, streams) for queue in queues]
            settings = self._recorder, stepping, spec.limits.schedules_ahead, spec.limits.receive_interval
            if len(ranks) == 1:
                self.replicas.append(Replica(clock, number, index, spec.step_model, ranks[0], *settings))
            else:
                route = RANK_ROUTERS[spec.rank_router]
                self.replicas.append(Lockstep(clock, number, index, spec.step_model, ranks, route, *settings))
        drafted = spec.speculation.drafted if spec.speculation is not None else 0
        fits = longest_in_memory(spec.step_model.kv_memory, spec.limits, drafted)
        self.most_tokens = min(spec.limits.max_context, fits)
        self.up: Sequence[int] = range(spec.replicas)
        self._held_up: set[int] = set()  # replicas that the head of the shared queue did not fit into
        self._stranded: list[int] = []  # requests that came while no replica was up
        self._turn = 0
        self._clients: Clients | None = None  # those who wait for answers
        self._systems = spread(spec.replicas, spec.systems)
        self._availability = Availability([len(replicas) for replicas in self._systems])
        start_outages(spec.outages, self._systems, self, clock, self._tally)
        self._front_ends = self._in_front()
        self._first_waited_s: dict[int, float] = {}  # what the front end kept first tokens of running answers waiting
        self._stretch_s = 0.0  # by how much that made finished answers longer from first to last token, together
        way = Way(spec, self._tally, self.admit, clock, self._order)
        self._clients = start_clients(spec, way, self._dispatch, self._gate, streams)
        self.callers = self._clients if isinstance(self._clients, Callers) else None

    def _in_front(self) -> list[FrontEnd]:
        """The front end of each replica; none where requests and tokens wait for none."""
        spec = self._spec.front_end
        if spec is None:
            return []
        if self._route is None:  # all take from one queue: so do all their processes
            servers = len(self._systems) if spec.of_system else self._spec.replicas
            every = replace(spec, processes=spec.processes * servers)
            return [FrontEnd(every, self.replicas)] * self._spec.replicas
        return front_ends(spec, self.replicas, self._systems)

    def _running(self, number: int, discipline: Discipline, queue: WaitingQueue, streams: Streams) -> Scheduler:
        """The running requests of a replica, those of one that draws what drafts yield where that is asked for."""
        spec, speculation = self._spec, self._spec.speculation
        sampled = speculation is not None and speculation.sampled
        limits = spec.limits
        apart = not limits.mixes_prompts or limits.answer_share is not None or limits.preempted != "latest"
        kind = Drafting if sampled else PromptsFirst if apart else Scheduler
        running = kind(
            number,
            spec.step_model,
            spec.limits,
            discipline,
            queue,
            self._log,
            self._recorder,
            self,
        )
        if speculation is not None:
            running.lookahead = speculation.drafted + 1
        if isinstance(running, PromptsFirst):
            running.follow_limits(spec.rate_limits.requested_output if spec.rate_limits else None)
        if isinstance(running, Drafting) and speculation is not None:
            running.draw_with(speculation, int(streams("acceptance").integers(2**63)))
        return running

    # ---- from the door to a replica -------------------------------------------------------------------------------

    def admit(self, request: int) -> None:
        """The scheduler sees a request: refuse it, or route it."""
        log = self._log
        if log.prompt_tokens[request] + log.output_tokens[request] > self.most_tokens:
            self._reject(request)
        elif self._gate is not None:
            self._gate.come(request)
        else:
            self._dispatch(request)

    # ---- the service ----------------------------------------------------------------------------------------------

    def streams_from(self, request: int, end: float) -> float:
        """When the client has its first token, of the step that ended at `end`."""
        delay_s = self._waits_to_leave_s(request)
        if delay_s:
            self._first_waited_s[request] = delay_s
        return end + self._spec.egress_s + delay_s

    def streams_until(self, request: int, end: float) -> float:
        """When the client has its last token, of the step that ended at `end`."""
        delay_s = self._waits_to_leave_s(request)
        self._stretch_s += delay_s - self._first_waited_s.pop(request, 0.0)
        out_at = end + self._spec.egress_s + delay_s
        return max(out_at, self._log.first_token_at[request])  # both may wait for one moment, rounded apart

    def _waits_to_leave_s(self, request: int) -> float:
        """What the front end keeps a token waiting that leaves the request's replica now."""
        return self._front_ends[self._log.replica[request]].delay_s(self._clock.now) if self._front_ends else 0.0

    def on_finished(self, request: int, at: float) -> None:
        """The client of `request` has its last token at `at`."""
        self._log.finished[request] = 1
        if self._load_matters:
            self.load.add(self._log.replica[request], -1)
        self._tally.count_out(request)
        if self._clients is not None:
            self._clients.on_answered(request, at)

    def _dispatch(self, request: int) -> None:
        """Choose a replica for a request, which enters its server."""
        if not self.up:
            self._stranded.append(request)
            return
        number = self.up[0]
        if self._load_matters and self._route is not None:
            number = self._route(self._turn, self)
            self._turn += 1
            self.load.add(number, 1)
        if self._front_ends:
            front_end = self._front_ends[number]
            at = front_end.take(self._clock.now, self._log.prompt_tokens[request])
            self._clock.call_at(at, self._order, partial(self._come_through, request, number, front_end.streamed_s))
        else:
            self._enqueue(request, number)

    def _come_through(self, request: int, number: int, streamed_s: float) -> None:
        """A server is done with a request, unless tokens that streamed meanwhile have held it up."""
        front_end, now = self._front_ends[number], self._clock.now
        late_s = front_end.held_up_s(now, streamed_s)
        if now + late_s > now:
            self._clock.call_at(
                now + late_s, self._order, partial(self._come_through, request, number, front_end.streamed_s)
            )
        else:
            self._enqueue(request, number)

    def _enqueue(self, request: int, number: int) -> None:
        """The scheduler of replica `number`, or of all, sees the request."""
        now, log = self._clock.now, self._log
        if self._tally.ended:
            return
        if self._route is not None and not self.replicas[number].up:  # it failed meanwhile
            if self._load_matters:
                self.load.add(number, -1)
            self._dispatch_again([request])
            return
        if request in log.routed_again_at:
            log.routed_again_at[request] = now
        else:
            log.admitted_at[request] = now
        if self._shared is not None:
            self._shared.push(request)
            for replica in self._takers():
                replica.notice()
            return
        log.replica[request] = number
        self.replicas[number].take(request)

    def _dispatch_again(self, requests: Sequence[int]) -> None:
        for request in requests:
            if not isnan(self._log.admitted_at[request]):
                self._log.routed_again_at[request] = self._clock.now
            self._dispatch(request)

    def _takers(self) -> list[Replica]:
        """Who may take the next request of the shared queue: an idle replica, or else whoever has room first."""
        up = [self.replicas[number] for number in self.up]
        return next(([replica] for replica in up if replica.idle), up)

    def on_held_up(self, replica: int) -> None:
        """The head of the queue does not fit into `replica` now."""
        if self._route is None:
            self._held_up.add(replica)

    def on_queue_moved(self, replica: int) -> None:
        """Replicas that the old head of the shared queue held up look at the new one."""
        if self._held_up:
            held_up, self._held_up = sorted(self._held_up - {replica}), set()
            self._show_head([self.replicas[number] for number in held_up], replica)

    def on_given_back(self, replica: int) -> None:
        """Another replica may have room for what this one has preempted."""
        if self._route is None:
            self._show_head([taker for taker in self._takers() if taker.index != replica], replica)

    def _show_head(self, replicas: Sequence[Replica], since: int) -> None:
        """Replica `since` has changed the head of the shared queue, when those before it had started their steps."""
        for replica in replicas:
            replica.running.held_up = False
            replica.notice(later=replica.index < since)

    def _reject(self, request: int) -> None:
        self._log.rejected.append(request)
        if self._clients is not None:
            self._clients.on_refused(request)
        self._tally.count_out(request)

    @property
    def log(self) -> RequestLog:
        """Columns of its requests."""
        return self._log

    @property
    def waiting(self) -> int:
        """Requests in its queues."""
        if self._shared is not None:
            return len(self._shared)
        return sum([len(each.queue) for replica in self.replicas for each in replica.schedulers])

    def kv_used(self, replica: int) -> float:
        """Share of a replica's KV memory in use."""
        return self.replicas[replica].kv_blocks_used / self.replicas[replica].kv_blocks

    def take_down(self, system: int) -> None:
        """A system fails now; what its replicas held goes to the others."""
        replicas = self._systems[system]
        self._availability.goes_down(system, self._clock.now)
        self.up = [number for number in self.up if number not in replicas]
        lost: list[int] = []
        for number in replicas:
            self.load.set_up(number, up=False)
            mine = self.replicas[number].fail()
            if self._route is not None:
                mine += self.replicas[number].drain()
                if self._load_matters:
                    for _ in mine:
                        self.load.add(number, -1)
            lost += mine
        self._dispatch_again(sorted(lost))

    def bring_up(self, system: int) -> None:
        """A system works again, its replicas empty."""
        replicas = self._systems[system]
        self._availability.comes_up(system, self._clock.now)
        self.up = sorted({*self.up, *replicas})
        for number in replicas:
            self.load.set_up(number, up=True)
            self.replicas[number].repair()
        stranded, self._stranded = self._stranded, []
        self._dispatch_again(stranded)

    # ---- the end --------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        for replica in self.replicas:
            replica.halt()
        self.done.succeed()

    def record(self) -> ServiceRecord:
        """Everything that is known at the end."""
        recorder, model = self._recorder, self._spec.step_model
        sent, ended_at = self._tally.sent, self._tally.ended_at
        recorder.leaps.empty()
        for replica in self.replicas:
            replica.let_go()
        table = self._log.table(sent)
        memory = model.kv_memory
        served_by, replicas = np.maximum(table.replica, 0), len(self.replicas)
        preemptions = np.bincount(served_by, weights=table.preemptions, minlength=replicas)
        totals: dict[str, NDArray[np.float64]] = {
            **recorder.totals.columns,
            "preemptions": preemptions.astype(np.float64),
            "up_s": self._availability.up_s(ended_at),
            "kv_blocks_left": np.array([replica.kv_blocks_used for replica in self.replicas], np.float64),
        }
        return ServiceRecord(
            name=self._spec.name,
            requests=table,
            gaps=recorder.gaps.histogram(sum(each.waited_s() for each in self.replicas)),
            timeline=self._availability.over_time(recorder.over_time.table(ended_at), ended_at),
            replicas=len(self.replicas),
            replica_totals=totals,
            idle_w=model.idle_w,
            peak_flops=model.peak_flops,
            peak_bandwidth=model.peak_bandwidth,
            kv_blocks=self.replicas[0].kv_blocks,
            kv_block_tokens=memory.block_tokens,
            kv_groups=(memory.whole, memory.groups),
            ended_at=ended_at,
            events=self._clock.agenda.scheduled,
            tenants=self._gate.record(sent) if self._gate else (),
            questions=self._clients.questions.table() if isinstance(self._clients, Askers) else None,
            front_end_stretch_s=self._stretch_s,
            front_end_busy_s=sum(each.busy_s for each in dict.fromkeys(self._front_ends)),
            front_end_processes=sum(each.processes for each in dict.fromkeys(self._front_ends)),
            texts=self._log.texts(sent),
        )
