"""Alike replicas behind one router, or before one queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan

import numpy as np
from numpy.typing import NDArray

from infermodel.simulation.alarm import ARRIVE, order_of
from infermodel.simulation.clock import Clock
from infermodel.simulation.pool.api_servers import ApiServers, servers_of
from infermodel.simulation.pool.breakdowns import start_breakdowns
from infermodel.simulation.pool.carrier import Carrier, Others
from infermodel.simulation.pool.load import LoadIndex
from infermodel.simulation.pool.outages import start_outages
from infermodel.simulation.pool.replicas import Builder
from infermodel.simulation.pool.router import LOOK_AT_PROMPTS, ROUTERS, SHARED_QUEUE
from infermodel.simulation.pool.scaler import Scaler
from infermodel.simulation.pool.shared_queue import SharedQueue
from infermodel.simulation.pool.signals import OldView, order_of_readings
from infermodel.simulation.pool.standing import Standing
from infermodel.simulation.pool.system import System, spread
from infermodel.simulation.pool.unread import Unread
from infermodel.simulation.records.handovers import served
from infermodel.simulation.records.recorder import Recorder
from infermodel.simulation.replica.queues import QUEUES
from infermodel.simulation.replica.replica import Replica, Stepping
from infermodel.simulation.scaling import least_at
from infermodel.simulation.spec import ServiceSpec
from infermodel.simulation.streams import Streams
from infermodel.simulation.tally import Tally
from infermodel.tables import HandoverTable, PoolRecord, RequestTable


class Pool:
    """Sends each request to a replica, and to another one when its system fails.

    Attributes:
        replicas: by number.
        up: those that are up, ascending.
        load: unfinished requests of each.
        random: what the router draws.
        turn: how many requests it has routed.
        unread: prompts that its replicas have not read, where the router looks at prompts.
        homes: where sessions went last, where the router keeps them there.
        columns: of the requests.
        kv_memory: of a replica.
        carrier: who brings requests from one pool to the next; None: this one does all of a request.
        others: who sends requests to other pools while this one is down; None: they wait for its repair.
    """

    def __init__(
        self,
        number: int,
        service: ServiceSpec,
        index: int,
        tally: Tally,
        on_finished: Callable[[int, float], None],
        clock: Clock,
        streams: Streams,
        stepping: Stepping,
    ) -> None:
        spec, of = service.pools[number], f" of pool {number}" if number else ""
        self.load, self.random, self.turn = LoadIndex(spec.replicas), streams(f"router{of}"), 0
        self.columns = self._log = log = tally.log
        self._number, self._spec, self._tally, self._clock = number, spec, tally, clock
        self._tell_service, self._egress_s, self.kv_memory = on_finished, service.egress_s, spec.step_model.kv_memory
        self.carrier: Carrier | None = None
        self.others: Others | None = None
        self._recorder = Recorder(spec.replicas)
        self._coming: set[int] = set()  # requests that another pool reads, until blocks are set aside for them here
        self.replicas: list[Replica] = []
        self.up: Sequence[int] = range(spec.replicas)
        self._route = ROUTERS.get(spec.router)
        self.unread = Unread(spec.replicas)
        self.homes: dict[int, int] = {}
        self._counts_unread = spec.router in LOOK_AT_PROMPTS and spec.replicas > 1 and spec.role != "decode"
        self._load_matters = self._route is not None and spec.replicas > 1
        self._seen: OldView | None = None
        if spec.signals_every_s and self._load_matters:
            self._seen = OldView(self, spec.signals_every_s, clock, order_of_readings(index, number))
        one_queue = spec.router == SHARED_QUEUE
        self._shared = SharedQueue(lambda: QUEUES[spec.queue].queue(log), self.replicas) if one_queue else None
        builder = Builder(
            number, service, index, self, self._shared, log, self._recorder, self._coming, clock, streams, stepping
        )
        self.replicas += [builder.replica(replica) for replica in range(spec.replicas)]
        self._stranded: list[int] = []  # requests that came while no replica was up
        self._with_servers = 0  # requests that are on their way through a server
        on_systems = spread(spec.replicas, spec.systems)
        scaling = spec.scaling
        running = None if scaling is None else least_at(scaling, 0.0)
        self._standing = standing = Standing(self.replicas, on_systems, running, self, clock)
        if running is not None:
            for replica in range(running, spec.replicas):
                self._stop_routing_to(replica)
            self.up = range(running)
        systems = [
            System(system, [self.replicas[each] for each in replicas], standing, clock)
            for system, replicas in enumerate(on_systems)
        ]
        start_outages(spec.outages, systems, clock, tally)
        start_breakdowns(spec.failures, systems, streams, of, clock, tally)
        self._scaler: Scaler | None = None
        if scaling is not None:
            random = streams(f"start-ups{of}")
            self._scaler = Scaler(scaling, standing, self.replicas, self.how_many_wait, random, clock, tally, index)
        self._servers: ApiServers | None = None
        if spec.front_end is not None:
            servers = servers_of(spec.front_end, self.replicas, on_systems, one_queue=one_queue)
            self._servers = ApiServers(servers, self._leave_server, log, clock, order_of(ARRIVE, index))

    # ---- from the door to a replica -------------------------------------------------------------------------------

    def offer(self, request: int) -> None:
        """A request comes: it goes to a replica, through a server where there are any."""
        if self._scaler is not None:
            self._scaler.changed()
        if not self.up:
            if not self._goes_elsewhere(request):
                self._stranded.append(request)
            return
        number = self.up[0]
        if self._load_matters and self._route is not None:
            if self._seen is None:
                number = self._route(request, self)
            else:
                self._seen.note(self.turn)
                number = self._route(request, self._seen)
            if not self.load.is_up(number):
                raise RuntimeError(f"router {self._spec.router!r} chose replica {number}, which is not up")
            self.turn += 1
            self.load.add(number, 1)
            if self._counts_unread:
                rest = self._log.prompt_tokens[request] - self.cached_tokens(number, request)
                self.unread.give(request, number, rest)
        if self._servers is not None:
            self._with_servers += 1
            self._servers.take(request, number)
        elif not self._tally.ended:
            self._enqueue(request, number)

    @property
    def is_down(self) -> bool:
        """Whether no replica serves, and none will before a repair."""
        return not self.up and not self._standing.count("starting") and not self._standing.startable()

    def _goes_elsewhere(self, request: int) -> bool:
        """Whether this pool is down, and another one takes the request."""
        if self.others is None or not self.is_down or not self.others.take_over(request):
            return False
        self.unread.forget(request)
        if self._servers is not None:
            self._servers.forget(request)
        return True

    def offer_stranded(self) -> None:
        """Requests that came while no replica was up come again."""
        stranded, self._stranded = self._stranded, []
        for request in stranded:
            self.offer_again(request)

    def expect(self, request: int) -> None:
        """A request comes that another pool reads: blocks are to be set aside for it."""
        self._coming.add(request)
        self.offer_again(request)

    def expect_no_more(self, request: int) -> None:
        """No other pool reads a request that waits here: it is read here."""
        self._coming.discard(request)

    def give_up(self, request: int, replica: int) -> None:
        """A request for which blocks are set aside does not come."""
        self.release(request, replica)
        self.on_fewer(replica)

    def release(self, request: int, replica: int) -> None:
        """What a request holds on a replica, and no seat, is needed no more."""
        self.replicas[replica].release(request)
        if self._scaler is not None:
            self._scaler.changed()

    def _leave_server(self, request: int, number: int) -> None:
        self._with_servers -= 1
        if self._tally.ended:
            return
        if self._shared is None and not self.replicas[number].up:  # it failed meanwhile
            self.on_fewer(number)
            self.offer_again(request)
        elif self._shared is None or not self._goes_elsewhere(request):  # where all share a queue, all may have failed
            self._enqueue(request, number)

    def _enqueue(self, request: int, number: int) -> None:
        """The scheduler of replica `number`, or of all, sees the request."""
        log = self._log
        if log.routed_again_at and request in log.routed_again_at:
            log.routed_again_at[request] = self._clock.now
        else:
            log.admitted_at[request] = self._clock.now
        if self._shared is not None:
            self._shared.push(request)
        else:
            if self.carrier is None or not self.carrier.is_reading(request) or request not in self._coming:
                log.replica[request] = number  # else it is the reader's that has it
            self.replicas[number].take(request)

    def offer_again(self, request: int) -> None:
        """A request comes that a replica may have had before."""
        if not isnan(self._log.admitted_at[request]):
            self._log.routed_again_at[request] = self._clock.now
        self.offer(request)

    # ---- what replicas tell ---------------------------------------------------------------------------------------

    def streams_from(self, request: int, end: float) -> float:
        """When the client has its first token, of the step that ended at `end`."""
        out_at = end + self._egress_s
        if self._counts_unread:
            self.unread.forget(request)
        return out_at if self._servers is None else out_at + self._servers.first_token_waits_s(request)

    def streams_until(self, request: int, end: float) -> float:
        """When the client has its last token, of the step that ended at `end`."""
        out_at = end + self._egress_s
        if self._servers is None:
            return out_at
        out_at += self._servers.last_token_waits_s(request)
        return max(out_at, self._log.first_token_at[request])  # both may wait for one moment, rounded apart

    def on_finished(self, request: int, at: float) -> None:
        """The client of `request` has its last token at `at`."""
        if self._load_matters:
            self.load.add(self._log.replica[request], -1)
        if self._scaler is not None:
            self._scaler.changed()
        if self.carrier is not None:
            self.carrier.on_answered(request)
        self._tell_service(request, at)

    def on_prefilled(self, request: int, chunk: int) -> None:
        """A replica has read a prompt that another pool decodes, the last `chunk` tokens in its last step."""
        self.on_fewer(self._log.replica[request])
        if self._counts_unread:
            self.unread.forget(request)
        if self._servers is not None:
            self._servers.forget(request)
        if self.carrier is not None:
            self.carrier.on_prefilled(request, chunk)

    def on_reserved(self, request: int, replica: int) -> None:
        """A replica has set blocks aside for a prompt that another pool reads."""
        if self.carrier is not None:
            self.carrier.on_reserved(request, replica)

    def on_released(self, request: int) -> None:
        """What a request held on a replica, and no seat, is given back."""
        if self.carrier is not None:
            self.carrier.on_released(request)

    def on_fewer(self, replica: int) -> None:
        """A replica has a request fewer: it is done, has gone to another one, or does not come."""
        if self._load_matters:
            self.load.add(replica, -1)

    # ---- replicas that come and go --------------------------------------------------------------------------------

    def lose(self, replicas: Sequence[int]) -> None:
        """These are without power; what they held goes to others."""
        self.up = [number for number in self.up if number not in replicas]
        lost: list[int] = []
        for number in replicas:
            self._set_up(number, up=False)
            mine, kept = self.replicas[number].fail()
            if self._shared is None or self._shared.is_left_by(number):
                mine += self.replicas[number].drain()
            lost += mine + kept
            for _ in range(len(mine) + (len(kept) if self._spec.role == "decode" else 0)):
                self.on_fewer(number)
        if self.others is not None and self.is_down:
            lost += self._stranded + ([] if self._shared is None else self._shared.drain())
            self._stranded = []
        for request in sorted(lost):
            if self.carrier is None:
                self.offer_again(request)
                continue
            if self._servers is not None:
                self._servers.forget(request)
            self.carrier.on_lost(request, self._spec.role)

    def gain(self, replicas: Sequence[int]) -> None:
        """These serve from now on, empty."""
        self.up = sorted({*self.up, *replicas})
        for number in replicas:
            self._set_up(number, up=True)
            if self._shared is not None:
                self._shared.let_in(number)
            self.replicas[number].repair()
        self.offer_stranded()
        if self.others is not None:
            self.others.on_up()

    def close(self, replica: int) -> None:
        """This one gets no new requests."""
        self.up = [number for number in self.up if number != replica]
        self._stop_routing_to(replica)

    def _stop_routing_to(self, replica: int) -> None:
        self._set_up(replica, up=False)
        if self._shared is not None:
            self._shared.leave(replica)

    def _set_up(self, number: int, *, up: bool) -> None:
        self.load.set_up(number, up)
        if self._seen is not None:
            self._seen.load.set_up(number, up)

    def halt(self) -> None:
        """Nothing more is of interest."""
        for replica in self.replicas:
            replica.halt()

    # ---- what others may see --------------------------------------------------------------------------------------

    def kv_used(self, replica: int) -> float:
        """Share of a replica's KV memory in use."""
        return self.replicas[replica].kv_blocks_used / self.replicas[replica].kv_blocks

    def kv_tokens(self, replica: int) -> int:
        """Tokens of context that lie in the blocks that its requests hold."""
        return self.replicas[replica].kv_blocks_used * self.kv_memory.block_tokens // self.kv_memory.groups

    def cached_tokens(self, replica: int, request: int) -> int:
        """Tokens of the request's prompt that need not be computed on the replica: of its ranks on the one that has
        most, one is computed always.
        """
        most = self._log.prompt_tokens[request] - 1
        return max([each.members.memory.find(request, most).tokens for each in self.replicas[replica].schedulers])

    @property
    def waiting(self) -> int:
        """Requests in its queues."""
        if self._shared is not None:
            return self._shared.waiting
        return sum([len(each.waiting.queue) for replica in self.replicas for each in replica.schedulers])

    def how_many_wait(self) -> int:
        """Requests in its queues, on their way there, and those that came while no replica was up."""
        return self.waiting + self._with_servers + len(self._stranded)

    def record(
        self,
        requests: RequestTable,
        handover: HandoverTable | None,
        pool_of: NDArray[np.int64] | None,
        ended_at: float,
    ) -> PoolRecord:
        """Everything that is known at the end.

        Args:
            requests: of the service.
            handover: of those that another pool reads, or decodes; None: this one does all.
            pool_of: the pool of each, where several do all of a request; None: there is one.
            ended_at: of the service.
        """
        recorder, model, count, servers = self._recorder, self._spec.step_model, len(self.replicas), self._servers
        recorder.leaps.empty()
        for replica in self.replicas:
            replica.let_go()
        served_by, times = served(requests, handover, self._spec.role)
        if pool_of is not None:
            mine = pool_of == self._number
            served_by, times = served_by[mine], times[mine]
        return PoolRecord(
            gaps=recorder.gaps.histogram(sum(each.waited_s() for each in self.replicas)),
            timeline=self._standing.availability.over_time(recorder.over_time.table(ended_at), ended_at),
            replicas=count,
            replica_totals={
                **recorder.totals.columns,
                "preemptions": np.bincount(served_by, weights=times, minlength=count).astype(np.float64),
                "up_s": self._standing.availability.up_s(ended_at),
                "kv_blocks_left": np.array([replica.kv_blocks_used for replica in self.replicas], np.float64),
            },
            idle_w=model.idle_w,
            peak_flops=model.peak_flops,
            peak_bandwidth=model.peak_bandwidth,
            kv_blocks=self.replicas[0].kv_blocks,
            kv_block_tokens=model.kv_memory.block_tokens,
            kv_groups=(model.kv_memory.whole, model.kv_memory.groups),
            front_end_stretch_s=0.0 if servers is None else servers.stretch_s,
            front_end_busy_s=0.0 if servers is None else servers.busy_s,
            front_end_processes=0 if servers is None else servers.processes,
            name=self._spec.name,
            role=self._spec.role,
            states=self._standing.availability.table(ended_at) if self._spec.comes_and_goes else None,
        )
