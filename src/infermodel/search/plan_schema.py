"""A plan file: a base scenario, the systems that could serve it, and how they may be set up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from infermodel.catalog import load_system
from infermodel.scenario import ScenarioErrors, load
from infermodel.scenario.document import read
from infermodel.scenario.errors import named
from infermodel.scenario.override import override
from infermodel.scenario.resolve_traffic import resolve_arrivals
from infermodel.scenario.schema.fleet import Systems
from infermodel.scenario.schema.money import Price
from infermodel.scenario.schema.scenario import Scenario
from infermodel.scenario.schema.traffic import Closed, Offline, Trace, Traffic
from infermodel.scenario.schema.types import (
    ENGINE,
    SYSTEM,
    Flag,
    Index,
    Name,
    PrecisionName,
    Replications,
    Tokens,
)
from infermodel.scenario.schema.values import Block, Kind, Whole, refusal, refuse, refuse_below, tree
from infermodel.scenario.validation import validate_as
from infermodel.search.override_text import override_text
from infermodel.search.question import Question

MOST_LAYOUTS = 10_000
PARALLEL = ("devices_per_replica", "tensor_parallel", "pipeline_parallel", "expert_parallel", "data_parallel")
LIMITS = ("max_sequences", "max_batched_tokens")
FORMATS = ("weights", "kv_cache", "compute")


WARM_UP = 0.2
"""Of a run, where the base does not say."""


class Several(Kind):
    """One value or a list of them, each of one kind."""

    def __init__(self, each: Kind) -> None:
        self.each = each

    def read(self, value: Any) -> tuple[Any, ...]:
        """The values, repeated ones once."""
        listed = value if isinstance(value, list) else [value]
        if not listed:
            refuse("the list is empty; give at least one")
        return tuple(dict.fromkeys(self.each.read(each) for each in listed))

    def unit(self) -> str:
        """For the reference table."""
        return f"{self.each.unit()}, or list"


def _kind(annotated: Any) -> Kind:
    (kind,) = annotated.__metadata__
    assert isinstance(kind, Kind)
    return kind


Degrees = Annotated[tuple[int, ...], Several(Whole(at_most=100_000))]
Sizes = Annotated[tuple[int, ...], Several(_kind(Systems))]
TokenLimits = Annotated[tuple[int, ...], Several(_kind(Tokens))]
FormatNames = Annotated[tuple[str, ...], Several(_kind(PrecisionName))]


class Formats(Block):
    """Number formats to try."""

    weights: FormatNames | None = Field(default=None, description="as the base has them if omitted")
    kv_cache: FormatNames | None = Field(default=None, description="as the base has them if omitted")
    compute: FormatNames | None = Field(default=None, description="as the base has them if omitted")


class Candidate(Block):
    """A system that could be bought or rented, and the layouts to try on it: all combinations of what is listed."""

    system: Annotated[str, SYSTEM] = Field(description="what one buys")
    name: Name | None = Field(default=None, description="in tables; the system's name if omitted")
    price: Price = Field(description="as in a scenario: purchase or rental")
    engine: Annotated[str, ENGINE] | None = Field(default=None, description="the usual one of such devices if omitted")
    devices_per_replica: Degrees | None = Field(default=None, description="wafers or chips of a replica")
    tensor_parallel: Degrees | None = Field(default=None, description="GPUs that share each layer")
    pipeline_parallel: Degrees | None = Field(default=None, description="groups of GPUs that share out the layers")
    expert_parallel: Degrees | None = Field(default=None, description="GPUs that share out the experts")
    data_parallel: Degrees | None = Field(default=None, description="copies of the attention in a replica")
    max_sequences: Sizes | None = Field(default=None, description="requests of a replica; as the base if omitted")
    max_batched_tokens: TokenLimits | None = Field(default=None, description="of a step; as the base if omitted")
    precision: Formats = Field(default=Formats(), description="number formats")

    @property
    def title(self) -> str:
        """Name in tables."""
        return self.name or self.system

    @model_validator(mode="after")
    def _has_a_price(self) -> Self:
        if self.price.purchase is None and self.price.rental is None:
            refuse_below([(("price",), refusal("a plan compares dollars", "write purchase: or rental:"))])
        return self

    def settings(self) -> Iterator[dict[str, Any]]:
        """Each combination of what is listed."""
        listed = {key: getattr(self, key) for key in (*PARALLEL, *LIMITS)}
        listed |= {key: getattr(self.precision, key) for key in FORMATS}
        given = {key: values for key, values in listed.items() if values is not None}
        for values in product(*given.values()):
            yield dict(zip(given, values, strict=True))


class Plan(Question):
    """Which fleet is cheapest for the base scenario, which has one service?"""

    candidates: tuple[Candidate, ...] = Field(min_length=1, max_length=100, description="what could serve")
    spares: Index = Field(default=0, description="systems bought beyond those that carry the load")
    most_systems: Systems = Field(default=64, description="of any fleet, spares not counted")
    replications: Replications = Field(
        default=3, description="runs of each fleet, each of which must keep every objective"
    )
    fronts: Flag = Field(
        default=True, description="whether layouts dearer than the best found are simulated too, for the fronts"
    )

    @model_validator(mode="after")
    def _told_apart_and_not_too_many(self) -> Self:
        layouts = sum(1 for each in self.candidates for _ in each.settings())
        if layouts > MOST_LAYOUTS:
            refuse_below([(("candidates",), refusal(f"{layouts} layouts, more than {MOST_LAYOUTS}", "list fewer"))])
        titles = [each.title for each in self.candidates]
        for i, title in enumerate(titles):
            if title in titles[:i]:
                said = f"two candidates are called {named(title)}"
                refuse_below([(("candidates", i, "name"), refusal(said, "name one of them"))])
        return self

    def changes(
        self, candidate: Candidate, settings: dict[str, Any], systems: int, replicas: int | None
    ) -> tuple[str, ...]:
        """The base with this layout on so many systems, as for `--set`."""
        fleet = {"system": candidate.system, "systems": systems}
        fleet |= {key: settings[key] for key in PARALLEL if key in settings}
        if replicas is not None:
            fleet["replicas"] = replicas
        return (
            *self.set,
            override_text("services.0.fleet", fleet),
            override_text("services.0.engine", candidate.engine),
            override_text("services.0.outages", None),
            override_text("services.0.price", tree(candidate.price)),
            *(override_text(f"services.0.limits.{key}", settings[key]) for key in LIMITS if key in settings),
            *(override_text(f"services.0.precision.{key}", settings[key]) for key in FORMATS if key in settings),
        )


OWN_KEYS = ("candidates", "spares", "most_systems", "replications", "fronts")
"""Where changes of a plan go to the plan itself; all others go to its base."""


def load_plan(path: str | Path, changes: Sequence[str] = ()) -> Plan:
    """Read a plan file and check it and its base scenario.

    Args:
        path: of the file.
        changes: `path=value`, to the plan where the path starts with one of its keys (`candidates.0.price.purchase`),
            else to its base.

    Raises:
        ScenarioErrors: all that is wrong, each with its place.
    """
    own = [change for change in changes if change.partition("=")[0].partition(".")[0] in OWN_KEYS]
    document = override(read(path), own)
    plan = validate_as(Plan, document)
    plan = plan.model_copy(update={"set": (*plan.set, *(change for change in changes if change not in own))})
    plan._file = Path(path)
    errors = []
    for i, candidate in enumerate(plan.candidates):
        if load_system(candidate.system).device.family != "gpu" and candidate.devices_per_replica is None:
            hint = "list devices_per_replica"
            errors.append(document.error(("candidates", i, "system"), "the devices of a replica are open", hint))
    if errors:
        raise ScenarioErrors(errors)
    base = load(plan.base_path, plan.set)
    if len(base.services) != 1:
        said = f"{named(plan.base)} has {len(base.services)} services"
        raise ScenarioErrors([document.error(("base",), said, "name a scenario of one")])
    (service,) = base.services
    if not (base.objectives if service.objectives is None else service.objectives):
        said = f"{named(plan.base)} has no objectives, so any fleet would do"
        raise ScenarioErrors([document.error(("base",), said, "such as objectives: {ttft_p99: 2 s}")])
    asked = service.traffic or base.traffic
    assert asked is not None  # the schema asks for traffic in one of the two places
    if asked.session is not None:
        raise ScenarioErrors([document.error(("base",), f"{named(plan.base)} asks questions of several calls")])
    return plan.model_copy(update={"set": (*plan.set, *same_window(base, asked))})


def same_window(base: Scenario, asked: Traffic) -> tuple[str, ...]:
    """A warm-up of a fifth of the run where the base leaves it open, so that all fleets are measured on the same
    requests; MSER-5 would let the fleet decide. Nothing where that is so already, and in closed loops.
    """
    arrivals = asked.arrivals
    if base.warm_up != "auto" or isinstance(arrivals, Trace | Closed | Offline):
        return ()
    if base.duration is not None:
        return (override_text("warm_up", f"{WARM_UP * base.duration!r} s"),)
    assert base.requests is not None  # the schema asks for an end
    rate_per_s = resolve_arrivals(arrivals).mean_rate_per_s
    return (override_text("warm_up", f"{WARM_UP * base.requests / rate_per_s!r} s"),)
