"""A plan file: a base scenario, the systems that could serve it, and how they may be set up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, model_validator

from infermodel.catalog import load_system
from infermodel.scenario import ScenarioErrors, load
from infermodel.scenario.document import read
from infermodel.scenario.errors import named
from infermodel.scenario.override import override
from infermodel.scenario.resolve_traffic import resolve_arrivals
from infermodel.scenario.schema.scenario import Scenario, Service
from infermodel.scenario.schema.traffic import Closed, Offline, Profile, Trace, Traffic
from infermodel.scenario.schema.types import MOST_SYSTEMS, Flag, Index, Replications, Systems
from infermodel.scenario.schema.values import Whole, refusal, refuse_below
from infermodel.scenario.validation import validate_as
from infermodel.search.candidate import Candidate, Size, on_candidate
from infermodel.search.override_text import override_text
from infermodel.search.question import Question, parted

MOST_LAYOUTS = 10_000
WARM_UP = 0.2
"""Of a run, where the base does not say."""


class Plan(Question):
    """Which fleet is cheapest for the base scenario, which has one service?"""

    candidates: tuple[Candidate, ...] = Field(min_length=1, max_length=100, description="what could serve")
    spares: Index = Field(default=0, description="systems bought beyond those that carry the load")
    systems_down: Annotated[int, Whole(at_least=0, at_most=MOST_SYSTEMS)] = Field(
        default=0,
        description="systems that are down throughout every run, of whichever pools: the objectives hold without them",
    )
    most_systems: Systems = Field(default=64, description="of any fleet, spares not counted")
    replications: Replications = Field(
        default=3, description="runs of each fleet, each of which must keep every objective"
    )
    fronts: Flag = Field(
        default=True, description="whether layouts dearer than the best found are simulated too, for the fronts"
    )

    _service: Service = PrivateAttr()

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

    def changes(self, candidate: Candidate, settings: Mapping[str, Any], sizes: Sequence[Size]) -> tuple[str, ...]:
        """The base with this layout in such a size, of each pool, as for `--set`."""
        return (*self.set, *on_candidate(self._service, candidate, settings, sizes))


OWN_KEYS = ("candidates", "spares", "systems_down", "most_systems", "replications", "fronts")
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
    own, others = parted(changes, OWN_KEYS)
    document = override(read(path), own)
    plan = validate_as(Plan, document)
    plan = plan.model_copy(update={"set": (*plan.set, *others)})
    plan._file = Path(path)
    errors = []
    for i, candidate in enumerate(plan.candidates):
        for below, system, each in candidate.laid:
            if load_system(system).device.family != "gpu" and each.devices_per_replica is None:
                at = ("candidates", i, *below, "system")
                errors.append(document.error(at, "the devices of a replica are open", "list devices_per_replica"))
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
    plan._service = service
    return plan.model_copy(update={"set": (*plan.set, *same_window(base, asked))})


def same_window(base: Scenario, asked: Traffic) -> tuple[str, ...]:
    """A warm-up of a fifth of the run where the base leaves it open, so that all fleets are measured on the same
    requests; MSER-5 would let the fleet decide. Nothing where that is so already, in closed loops, and of a profile,
    whose busiest step is played with a warm-up of its own.
    """
    arrivals = asked.arrivals
    if base.warm_up != "auto" or isinstance(arrivals, Trace | Closed | Offline | Profile):
        return ()
    if base.duration is not None:
        return (override_text("warm_up", f"{WARM_UP * base.duration!r} s"),)
    assert base.requests is not None  # the schema asks for an end
    rate_per_s = resolve_arrivals(arrivals).mean_rate_per_s
    return (override_text("warm_up", f"{WARM_UP * base.requests / rate_per_s!r} s"),)
