"""What a simulation is asked: services ready to play, their limits, and what of them is measured."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from infermodel.cost.block_pool import KvMemory
from infermodel.cost.deployment import Deployment
from infermodel.cost.speculative import Speculation
from infermodel.cost.step import StepModel
from infermodel.engine import Engine, Findable, Preempted, RankRouting
from infermodel.simulation.handover import ByPromptLength, ByTenant, FirstRule, LinkSpec, Role, check_way
from infermodel.simulation.lifetimes import FailureSpec
from infermodel.simulation.scaling import ScalingSpec
from infermodel.tables import only
from infermodel.workload.live import LiveTraffic
from infermodel.workload.quotas import RateLimits
from infermodel.workload.sessions import SessionTraffic
from infermodel.workload.traffic import Traffic


@dataclass(frozen=True, slots=True)
class AnswerShare:
    """Room that is kept free for answers to come.

    Attributes:
        first: share of them at first.
        least: to which it sinks.
        steps: of decoding, over which it does.
        steps_ahead: tokens of each request that are seen ahead when the share is set anew after memory ran out.
        longest: tokens of an answer beyond which nobody reckons.
    """

    first: float
    least: float
    steps: int
    steps_ahead: int
    longest: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine allows on one replica; where it has ranks of data-parallel attention, on each of them.

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
        long_prompt_tokens: of a prompt a step takes at most so many while other requests run or wait; 0: no such bound.
        receive_interval: after so many steps of decoding alone the scheduler looks for newcomers.
        ranks_wait_steps: for so many steps at most a rank of attention with a prompt waits until all have one; 0: it
            does not.
        batch_wait_steps: for so many steps at most prompts wait beside decoding until there are more; 0: they do not,
            nor do they on ranks of attention.
        batch_wait_share: of a step's token budget, for which they wait no longer.
        mixes_prompts: whether a step may take prompts beside decoding; else decoding waits while prompts can be read.
        answer_share: of answers to come, that is kept free when somebody is admitted; None: nothing is.
        preempted: who gives way.
        whole_prompt: whether a request is admitted only when blocks for all of its prompt that is not found are free,
            not for its first chunk alone; none is set aside for chunks of others that are to come.
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
    long_prompt_tokens: int = 0
    receive_interval: int = 1
    ranks_wait_steps: int = 0
    batch_wait_steps: int = 0
    batch_wait_share: float = 0.0
    mixes_prompts: bool = True
    answer_share: AnswerShare | None = None
    preempted: Preempted = "latest"
    whole_prompt: bool = False
    reserves_output: bool = False


def longest_in_memory(memory: KvMemory, limits: Limits, drafted: int) -> int:
    """Prompt and answer of the longest request that a replica's memory for keys and values holds, tokens.

    The last token of an answer is never written; drafts are written before they are known to be right. A gate that
    keeps room free for answers (`answer_share`) lets nobody in who would leave less than a token of it.

    >>> memory = KvMemory(170, 16, 1.0, 0.0)
    >>> longest_in_memory(memory, Limits(8, 64, 1000), 0), longest_in_memory(memory, Limits(8, 64, 1000), 4)
    (161, 157)
    """
    tokens = memory.fits_alone
    longest = tokens + 1 - drafted
    return longest if limits.answer_share is None else min(longest, tokens - memory.block_tokens - 1)


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
        long_prompt_tokens=engine.long_prompt_tokens,
        receive_interval=engine.receive_interval,
        ranks_wait_steps=engine.ranks_wait_steps,
        batch_wait_steps=engine.batch_wait_steps,
        batch_wait_share=engine.batch_wait_share,
        mixes_prompts=engine.mixes_prompts,
        answer_share=answer_share_of(engine),
        preempted=engine.preempted,
        whole_prompt=engine.admission in ("whole_prompt", "answer_share"),
        reserves_output=engine.reserves_output,
    )


def answer_share_of(engine: Engine) -> AnswerShare | None:
    """The share of answers to come that an engine keeps free; None where it keeps none."""
    if engine.admission != "answer_share":
        return None
    figures = engine.constants
    return AnswerShare(
        first=figures["answer_share"],
        least=figures["answer_share_least"],
        steps=int(figures["answer_share_steps"]),
        steps_ahead=int(figures["answer_share_steps_ahead"]),
        longest=int(figures["longest_answer"]),
    )


@dataclass(frozen=True, slots=True)
class Outage:
    """System `system` (from 0) is down from `at_s` for `for_s` seconds."""

    system: int
    at_s: float
    for_s: float


@dataclass(frozen=True, slots=True)
class FrontEndSpec:
    """API server processes: what they do for a request and for its tokens.

    Attributes:
        processes: of one server.
        request_s: of a process for every request: HTTP, chat template, scheduling of its answer.
        tokenise_s: further time for each token of its prompt.
        token_s: for each token that is streamed.
        of_system: whether all replicas of a system share a server; else each has its own.
        pixel_s: for each pixel of a prompt's images, to decode and resize them and hand them on.
    """

    processes: int
    request_s: float
    tokenise_s: float
    token_s: float
    of_system: bool = False
    pixel_s: float = 0.0

    def way_s(self, prompt_tokens: int, pixels: int = 0) -> float:
        """Seconds of a process until the scheduler sees a request with such a prompt, and images of so many pixels.

        >>> round(FrontEndSpec(1, 3e-3, 3.4e-6, 15e-6).way_s(1000) * 1e3, 6)  # 3 ms and 1,000 x 3.4 us, in ms
        6.4
        """
        return self.request_s + self.tokenise_s * prompt_tokens + self.pixel_s * pixels


def front_end_of(
    engine: Engine, deployment: Deployment, *, processes: int | None = None, tokens_a_chunk: int = 1
) -> FrontEndSpec | None:
    """The API server processes of a server; None where the engine's take no time.

    Args:
        engine: with the seconds of a request and a token.
        deployment: how a replica is laid out.
        processes: of a server; None: as the engine starts them.
        tokens_a_chunk: tokens that leave together, at the price of one.
    """
    request_s, token_s = (engine.constants.get(f"front_end_{each}_s", 0.0) for each in ("request", "token"))
    if request_s == token_s == 0.0:
        return None
    usual = deployment.data_parallel if engine.front_end == "rank" else 1
    return FrontEndSpec(
        processes=processes or usual,
        request_s=request_s,
        tokenise_s=engine.tokenise_s,
        token_s=token_s / tokens_a_chunk,
        of_system=engine.front_end == "system",
        pixel_s=engine.front_end_pixel_s,
    )


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
class PoolSpec:
    """Alike replicas, ready to simulate.

    Attributes:
        systems: machines; replicas are spread over them evenly, the first ones first.
        queue: discipline of those who wait, a name from `queues.QUEUES`.
        router: which replica gets a request, a name from `router.ROUTER_NAMES`.
        speculation: how tokens are drafted, where the step model says what that costs; None: not at all.
        front_end: API server processes; None: none that anybody waits for.
        rank_router: which rank of data-parallel attention gets a request, by name.
        role: what it does with a request.
        name: what reports call it; empty where a service has one only.
        signals_every_s: between readings of what the router sees of replicas; 0: it sees them as they are.
        failures: of its systems, by chance; None: there are none.
        scaling: how many of its replicas run when; None: all of them.
    """

    step_model: StepModel
    limits: Limits
    replicas: int = 1
    systems: int = 1
    queue: str = "fcfs"
    router: str = "least_outstanding"
    outages: tuple[Outage, ...] = ()
    speculation: Speculation | None = None
    front_end: FrontEndSpec | None = None
    rank_router: RankRouting = "in_flight"
    role: Role = "both"
    name: str = ""
    signals_every_s: float = 0.0
    failures: FailureSpec | None = None
    scaling: ScalingSpec | None = None

    @property
    def comes_and_goes(self) -> bool:
        """Whether its systems fail by chance, or its replicas start and stop."""
        return self.failures is not None or self.scaling is not None

    @property
    def most_tokens(self) -> int:
        """Prompt and answer of the longest request that it serves."""
        drafted = self.speculation.drafted if self.speculation is not None else 0
        return min(self.limits.max_context, longest_in_memory(self.step_model.kv_memory, self.limits, drafted))


@dataclass(frozen=True)
class ServiceSpec:
    """A service, ready to simulate.

    Attributes:
        pools: one of role both (see `one_pool`), or several, of which a request goes to one; or one of role prefill and
            one of role decode, through which it goes in this order.
        ingress_s: from the client until the scheduler sees a lone request, the front end's own seconds included.
        tokenise_s: further time on that way for each token of its prompt, likewise.
        egress_s: from the end of a step until the client sees its tokens.
        rate_limits: what each key may send; None: no keys and no limits.
        link: between a pool that prefills and one that decodes; None: there are no such pools.
        first_router: which of several pools of role both gets a request; None: each in turn.

    Raises:
        ValueError: requests cannot go such a way, see `handover.check_way`.
    """

    name: str
    traffic: Traffic | SessionTraffic | LiveTraffic
    pools: tuple[PoolSpec, ...]
    ingress_s: float = 0.0
    tokenise_s: float = 0.0
    egress_s: float = 0.0
    rate_limits: RateLimits | None = None
    link: LinkSpec | None = None
    first_router: FirstRule | None = None

    def __post_init__(self) -> None:
        check_way(self.name, self.pools, self.link, self.first_router)
        if isinstance(self.first_router, ByTenant) and self.rate_limits is None:
            raise ValueError(f"service {self.name!r} has a first router by tenant, and no keys")

    @property
    def pool(self) -> PoolSpec:
        """Its only pool.

        Raises:
            ValueError: it has several.
        """
        return only(self.pools, self.name)

    @property
    def most_tokens(self) -> int:
        """Prompt and answer of the longest request that it serves."""
        if isinstance(self.first_router, ByPromptLength | ByTenant):
            return max(pool.most_tokens for pool in self.pools)
        return min(pool.most_tokens for pool in self.pools if pool.role != "prefill")

    @property
    def longest_prompt(self) -> int:
        """Tokens of the longest prompt that it reads, one of the answer left."""
        return self.pools[0].most_tokens - 1 if self.link is not None else self.most_tokens - 1

    @property
    def to_the_door_s(self) -> tuple[float, float]:
        """From the client to the front end, or where there is none to the scheduler: seconds of a request, and of each
        token of its prompt. What the front end charges for a lone request is taken out of `ingress_s`.
        """
        front_end = self.pools[0].front_end
        if front_end is None:
            return self.ingress_s, self.tokenise_s
        return max(0.0, self.ingress_s - front_end.request_s), max(0.0, self.tokenise_s - front_end.tokenise_s)

    def way_s(self, prompt_tokens: int) -> float:
        """From the client until the front end or the scheduler sees a request with such a prompt."""
        ingress_s, tokenise_s = self.to_the_door_s
        return ingress_s + tokenise_s * prompt_tokens


def one_pool(
    name: str,
    step_model: StepModel,
    traffic: Traffic | SessionTraffic | LiveTraffic,
    limits: Limits,
    replicas: int = 1,
    systems: int = 1,
    queue: str = "fcfs",
    router: str = "least_outstanding",
    outages: tuple[Outage, ...] = (),
    ingress_s: float = 0.0,
    tokenise_s: float = 0.0,
    egress_s: float = 0.0,
    rate_limits: RateLimits | None = None,
    speculation: Speculation | None = None,
    front_end: FrontEndSpec | None = None,
    rank_router: RankRouting = "in_flight",
    signals_every_s: float = 0.0,
    failures: FailureSpec | None = None,
    scaling: ScalingSpec | None = None,
) -> ServiceSpec:
    """A service of one pool: what `PoolSpec` and `ServiceSpec` say, in one call."""
    pool = PoolSpec(
        step_model,
        limits,
        replicas,
        systems,
        queue,
        router,
        outages,
        speculation,
        front_end,
        rank_router,
        signals_every_s=signals_every_s,
        failures=failures,
        scaling=scaling,
    )
    return ServiceSpec(name, traffic, (pool,), ingress_s, tokenise_s, egress_s, rate_limits)
