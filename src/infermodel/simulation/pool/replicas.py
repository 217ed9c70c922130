"""The replicas of a pool, put together as its spec says."""

from __future__ import annotations

from infermodel.simulation.clock import Clock
from infermodel.simulation.pool.shared_queue import SharedQueue
from infermodel.simulation.records.log import RequestLog
from infermodel.simulation.records.recorder import Recorder
from infermodel.simulation.replica.admission import Admission, AdmissionWithRoom
from infermodel.simulation.replica.answer_share import AnswerRoom
from infermodel.simulation.replica.budget import StepBudget
from infermodel.simulation.replica.drafts import Drafting
from infermodel.simulation.replica.giving_way import GivingWay, ShortestAnswerFirst
from infermodel.simulation.replica.members import Members
from infermodel.simulation.replica.owner import NobodyElse, Owner
from infermodel.simulation.replica.prompts_first import PromptsFirst
from infermodel.simulation.replica.queues import QUEUES
from infermodel.simulation.replica.rank_router import RANK_ROUTERS
from infermodel.simulation.replica.ranks import Lockstep
from infermodel.simulation.replica.receiving import Receiving
from infermodel.simulation.replica.replica import Replica, Stepping
from infermodel.simulation.replica.scheduler import Scheduler
from infermodel.simulation.replica.waiting import Waiting
from infermodel.simulation.spec import PoolSpec
from infermodel.simulation.streams import Streams


class Builder:
    """Makes replicas of a pool.

    Args:
        spec: of the pool.
        service: number of its service.
        owner: whom replicas tell about requests.
        shared: the queue of all, None: each has its own.
        log: columns of the requests.
        recorder: of their steps.
        requested_output: tokens that each request asks for at least, where clients say so.
        clock: of the simulation.
        streams: what drafts yield is drawn.
        stepping: whether they leap.
    """

    def __init__(
        self,
        spec: PoolSpec,
        service: int,
        owner: Owner,
        shared: SharedQueue | None,
        log: RequestLog,
        recorder: Recorder,
        requested_output: int | None,
        clock: Clock,
        streams: Streams,
        stepping: Stepping,
    ) -> None:
        self._spec, self._service, self._owner, self._shared = spec, service, owner, shared
        self._log, self._recorder, self._requested_output = log, recorder, requested_output
        self._clock, self._streams, self._stepping = clock, streams, stepping

    def replica(self, number: int) -> Replica:
        """One with this number, whose ranks each have a queue and a memory."""
        spec, limits, clock, index = self._spec, self._spec.limits, self._clock, self._service
        ranks = [self._scheduler(number) for _ in range(spec.step_model.kv_memory.ranks)]
        receiving = Receiving(ahead=limits.schedules_ahead, interval=limits.receive_interval)
        settings = self._recorder, receiving, self._stepping
        if len(ranks) == 1:
            return Replica(clock, number, index, spec.step_model, ranks[0], *settings)
        return Lockstep(clock, number, index, spec.step_model, ranks, RANK_ROUTERS[spec.rank_router], *settings)

    def _scheduler(self, number: int) -> Scheduler:
        """Who composes steps, by the rules that the limits ask for."""
        spec, limits, log, shared = self._spec, self._spec.limits, self._log, self._shared
        discipline = QUEUES[spec.queue]
        members, sharers = self._members(), NobodyElse() if shared is None else shared
        waiting = Waiting(discipline.queue(log) if shared is None else shared.queue, log)
        budget = StepBudget(limits, spec.step_model, members.decoding)
        gives_way = ShortestAnswerFirst if limits.preempted == "shortest_answer" else GivingWay
        giving_way = gives_way(number, limits, discipline, members, waiting, budget, log, sharers)
        if members.room is not None:
            admission: Admission = AdmissionWithRoom(number, limits, discipline, members, waiting, budget, log, sharers)
        else:
            admission = Admission(number, limits, discipline, members, waiting, budget, log, sharers)
        if members.room is None and limits.mixes_prompts:
            return Scheduler(limits, members, waiting, budget, admission, giving_way)
        return PromptsFirst(limits, members, waiting, budget, admission, giving_way, log)

    def _members(self) -> Members:
        """An empty batch; where drafts are drawn, one that draws them."""
        spec, limits, speculation = self._spec, self._spec.limits, self._spec.speculation
        parts = spec.step_model, limits, self._log, self._recorder, self._owner
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
