"""A service: a fleet of replicas behind a router."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isnan, nan

import numpy as np
from simpy.events import Event

from infermodel.simulation.alarm import ARRIVE, Alarm, order_of
from infermodel.simulation.batching import QUEUES, Discipline, WaitingQueue
from infermodel.simulation.clients import Askers, Users, arrivals
from infermodel.simulation.clock import Clock
from infermodel.simulation.gate import Gate
from infermodel.simulation.recorder import RequestLog, StepRecorder
from infermodel.simulation.replica import Replica, Stepping
from infermodel.simulation.router import ROUTERS, SHARED_QUEUE, LoadIndex
from infermodel.simulation.running import Running
from infermodel.simulation.spec import LONGEST_RUN, Horizon, ServiceSpec
from infermodel.simulation.streams import Streams
from infermodel.simulation.system import SystemProcess
from infermodel.simulation.verified import VerifiedRunning
from infermodel.tables import ServiceRecord, Timeline
from infermodel.workload.sessions import SessionTraffic
from infermodel.workload.traffic import ClosedTraffic, Traffic

LONGEST_DRAIN_S = 86400.0
"""Requests that came at one moment set no time in which others would have to finish; after a day they are given up."""


class Service:
    """The processes of one service: its clients, its router, its systems with their replicas.

    Attributes:
        order: of its clients among what happens at one time.
        log: columns of its requests.
        measured: requests below this number are measured; infinite while the window is open.
        sent: requests that have left their client.
        clients: those who wait for answers, if any do.
        ended: whether everything that is measured has come to its end.
    """

    def __init__(
        self, clock: Clock, index: int, spec: ServiceSpec, streams: Streams, horizon: Horizon, stepping: Stepping
    ) -> None:
        self.spec = spec
        self.done = Event(clock)
        self.ended = False
        self.ended_at = nan
        self.load = LoadIndex(spec.replicas)
        self.random = streams("router")
        self._clock, self.order, self.horizon = clock, order_of(ARRIVE, index), horizon
        self.log = RequestLog()
        self._recorder = StepRecorder(spec.replicas)
        self._gate = Gate(spec.rate_limits, streams) if spec.rate_limits else None
        self._route = ROUTERS.get(spec.router)
        self._load_matters = self._route is not None and spec.replicas > 1
        discipline = QUEUES[spec.queue]
        shared = discipline.queue(self.log) if spec.router == SHARED_QUEUE else None
        self._queues: list[WaitingQueue] = [
            shared if shared is not None else discipline.queue(self.log) for _ in range(spec.replicas)
        ]
        self.replicas = [
            Replica(
                clock,
                number,
                index,
                spec.step_model,
                self._running(number, discipline, queue, streams),
                self._recorder,
                stepping,
                spec.limits.schedules_ahead,
            )
            for number, queue in enumerate(self._queues)
        ]
        # The last token of a request is never written to the KV cache.
        kv = self.replicas[0].running.kv
        most_kept = kv.capacity * kv.block_tokens + 2 - self.replicas[0].running.lookahead
        self._most_tokens = min(spec.limits.max_context, most_kept)
        self.up: Sequence[int] = range(spec.replicas)
        self._held_up: set[int] = set()  # replicas that the head of the shared queue did not fit into
        self._stranded: list[int] = []  # requests that came while no replica was up
        self._turn = 0
        self.sent = 0  # requests that have left their client
        self.measured = inf  # requests below this number are measured
        self._pending = 0  # measured requests that have been sent and are neither finished nor rejected
        self.clients: Users | Askers | None = None  # those who wait for answers
        self.systems = [SystemProcess(clock, number, self, spec) for number in range(spec.systems)]
        self._start_clients(spec.traffic, streams)

    def _start_clients(self, traffic: Traffic | SessionTraffic, streams: Streams) -> None:
        clock, duration_s = self._clock, self.horizon.duration_s
        if not isinstance(traffic, (ClosedTraffic, SessionTraffic)):
            alarm = Alarm(clock.agenda)
            alarm.start(arrivals(self, clock, alarm, traffic.blocks(streams)))
            return
        if isinstance(traffic, ClosedTraffic):
            self.clients = Users(self, clock, traffic, streams)
        else:
            self.clients = Askers(self, clock, traffic, streams)
        self.clients.start()
        if duration_s < inf and not self.ended:
            clock.call_at(duration_s, order_of(ARRIVE), lambda: self.close_window(more=True))

    def _running(self, number: int, discipline: Discipline, queue: WaitingQueue, streams: Streams) -> Running:
        """The running requests of a replica, those of one that draws what drafts yield where that is asked for."""
        spec, speculation = self.spec, self.spec.speculation
        sampled = speculation is not None and speculation.sampled
        kind = VerifiedRunning if sampled else Running
        running = kind(
            number,
            spec.step_model,
            spec.limits,
            discipline,
            queue,
            self.log,
            self._recorder,
            self,
            spec.egress_s,
        )
        if speculation is not None:
            running.lookahead = speculation.drafted + 1
        if isinstance(running, VerifiedRunning) and speculation is not None:
            running.draw_with(speculation, int(streams("acceptance").integers(2**63)))
        return running

    @property
    def first_at(self) -> float:
        """When the first request was sent; a NaN before."""
        return self.log.arrived_at[0] if self.sent else nan

    # ---- for clients ----------------------------------------------------------------------------------------------

    def count_in(self, request: int) -> None:
        """A client has sent a request; it may take a while to come."""
        self.sent = request + 1
        self._pending += request < self.measured

    def admit(self, request: int) -> None:
        """The scheduler sees a request: refuse it, or route it."""
        log = self.log
        if log.prompt_tokens[request] + log.output_tokens[request] > self._most_tokens:
            self._reject(request)
        elif self._gate is not None:
            self._pass(self._gate, request)
        else:
            log.admitted_at[request] = self._clock.now
            self._dispatch(request)

    # ---- the service ----------------------------------------------------------------------------------------------

    def on_finished(self, request: int, at: float) -> None:
        """The last token of `request` left its replica at `at`."""
        self.log.finished[request] = 1
        if self._load_matters:
            self.load.add(self.log.replica[request], -1)
        self._settle_account(request)
        if self.clients is not None:
            self.clients.on_answered(request, at + self.spec.egress_s)

    def _pass(self, gate: Gate, request: int) -> None:
        """A request comes to the gate, behind those of its key that were refused and wait at the client."""
        key, tenant = gate.key(request), gate.tenant(request)
        self.log.keys[request] = key
        if tenant.priority is not None:
            self.log.priority[request] = tenant.priority
        gate.lines[key].append(request)
        if len(gate.lines[key]) == 1:
            self._try(gate, key)

    def _try(self, gate: Gate, key: int) -> None:
        """Send what waits in a key's line until one is refused; that one tries again when it was told to."""
        line, now, log = gate.lines[key], self._clock.now, self.log
        while line and not self.ended:
            request = line[0]
            again = gate.ask(key, now, gate.tokens(log.prompt_tokens[request], log.output_tokens[request]))
            if now < again < inf:
                self._clock.call_at(again, self.order, lambda: self._try(gate, key))
                return
            line.popleft()
            if again == inf:
                self._reject(request)
            else:
                log.admitted_at[request] = now
                self._dispatch(request)

    def _dispatch(self, request: int) -> None:
        if not self.up:
            self._stranded.append(request)
            return
        if self._route is None:
            self._queues[0].push(request)
            for replica in self._takers():
                replica.notice()
            return
        if self._load_matters:
            number = self._route(self._turn, self)
            self._turn += 1
            self.load.add(number, 1)
        else:
            number = self.up[0]
        self.log.replica[request] = number
        self._queues[number].push(request)
        self.replicas[number].notice()

    def _dispatch_again(self, requests: Sequence[int]) -> None:
        for request in requests:
            self.log.routed_again_at[request] = self._clock.now
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
        self.log.rejected.append(request)
        if self.clients is not None:
            self.clients.on_refused(request)
        self._settle_account(request)

    def kv_used(self, replica: int) -> float:
        """Share of a replica's KV memory in use."""
        kv = self.replicas[replica].running.kv
        return kv.used / kv.capacity

    def take_down(self, replicas: Sequence[int]) -> None:
        """These replicas fail now; what they held goes to the others."""
        self.up = [number for number in self.up if number not in replicas]
        lost: list[int] = []
        for number in replicas:
            self.load.set_up(number, up=False)
            mine = self.replicas[number].fail()
            if self._route is not None:
                queue = self._queues[number]
                mine += [queue.take() for _ in range(len(queue))]
                if self._load_matters:
                    for _ in mine:
                        self.load.add(number, -1)
            lost += mine
        self._dispatch_again(sorted(lost))

    def bring_up(self, replicas: Sequence[int]) -> None:
        """These replicas work again, empty."""
        self.up = sorted({*self.up, *replicas})
        for number in replicas:
            self.load.set_up(number, up=True)
            self.replicas[number].repair()
        stranded, self._stranded = self._stranded, []
        self._dispatch_again(stranded)

    # ---- the end --------------------------------------------------------------------------------------------------

    def _settle_account(self, request: int) -> None:
        self._pending -= request < self.measured
        if self._pending == 0:
            self.end_if_done()

    def end_if_done(self) -> None:
        """Stop when everything that is measured has come to its end."""
        if self._pending == 0 and self.measured < inf and not (self.clients is not None and self.clients.open):
            self._end()

    def close_window(self, *, more: bool) -> None:
        """No later request is measured; `more`: but they keep coming."""
        if self.measured < inf:
            return
        self.measured = float(self.sent)
        self.end_if_done()
        if self.ended:
            return
        drain_s = self.horizon.drain_s
        if drain_s is None and more:
            at_once = self.log.arrived_at[self.sent - 1] == self.first_at if self.sent else False
            if not at_once:
                self._clock.call_at(2 * self._clock.now, order_of(ARRIVE), self._give_up)
                return
            drain_s = LONGEST_DRAIN_S
        if drain_s is not None:
            self._clock.call_at(self._clock.now + drain_s, order_of(ARRIVE), self._end)

    def _give_up(self) -> None:
        """As long again as arrivals were measured has passed. A measured request that no replica has begun ends the
        run; where all are being answered, they get the time that long answers take."""
        if self._pending and not self._anybody_unbegun():
            self._clock.call_at(LONGEST_RUN / 2 * self._clock.now, order_of(ARRIVE), self._end)
        else:
            self._end()

    def _anybody_unbegun(self) -> bool:
        """Whether some measured request waits for its first step."""
        begun_at, finished, rejected = self.log.first_scheduled_at, self.log.finished, set(self.log.rejected)
        return any(
            isnan(begun_at[request]) and not finished[request] and request not in rejected
            for request in range(int(self.measured))
        )

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self.ended_at = self._clock.now
            for replica in self.replicas:
                replica.halt()
            self.done.succeed()

    def record(self) -> ServiceRecord:
        """Everything that is known at the end."""
        recorder, model = self._recorder, self.spec.step_model
        recorder.fold()
        table = self.log.table(self.sent)
        memory = model.kv_memory
        preemptions = np.bincount(np.maximum(table.replica, 0), weights=table.preemptions, minlength=len(self.replicas))
        totals = {
            **recorder.totals,
            "preemptions": preemptions,
            "up_s": np.array([self.ended_at - self.systems[s].down_s(self.ended_at) for s in self._system_of]),
            "kv_blocks_left": np.array([replica.running.kv.used for replica in self.replicas], np.float64),
        }
        return ServiceRecord(
            name=self.spec.name,
            requests=table,
            gaps=recorder.gap_histogram(),
            timeline=self._with_outages(recorder.timeline(self.ended_at)),
            replicas=len(self.replicas),
            replica_totals=totals,
            idle_w=model.idle_w,
            peak_flops=model.peak_flops,
            peak_bandwidth=model.peak_bandwidth,
            kv_blocks=memory.tokens // memory.block_tokens,
            kv_block_tokens=memory.block_tokens,
            ended_at=self.ended_at,
            events=self._clock.agenda.scheduled,
            tenants=self._gate.record(self.sent) if self._gate else (),
            questions=self.clients.questions.table() if isinstance(self.clients, Askers) else None,
        )

    def _with_outages(self, timeline: Timeline) -> Timeline:
        """The timeline with its column of replica-seconds up, where any system was down."""
        if not any(system.down_s(self.ended_at) for system in self.systems):
            return timeline
        edges_s = np.minimum(timeline.edges_s, self.ended_at)
        up_s = np.zeros(len(edges_s) - 1)
        for system in self.systems:
            down_s = np.array([system.down_s(float(edge)) for edge in edges_s])
            up_s += len(system.replicas) * np.diff(edges_s - down_s)
        return Timeline(timeline.edges_s, {**timeline.columns, "up_s": up_s})

    @property
    def _system_of(self) -> list[int]:
        """System of each replica."""
        return [system.number for system in self.systems for _ in system.replicas]
