"""The scenario as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, model_validator

from infermodel.metrics.objectives import Objective
from infermodel.scenario.document import Document
from infermodel.scenario.errors import named
from infermodel.scenario.schema.fleet import (
    EngineSettings,
    Fleet,
    FrontEnd,
    Limits,
    ModelConfig,
    ModelKind,
    Outage,
    Precision,
)
from infermodel.scenario.schema.money import Price, Prices
from infermodel.scenario.schema.objectives import ObjectivesKind
from infermodel.scenario.schema.rate_limits import RateLimits
from infermodel.scenario.schema.speculation import Speculation
from infermodel.scenario.schema.traffic import Traffic
from infermodel.scenario.schema.types import (
    ENGINE,
    LONGEST_S,
    Flag,
    Name,
    PositiveSeconds,
    PositiveShare,
    RequestCount,
    Seed,
    Words,
)
from infermodel.scenario.schema.upkeep import Autoscaling, Failures
from infermodel.scenario.schema.values import (
    Block,
    BlockKind,
    Choice,
    Kind,
    Quantity,
    Refusals,
    Text,
    WordOr,
    refusal,
    refuse,
    refuse_below,
)
from infermodel.simulation.pool.router import ROUTER_NAMES
from infermodel.simulation.replica.queues import QUEUES


class Service(Block):
    """A model on a fleet behind a router."""

    name: Name = Field(description="unlike every other service's")
    model: Annotated[str | ModelConfig, ModelKind()] = Field(description="what is served")
    fleet: Fleet = Field(description="what serves it")
    engine: Annotated[str, ENGINE] | None = Field(
        default=None, description="serving software; vllm on GPUs, cerebras on wafers, groq on LPUs if omitted"
    )
    engine_settings: EngineSettings = Field(
        default=EngineSettings(), description="how the engine is started, where not as it comes"
    )
    precision: Precision = Field(default=Precision(), description="number formats")
    limits: Limits = Field(default=Limits(), description="what a replica takes on at once")
    front_end: FrontEnd = Field(default=FrontEnd(), description="API server processes in front of the replicas")
    queue: Annotated[str, Choice("queue policy", tuple(QUEUES))] = Field(default="fcfs", description="who goes first")
    router: Annotated[str, Choice("router", ROUTER_NAMES)] = Field(
        default="least_outstanding", description="which replica gets a request"
    )
    signals_every: PositiveSeconds | None = Field(
        default=None,
        description="between two looks of the router at unfinished requests and KV memory of replicas; it sees them as"
        " they are if omitted",
    )
    prefix_caching: Flag | None = Field(
        default=None,
        description="whether text seen before is found in KV memory; the engine's default if omitted",
    )
    outages: tuple[Outage, ...] = Field(default=(), description="systems that go down")
    failures: Failures | None = Field(default=None, description="systems that fail by chance; none do if omitted")
    autoscaling: Autoscaling | None = Field(
        default=None, description="replicas that start and stop; all run always if omitted"
    )
    speculation: Speculation | None = Field(default=None, description="drafts; one token at a time if omitted")
    rate_limits: RateLimits | None = Field(default=None, description="what each key may send; no limits if omitted")
    traffic: Traffic | None = Field(default=None, description="of this service alone; the scenario's if omitted")
    objectives: Annotated[tuple[Objective, ...], ObjectivesKind()] | None = Field(
        default=None, description="of this service, instead of the scenario's"
    )
    price: Price = Field(default=Price(), description="what a system costs and tokens are sold for")
    prices: Prices = Field(default=Prices(), description="keys that differ from the scenario's `prices`")


class Answer(Kind):
    """Which result answers a claim: a mapping of plain values, understood by the claims."""

    def read(self, value: Any) -> Mapping[str, Any]:
        """The mapping as it stands."""
        if not isinstance(value, dict) or not value:
            refuse(f"expected a mapping that says which result answers the claim, got {named(value)}")
        return value

    def unit(self) -> str:
        """For the reference table."""
        return "mapping"


class Claim(Block):
    """A published sentence that the result is held against."""

    id: Name = Field(description="unlike every other claim's")
    statement: Words = Field(description="the sentence")
    published: Annotated[float, Quantity("count", at_least=-1e300, at_most=1e300)] | None = Field(
        default=None, description="its figure; none if it has none"
    )
    unit: Annotated[str, Text(may_be_empty=True)] = Field(default="", description="unit of the figure")
    source: Words = Field(description="who published it, and when")
    answer: Annotated[Mapping[str, Any], Answer()] | None = Field(default=None, description="which result answers it")
    used_to_fit: Flag = Field(default=False, description="whether a constant was fitted to it")


class Capacity(Block):
    """The search for each service's largest load at its objectives."""

    width: PositiveShare = Field(default=0.1, description="relative width of the bracket, (high - low) / low")


class Scenario(Block):
    """What is asked: services, their traffic, and what is promised."""

    title: Words = Field(description="the question in a sentence")
    description: Annotated[str, Text(may_be_empty=True)] = Field(default="", description="prose for the report")
    seed: Seed = Field(default=1, description="of all random numbers")
    duration: PositiveSeconds | None = Field(default=None, description="requests that arrive before this are measured")
    requests: RequestCount | None = Field(
        default=None, description="instead of `duration`: how many requests are measured, at most a hundred million"
    )
    warm_up: Annotated[float | str, WordOr("auto", Quantity("time", "s", at_most=LONGEST_S))] = Field(
        default="auto",
        description="what is cut from the start; `auto` finds it (MSER-5), of a day that follows a profile nothing",
    )
    traffic: Traffic | None = Field(default=None, description="of every service without its own")
    objectives: Annotated[tuple[Objective, ...], ObjectivesKind()] = Field(default=(), description="promises to users")
    prices: Prices = Field(default=Prices(), description="what owning and running costs")
    services: tuple[Service, ...] = Field(min_length=1, max_length=200, description="at least one")
    claims: tuple[Claim, ...] = Field(default=(), description="published figures to hold the result against")
    capacity: Annotated[Capacity | bool, WordOr(False, BlockKind(Capacity))] = Field(
        default=Capacity(), description="the largest load at the objectives; `false` skips the search"
    )

    _document: Document = PrivateAttr(default_factory=lambda: Document("", (), None))

    @property
    def document(self) -> Document:
        """What it was read from: the place of every key, for what turns out wrong later."""
        return self._document

    def read_from(self, document: Document) -> Self:
        """The same scenario, knowing its document."""
        known = self.model_copy()
        known._document = document
        return known

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        said: Refusals = []
        for key, names in (("services", [s.name for s in self.services]), ("claims", [c.id for c in self.claims])):
            for i, name in enumerate(names):
                if name in names[:i]:
                    word = "name" if key == "services" else "id"
                    first = names.index(name)
                    said.append(((key, i, word), refusal(f"{key}.{first} has the {word} {named(name)} already")))
        if said:
            refuse_below(said)
        return self

    @model_validator(mode="after")
    def _traffic_ends(self) -> Self:
        said: Refusals = []
        if self.duration is not None and not isinstance(self.warm_up, str) and self.warm_up >= self.duration:
            said.append((("warm_up",), refusal(f"must be shorter than 'duration', which is {self.duration:g} s")))
        for i, service in enumerate(self.services):
            if service.traffic is None and self.traffic is None:
                hint = "give the scenario or the service a 'traffic'"
                said.append((("services", i), refusal("no traffic", hint)))
        if self.duration is not None and self.requests is not None:
            said.append((("requests",), refusal("a run ends by 'duration' or by 'requests'", "remove one of them")))
        traffics = [service.traffic or self.traffic for service in self.services]
        endless = [traffic for traffic in traffics if traffic is not None and not traffic.is_finite]
        if endless and self.duration is None and self.requests is None:
            said.append(((), refusal("no end: the key 'duration' is missing", "such as duration: 10 min")))
        if said:
            refuse_below(said)
        return self
