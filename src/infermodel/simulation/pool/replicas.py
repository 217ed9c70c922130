"""The replicas of a pool, put together as its spec says."""

from __future__ import annotations

from dataclasses import replace

from infermodel.simulation.clock import Clock
from infermodel.simulation.pool.shared_queue import SharedQueue
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.records.recorder import Recorder
from infermodel.simulation.replica.admission import Admission, AdmissionWithRoom
from infermodel.simulation.replica.answer_share import AnswerRoom
from infermodel.simulation.replica.arrivals import Arrivals
from infermodel.simulation.replica.budget import StepBudget
from infermodel.simulation.replica.drafts import Drafting
from infermodel.simulation.replica.giving_way import GivingWay, ShortestAnswerFirst
from infermodel.simulation.replica.holding_back import HoldingBack
from infermodel.simulation.replica.members import Members
from infermodel.simulation.replica.owner import Owner
from infermodel.simulation.replica.prompts_first import PromptsFirst
from infermodel.simulation.replica.queues import QUEUES
from infermodel.simulation.replica.rank_router import RANK_ROUTERS, RankRouter, at_random
from infermodel.simulation.replica.ranks import Lockstep
from infermodel.simulation.replica.receiving import Receiving
from infermodel.simulation.replica.replica import Replica, Stepping
from infermodel.simulation.replica.scheduler import Scheduler
from infermodel.simulation.replica.transit import Transit
from infermodel.simulation.replica.waiting import Waiting
from infermodel.simulation.spec import Limits, PoolSpec, ServiceSpec
from infermodel.simulation.streams import Streams


class Builder:
    """Makes replicas of a pool.

    Args:
        number: of the pool.
        service: whose pool it is.
        index: number of the service.
        owner: whom replicas tell about requests.
        shared: the queue of all, None: each has its own.
        log: columns of the requests.
        recorder: of their steps.
        coming: requests that another pool reads, until a replica sets blocks aside for them.
        clock: of the simulation.
        streams: what drafts yield is drawn, and which rank gets a request.
        stepping: whether they leap.
    """

    def __init__(
        self,
        number: int,
        service: ServiceSpec,
        index: int,
        owner: Owner,
        shared: SharedQueue | None,
        log: RequestLog,
        recorder: Recorder,
        coming: set[int],
        clock: Clock,
        streams: Streams,
        stepping: Stepping,
    ) -> None:
        self._spec = spec = service.pools[number]
        self._link, self._index, self._owner, self._shared = service.link, index, owner, shared
        self._log, self._recorder, self._coming = log, recorder, coming
        self._requested_output = service.rate_limits.requested_output if service.rate_limits else None
        self._clock, self._streams, self._stepping = clock, streams, stepping
        self._limits = limits_in(spec)
        self._place = sum(pool.replicas for pool in service.pools[:number])  # before these, among the service's

    def replica(self, number: int) -> Replica:
        """One with this number, whose ranks each have a queue and a memory."""
        spec, limits, clock, index = self._spec, self._limits, self._clock, self._index
        ranks = [self._scheduler(number) for _ in range(spec.step_model.kv_memory.ranks)]
        receiving = Receiving(ahead=limits.schedules_ahead, interval=limits.receive_interval)
        settings = self._recorder, receiving, self._stepping, self._place
        if len(ranks) == 1:
            return Replica(clock, number, index, spec.step_model, ranks[0], *settings)
        route, holding_back = self._rank_router(number), HoldingBack(limits.ranks_wait_steps)
        return Lockstep(clock, number, index, spec.step_model, ranks, route, holding_back, *settings)

    def _rank_router(self, number: int) -> RankRouter:
        """Which rank of a replica gets a request."""
        name = self._spec.rank_router
        if name != "random":
            return RANK_ROUTERS[name]
        return at_random(self._streams(f"ranks of replica {self._place + number}"))

    def _scheduler(self, number: int) -> Scheduler:
        """Who composes steps, by the rules that the limits ask for."""
        spec, limits, log, shared = self._spec, self._limits, self._log, self._shared
        discipline = QUEUES[spec.queue]
        members = self._members()
        waiting = Waiting(discipline.queue(log) if shared is None else shared.queue, log)
        budget = StepBudget(limits, spec.step_model, members.decoding)
        gives_way = ShortestAnswerFirst if limits.preempted == "shortest_answer" else GivingWay
        giving_way = gives_way(number, limits, discipline, members, waiting, budget, log, shared)
        if members.room is not None:
            admission: Admission = AdmissionWithRoom(number, limits, discipline, members, waiting, budget, log, shared)
        else:
            admission = Admission(number, limits, discipline, members, waiting, budget, log, shared)
        admission.arrivals = self._arrivals(number, members, waiting)
        if members.room is None and limits.mixes_prompts:
            return Scheduler(limits, members, waiting, budget, admission, giving_way)
        return PromptsFirst(limits, members, waiting, budget, admission, giving_way, log)

    def _arrivals(self, number: int, members: Members, waiting: Waiting) -> Arrivals | None:
        """Who lets in those whose prompts another pool reads, in a pool that decodes."""
        transit, handovers, link = members.transit, self._log.handovers, self._link
        if link is None or transit is None or handovers is None or transit.sends:
            return None
        return Arrivals(
            number, self._limits, link.kept_free_tokens, self._coming, transit, members, waiting, self._log, handovers,
            self._owner,
        )  # fmt: skip

    def _members(self) -> Members:
        """An empty batch; where drafts are drawn, one that draws them."""
        spec, limits, speculation, link = self._spec, self._limits, self._spec.speculation, self._link
        transit = None if link is None else Transit(link.first_token, sends=spec.role == "prefill")
        parts = spec.step_model, limits, self._log, self._recorder, self._owner, transit
        if speculation is not None and speculation.sampled:
            seed = int(self._streams("acceptance").integers(2**63))
            members: Members = Drafting(*parts, speculation, seed)
        else:
            members = Members(*parts)
        if speculation is not None:
            members.lookahead = speculation.drafted + 1
        if limits.answer_share is not None:
            members.room = AnswerRoom(limits.answer_share, self._requested_output or 0, members.memory, self._log)
        return members


def limits_in(spec: PoolSpec) -> Limits:
    """What the engine allows on a replica of the pool. Room for answers to come is kept by who does all of a request:
    where prompts are read there are no answers, and where they are decoded blocks are set aside by another rule.
    Prompts may wait where they are read beside decoding: on ranks of attention for those of other ranks, elsewhere for
    more of them (TensorRT-LLM 1.2).
    """
    limits = spec.limits
    if spec.role != "both":
        reserves_output = limits.reserves_output and spec.role == "decode"
        limits = replace(limits, answer_share=None, reserves_output=reserves_output)
    reads_beside = spec.role != "decode" and limits.mixes_prompts and limits.answer_share is None
    ranks = spec.step_model.kv_memory.ranks
    return replace(
        limits,
        ranks_wait_steps=limits.ranks_wait_steps if reads_beside and ranks > 1 else 0,
        batch_wait_steps=limits.batch_wait_steps if reads_beside and ranks == 1 else 0,
    )
