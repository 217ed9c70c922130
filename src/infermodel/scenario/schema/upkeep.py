"""What comes and goes of a fleet: systems that fail, replicas that are started and stopped."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from infermodel.scenario.errors import named
from infermodel.scenario.schema.several import Several
from infermodel.scenario.schema.types import Index, PositiveSeconds, Ratio, Seconds, Share, Systems
from infermodel.scenario.schema.values import (
    Block,
    Choice,
    Kind,
    Quantity,
    Refusals,
    Whole,
    refusal,
    refuse,
    refuse_below,
)
from infermodel.simulation.lifetimes import TimeLaw
from infermodel.simulation.scaling import BLIND, DAY_S, MEASURES

LAWS = get_args(TimeLaw)
SHORTEST_LIFE_S = 60.0
"""Of a system: where none lives to answer a request, a run with users who wait for answers never ends."""

MOST_FIXED = 20
"""Fixed fleets beside one that scales, each a run."""


class Rack(Block):
    """What several systems hang on, such as power and a switch: all of them go down with it."""

    systems: Systems = Field(description="in a rack, of those that do not stand by, in order; the last may have fewer")
    mtbf: Annotated[float, Quantity("time", "s", at_least=SHORTEST_LIFE_S, at_most=1e11)] = Field(
        description="mean time of a rack from when it works until it fails"
    )
    mttr: PositiveSeconds = Field(description="mean time from then until its systems have power again")
    law: Annotated[Literal["exponential", "fixed"], Choice("law", ("exponential", "fixed"))] = Field(
        default="exponential", description="of both times"
    )


class Failures(Block):
    """Systems that fail by chance."""

    mtbf: Annotated[float, Quantity("time", "s", at_least=SHORTEST_LIFE_S, at_most=1e11)] = Field(
        description="mean time of a system from when it works until it fails"
    )
    mttr: PositiveSeconds = Field(description="mean time from then until it works again, or can stand by")
    law: Annotated[TimeLaw, Choice("law", LAWS)] = Field(default="exponential", description="of the time to a failure")
    shape: Ratio | None = Field(
        default=None, description="of the `weibull` law: below 1 failures come early, above 1 by wear"
    )
    repair_law: Annotated[Literal["exponential", "fixed"], Choice("law", ("exponential", "fixed"))] = Field(
        default="exponential", description="of the time to repair"
    )
    spares: Index = Field(
        default=0, description="of the fleet's systems, so many stand by without replicas and take a failed one's place"
    )
    take_over: Seconds | None = Field(
        default=None, description="from when a spare is free until it serves; 5 min if omitted (assumed)"
    )
    rack: Rack | None = Field(default=None, description="failures of whole racks, beside those of systems")

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        said: Refusals = []
        if self.law == "weibull" and self.shape is None:
            said.append((("law",), refusal("the key 'shape' is missing", "such as shape: 0.7")))
        if self.law != "weibull" and self.shape is not None:
            said.append((("shape",), refusal(f"the law '{self.law}' has no shape", "write law: weibull")))
        if self.take_over is not None and not self.spares:
            said.append((("take_over",), refusal("there is no spare that could", "write spares: 1")))
        if said:
            refuse_below(said)
        return self


class StartUp(Block):
    """From when a replica is wanted until it serves, in parts; what is not said takes no time."""

    node: Seconds = Field(default=0.0, description="until there is a machine")
    image: Seconds = Field(default=0.0, description="until the engine is there and runs")
    weights: Annotated[float, Quantity("bandwidth", "B/s", above=0.0, at_most=1e18)] | None = Field(
        default=None, description="over which the replica's weights are read"
    )
    warm_up: Seconds = Field(default=0.0, description="compiling, capturing graphs, first requests")
    law: Annotated[Literal["fixed", "exponential"], Choice("law", ("fixed", "exponential"))] = Field(
        default="fixed", description="how the whole of it varies"
    )


class ScheduleKind(Kind):
    """A list of [time, replicas], times increasing."""

    _time = Quantity("time", "s", at_most=366 * 86400.0)
    _replicas = Whole(at_least=0)

    def read(self, value: Any) -> tuple[tuple[float, int], ...]:
        """Pairs of seconds and replicas."""
        if not isinstance(value, list) or not value:
            refuse("expected a list such as [[6 h, 8], [22 h, 2]]")
        found: list[tuple[float, int]] = []
        for i, pair in enumerate(value):
            if not isinstance(pair, list) or len(pair) != 2:
                refuse_below([((i,), refusal("expected a pair such as [6 h, 8]"))])
            found.append((self._time.read(pair[0]), self._replicas.read(pair[1])))
            if i and found[i][0] <= found[i - 1][0]:
                refuse_below([((i,), refusal("is not later than the time above it; times increase"))])
        return tuple(found)

    def write(self, value: tuple[tuple[float, int], ...]) -> list[list[Any]]:
        """The same in seconds."""
        return [[self._time.write(at), replicas] for at, replicas in value]

    def unit(self) -> str:
        """For the reference table."""
        return "list of [time, whole number]"


class Autoscaling(Block):
    """Replicas that are started and stopped by a rule."""

    min: Index = Field(description="replicas that run always")
    max: Annotated[int, Whole()] | None = Field(
        default=None, description="replicas; all that the fleet holds if omitted"
    )
    measure: Annotated[str, Choice("measure", tuple(MEASURES))] = Field(
        description="what is looked at: the share of time in which steps run, requests that wait or run, requests that"
        " wait, the share of KV memory in use"
    )
    target: Ratio = Field(description="of the measure, for each replica")
    tolerance: Share = Field(
        default=0.1, description="by which the mean may differ from the target before anything is done"
    )
    interval: Seconds = Field(default=15.0, description="between two looks; 0 s: whenever a request comes or ends")
    start_up: StartUp = Field(description="from when a replica is wanted until it serves")
    cooldown: Seconds = Field(
        default=300.0, description="for so long as many must not have been wanted before a replica stops"
    )
    schedule: Annotated[tuple[tuple[float, int], ...], ScheduleKind()] | None = Field(
        default=None, description="from when in the day how many replicas run at least; from the last until the first"
    )
    repeat: PositiveSeconds = Field(default=DAY_S, description="length of the schedule's day")
    fixed: Annotated[tuple[int, ...], Several(Whole(), may_be_empty=True)] | None = Field(
        default=None, description="replicas of fixed fleets that are played beside it; `max` if omitted"
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        said: Refusals = []
        if self.max is not None and self.min > self.max:
            said.append((("min",), refusal(f"must be at most 'max', which is {self.max}")))
        if not self.min and self.measure in BLIND:
            hint = "write min: 1, or a measure such as in_flight"
            said.append((("min",), refusal(f"with no replica there is no {named(self.measure)} to look at", hint)))
        if self.measure in BLIND and self.target > 1:
            said.append((("target",), refusal(f"is a share of a replica, at most 1, not {self.target:g}")))
        if self.schedule is not None and self.schedule[-1][0] >= self.repeat:
            said.append(
                (("repeat",), refusal(f"must be later than the schedule's last time, {self.schedule[-1][0]:g} s"))
            )
        if self.fixed is not None and len(self.fixed) > MOST_FIXED:
            many = f"at most {MOST_FIXED} fleets, not {len(self.fixed)}: each is a run"
            said.append((("fixed",), refusal(many)))
        if said:
            refuse_below(said)
        return self
