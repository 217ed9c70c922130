"""What a simulation is asked: services ready to play, their limits, and what of them is measured."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from infermodel.cost.deployment import Deployment
from infermodel.cost.speculative import Speculation
from infermodel.cost.step import StepModel
from infermodel.engine import Engine, Findable
from infermodel.workload.quotas import RateLimits
from infermodel.workload.sessions import SessionTraffic
from infermodel.workload.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine allows on one replica.

    Attributes:
        max_sequences: running requests, prefilling ones included.
        max_batched_tokens: tokens of a step, decode and prefill together.
        max_context: prompt and output tokens of a request; longer ones are rejected.
        chunked_prefill: whether a prompt may be split over steps.
        prefix_caching: whether a prompt may use blocks that others with the same beginning wrote.
        blocks_findable: from when on: when the step that writes them is composed, when it is done, or when all of the
            prompt is there.
        caches_answers: whether blocks of answers can be found, too.
        schedules_ahead: whether the next step is composed while one runs, so that a request that comes during a step
            misses the next one too (asynchronous scheduling).
        reserves_output: whether a request is admitted only when all the KV memory that it may come to need is left, so
            that nobody is ever preempted.
    """

    max_sequences: int
    max_batched_tokens: int
    max_context: int
    chunked_prefill: bool = True
    prefix_caching: bool = False
    blocks_findable: Findable = "scheduled"
    caches_answers: bool = True
    schedules_ahead: bool = False
    reserves_output: bool = False


def limits_of(deployment: Deployment, engine: Engine, *, prefix_caching: bool | None) -> Limits:
    """What an engine allows on a replica that is laid out so: one way for runs, searches and replayed measurements.

    Args:
        deployment: the layout.
        engine: what runs there.
        prefix_caching: whether blocks of prompts are found again; None: as the engine does if nobody says anything.
    """
    return Limits(
        max_sequences=deployment.max_sequences,
        max_batched_tokens=deployment.max_batched_tokens,
        max_context=deployment.max_context,
        chunked_prefill=engine.chunked_prefill,
        prefix_caching=engine.prefix_caching if prefix_caching is None else prefix_caching,
        blocks_findable=engine.blocks_findable,
        caches_answers=engine.caches_answers,
        schedules_ahead=engine.schedules_ahead,
        reserves_output=engine.reserves_output,
    )


@dataclass(frozen=True, slots=True)
class Outage:
    """System `system` (from 0) is down from `at_s` for `for_s` seconds."""

    system: int
    at_s: float
    for_s: float


LONGEST_RUN = 8.0
"""A run whose requests are all being answered lasts at most so many times as long as arrivals were measured."""


@dataclass(frozen=True)
class Horizon:
    """What is measured, and when the simulation may stop.

    Attributes:
        duration_s: requests that arrive before this are measured.
        requests: the first so many requests are measured; with both, whichever ends first. If the first so many come at
            one moment, all that come at that moment are measured: nothing tells them apart.
        drain_s: how long after the last measured arrival to wait for the measured ones to finish; None: as long as it
            takes where no more requests come, a day where all came at one moment, else as long as arrivals were
            measured; and on to `LONGEST_RUN` times as long where each has been begun by then. Arrivals go on meanwhile.
    """

    duration_s: float = inf
    requests: float = inf
    drain_s: float | None = None


@dataclass(frozen=True)
class ServiceSpec:
    """A service, ready to simulate.

    Attributes:
        systems: machines; replicas are spread over them evenly, the first ones first.
        ingress_s: from the client until the scheduler sees a request.
        tokenise_s: further time on that way for each token of its prompt.
        egress_s: from the end of a step until the client sees its tokens.
        rate_limits: what each key may send; None: no keys and no limits.
        speculation: how tokens are drafted, where the step model says what that costs; None: not at all.
    """

    name: str
    step_model: StepModel
    traffic: Traffic | SessionTraffic
    limits: Limits
    replicas: int = 1
    systems: int = 1
    queue: str = "fcfs"
    router: str = "least_outstanding"
    outages: tuple[Outage, ...] = ()
    ingress_s: float = 0.0
    tokenise_s: float = 0.0
    egress_s: float = 0.0
    rate_limits: RateLimits | None = None
    speculation: Speculation | None = None

    def way_s(self, prompt_tokens: int) -> float:
        """From the client until the scheduler sees a request with such a prompt."""
        return self.ingress_s + self.tokenise_s * prompt_tokens
