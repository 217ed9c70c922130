"""A scenario with every name looked up, every default filled in, every unit gone: what an experiment runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infermodel.architecture import ModelArchitecture
from infermodel.cost.deployment import Deployment
from infermodel.cost.speculative import Speculation
from infermodel.cost.step import StepModel
from infermodel.economics.band import Band
from infermodel.engine import Engine
from infermodel.hardware import System
from infermodel.metrics.objectives import Objective
from infermodel.scenario.schema.scenario import Claim
from infermodel.scenario.schema.types import LONGEST_S
from infermodel.simulation.handover import FirstRule, Lightest, LinkSpec, Role
from infermodel.simulation.lifetimes import FailureSpec
from infermodel.simulation.scaling import ScalingSpec
from infermodel.simulation.spec import Limits, Outage
from infermodel.tables import only
from infermodel.workload.bodies import CachedShare
from infermodel.workload.images import Images
from infermodel.workload.quotas import RateLimits
from infermodel.workload.sessions import SessionTraffic
from infermodel.workload.traffic import TraceTraffic, Traffic


@dataclass(frozen=True)
class ResolvedListPrice:
    """What tokens are sold for, USD per token, and where that was published.

    Attributes:
        cached_usd: of prompt tokens found in a cache; None where they cost what others do.
    """

    input_usd: float
    output_usd: float
    source: str
    cached_usd: float | None = None


@dataclass(frozen=True)
class ResolvedPrices:
    """What a service costs and is sold for, SI units.

    Attributes:
        purchase_usd: of one system; None where it is rented or has no price.
        rental_usd_per_device_s: of one device; None where it is bought or has no price.
        sold: list price of its tokens; None where it has none.
        electricity_usd_per_j: None where power is part of the colocation.
        colocation_usd_per_w_s: space with power for a watt of rated power and a second; None where one pays for energy.
        pue: site energy over machine energy.
        life_s: until a system is worth nothing.
        interest: a year.
        network_share, spares_share: over the price of the systems.
        operations_share: over all other dollars.
        price_mix: input and output tokens of the quoted price.
    """

    purchase_usd: Band | None
    rental_usd_per_device_s: Band | None
    sold: ResolvedListPrice | None
    electricity_usd_per_j: Band | None
    colocation_usd_per_w_s: Band | None
    pue: Band
    life_s: float
    interest: float
    network_share: Band
    spares_share: Band
    operations_share: Band
    price_mix: tuple[float, float]


@dataclass(frozen=True)
class ResolvedPool:
    """Alike replicas of a service, ready to be simulated and priced.

    Attributes:
        systems: bought.
        replicas: scheduled copies on them.
        devices_per_replica: GPUs, wafers or chips.
        groups: of systems that go down together: all those of one replica where it spans several, else each alone.
        queue, router: names of `simulation.replica.queues.QUEUES` and `simulation.pool.router.ROUTER_NAMES`.
        prices: what its systems cost; what tokens are sold for is the same in every pool of a service.
        outages: of groups, in order of time, none overlapping another of its group.
        speculation: how tokens are drafted; None: one at a time.
        api_servers: processes of a server before its replicas; None: as the engine starts them.
        stream_interval: tokens of an answer that these stream together.
        role: what it does with a request.
        name: what reports call it; empty where a service has one only.
        signals_every_s: between readings of what the router sees of replicas; 0: it sees them as they are.
        failures: by chance; None: nothing fails.
        scaling: when how many of its replicas run; None: all of them, always.
        fixed: replicas of fixed fleets that are played beside one that scales.
    """

    system: System
    systems: int
    replicas: int
    devices_per_replica: int
    groups: int
    deployment: Deployment
    engine: Engine
    limits: Limits
    queue: str
    router: str
    prices: ResolvedPrices
    outages: tuple[Outage, ...]
    step_model: StepModel
    speculation: Speculation | None = None
    api_servers: int | None = None
    stream_interval: int = 1
    role: Role = "both"
    name: str = ""
    signals_every_s: float = 0.0
    failures: FailureSpec | None = None
    scaling: ScalingSpec | None = None
    fixed: tuple[int, ...] = ()

    @property
    def systems_per_replica(self) -> int:
        """That one replica lies on, at least in part."""
        return -(-self.devices_per_replica // self.system.devices)

    @property
    def steady(self) -> ResolvedPool:
        """The pool without outages and failures, all of its replicas running always."""
        return replace(self, outages=(), failures=None, scaling=None)


@dataclass(frozen=True)
class ResolvedService:
    """A service ready to be simulated and priced.

    Attributes:
        pools: that a request goes through, in order.
        own_traffic: whether it has traffic of its own; services without receive the same requests.
        rate_limits: what each key may send; None: no keys.
        tenant_objectives: of each of its tenants.
        sessions: questions whose calls are the requests; `traffic` then only says when they come. None: no questions.
        link: from the pool that reads prompts to the one that decodes; None: each pool does all of a request.
        first_router: which of several pools that do all gets a request; None: each in turn.
    """

    name: str
    architecture: ModelArchitecture
    pools: tuple[ResolvedPool, ...]
    traffic: Traffic
    own_traffic: bool
    objectives: tuple[Objective, ...]
    rate_limits: RateLimits | None = None
    tenant_objectives: tuple[tuple[Objective, ...], ...] = ()
    sessions: SessionTraffic | None = None
    link: LinkSpec | None = None
    first_router: FirstRule | None = None

    @property
    def pool(self) -> ResolvedPool:
        """Its only pool.

        Raises:
            ValueError: it has several.
        """
        return only(self.pools, self.name)

    @property
    def prefill_pool(self) -> ResolvedPool:
        """That reads prompts; the first one, where it decodes too."""
        return self.pools[0]

    @property
    def decode_pool(self) -> ResolvedPool:
        """That makes tokens after the first; the last one, where it reads prompts too."""
        return self.pools[-1]

    @property
    def pools_stand_in(self) -> bool:
        """Whether there are several pools, and while all of one is down any other takes whatever comes."""
        several = len(self.pools) > 1 and self.pools[0].role == "both"
        return several and isinstance(self.first_router, Lightest | None)

    @property
    def prices(self) -> ResolvedPrices:
        """What its tokens are sold for, and at which mix they are quoted."""
        return self.pools[0].prices

    @property
    def named_pools(self) -> tuple[tuple[str, ResolvedPool], ...]:
        """Its pools, each under the service's name, with its own where there are several."""
        return tuple((f"{self.name}, {pool.name}" if pool.name else self.name, pool) for pool in self.pools)

    def with_pools(self, changed: Callable[[ResolvedPool], ResolvedPool]) -> ResolvedService:
        """The service with each of its pools changed."""
        return replace(self, pools=tuple(map(changed, self.pools)))

    def with_pool(self, **changes: Any) -> ResolvedService:
        """The service with other values of fields of its only pool."""
        return replace(self, pools=(replace(self.pool, **changes),))

    def without(self, down: Sequence[int]) -> ResolvedService:
        """The service with so many groups of systems of each of its pools down throughout, those that hold the most
        replicas first, and no other ever.
        """
        outages = [tuple(Outage(group, 0.0, LONGEST_S) for group in range(groups)) for groups in down]
        pools = zip(self.pools, outages, strict=True)
        return replace(self, pools=tuple(replace(pool, outages=o, failures=None, fixed=()) for pool, o in pools))

    @property
    def images(self) -> Images | None:
        """In its prompts; None where there are none."""
        return None if isinstance(self.traffic, TraceTraffic) else self.traffic.images

    @property
    def finds_prompts(self) -> bool:
        """Whether some of its requests may find in KV memory what others wrote, where prompts are read."""
        return any(self.finds_prompts_in(pool) for pool in self.pools if pool.role != "decode")

    def finds_prompts_in(self, pool: ResolvedPool) -> bool:
        """Whether some of its requests may find in a pool's KV memory what others wrote: it caches, and their texts
        repeat; or their log says what need not be computed.
        """
        traffic = self.traffic
        if isinstance(traffic, TraceTraffic):
            if traffic.requests.cached_tokens is not None:
                return True
        elif isinstance(traffic.prefix, CachedShare):
            return True
        if not pool.limits.prefix_caching:
            return False
        if self.sessions is not None:
            return True
        if not isinstance(self.traffic, TraceTraffic):
            return self.traffic.prefix is not None
        log = self.traffic.requests
        return log.block_hashes is not None or bool((log.prompt_id >= 0).any())


@dataclass(frozen=True)
class ResolvedScenario:
    """A scenario ready to run.

    Attributes:
        duration_s: requests that arrive before this are measured; None: see `requests`.
        requests: how many requests are measured; None with `duration_s` too: all of them, since they end.
        warm_up_s: cut from the start; None: found by MSER-5.
        warm_up_requests: and no request before this one is measured.
        capacity_width: relative width of the capacity search's bracket, (high - low) / low; None: no
            search.
        digest: SHA-256 of all that the result depends on but the version of this program. Units do not change it.
        source: the file.
        notes: what was changed on reading, in sentences for a person.
        tree: the scenario with all defaults, in SI; `to_yaml` writes it.
    """

    title: str
    description: str
    seed: int
    duration_s: float | None
    requests: int | None
    warm_up_s: float | None
    services: tuple[ResolvedService, ...]
    claims: tuple[Claim, ...]
    capacity_width: float | None
    digest: str
    source: Path
    notes: tuple[str, ...]
    tree: Mapping[str, Any]
    warm_up_requests: int = 0
