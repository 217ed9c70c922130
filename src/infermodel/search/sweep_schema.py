"""A sweep file: a base scenario, what to vary, and what to ask at each point."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from infermodel.scenario import ScenarioErrors, load
from infermodel.scenario.document import Document, read
from infermodel.scenario.errors import named
from infermodel.scenario.override import override
from infermodel.scenario.schema.types import Count, Name, PositiveShare, Replications, RequestCount, Seed
from infermodel.scenario.schema.values import Block, Choice, Kind, Refusals, Whole, refusal, refuse, refuse_below
from infermodel.scenario.validation import validate_as
from infermodel.search.override_text import override_text
from infermodel.search.plan_schema import load_plan
from infermodel.search.question import Paths, Question, parted

MOST_POINTS = 100_000
SOBOL_AXES = 10
SAMPLED = ("latin_hypercube", "sobol")

_NUMBER = re.compile(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(.*?)\s*")


class Values(Kind):
    """A list of plain values, as they would stand in the scenario."""

    def read(self, value: Any) -> tuple[Any, ...]:
        """The values."""
        if not isinstance(value, list):
            refuse(f"expected a list of values, got {named(value)}")
        if not value:
            refuse("the list is empty; give at least one")
        return tuple(value)

    def unit(self) -> str:
        """For the reference table."""
        return "list"


class End(Kind):
    """An end of a range: a number, or a number with a unit, `10 /min`."""

    def read(self, value: Any) -> tuple[float, str, bool]:
        """The number, its unit, and whether it was written as a whole number without one."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            refuse(f"expected a number or a quantity such as '10 /min', got {named(value)}")
        match = _NUMBER.fullmatch(str(value))
        if match is None:
            refuse(f"{named(value)} does not start with a number", "list such values under 'values'")
        try:
            return float(match[1]), match[2], isinstance(value, int)
        except ValueError:
            refuse(f"{named(value)} does not start with a number")

    def write(self, value: tuple[float, str, bool]) -> Any:
        """The text again."""
        return f"{value[0]!r} {value[1]}".strip()

    def unit(self) -> str:
        """For the reference table."""
        return "number or quantity"


class Range(Block):
    """Values from one end to the other, both included."""

    start: Annotated[tuple[float, str, bool], End()] = Field(alias="from", description="first value")
    end: Annotated[tuple[float, str, bool], End()] = Field(alias="to", description="last value, in the same unit")
    points: Annotated[int, Whole(at_least=2, at_most=10_000)] = Field(default=5, description="how many values")
    scale: Annotated[str, Choice("scale", ("linear", "log"))] = Field(
        default="linear", description="equal differences or equal ratios; whole numbers at both ends give whole values"
    )

    @model_validator(mode="after")
    def _ends_fit(self) -> Self:
        (low, unit, _), (high, other, _) = self.start, self.end
        if unit != other:
            refuse_below([(("to",), refusal(f"is in {other or 'no unit'}, 'from' in {unit or 'no unit'}"))])
        if low == high:
            refuse_below([(("to",), refusal("is the same as 'from'"))])
        if self.scale == "log" and (low <= 0 or high <= 0):
            refuse_below([(("scale",), refusal("a log scale needs ends above zero"))])
        return self

    def at(self, share: float) -> Any:
        """The value at a share of the way, 0 to 1, as a scenario would write it."""
        (low, unit, low_is_whole), (high, _, high_is_whole) = self.start, self.end
        number = low * (high / low) ** share if self.scale == "log" else low + (high - low) * share
        if low_is_whole and high_is_whole:
            return round(number)
        number = float(f"{number:.12g}")
        return f"{number!r} {unit}" if unit else number


class Axis(Block):
    """Something to vary."""

    path: Annotated[tuple[str, ...], Paths()] = Field(description="what is varied, written as for `--set`")
    name: Name | None = Field(default=None, description="in tables and pictures; the path's last part if omitted")
    values: Annotated[tuple[Any, ...], Values()] | None = Field(default=None, description="its values, or")
    range: Range | None = Field(default=None, description="where they lie")
    labels: Annotated[tuple[Any, ...], Values()] | None = Field(
        default=None, description="what tables and pictures call the values, one for each"
    )
    together: Name | None = Field(
        default=None, description="axes with the same word here advance together (zipped); others are crossed"
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.values is None) == (self.range is None):
            refuse("an axis has either 'values' or a 'range'")
        if self.labels is not None and len(self.labels) != len(self.listed):
            text = f"{len(self.labels)} labels for {len(self.listed)} values"
            refuse_below([(("labels",), refusal(text, "give one for each"))])
        return self

    @property
    def title(self) -> str:
        """Name in tables."""
        return self.name or self.path[0].rsplit(".", 1)[-1]

    @property
    def listed(self) -> tuple[Any, ...]:
        """All values of the axis, those of a range evenly spread, repeated ones once."""
        if self.range is None:
            assert self.values is not None
            return self.values
        steps = self.range.points - 1
        return tuple(dict.fromkeys(self.range.at(i / steps) for i in range(steps + 1)))

    def called(self, value: Any) -> Any:
        """What tables call a value of the axis."""
        if self.labels is None:
            return value
        return next((label for label, each in zip(self.labels, self.listed, strict=True) if each == value), value)

    def at(self, share: float) -> Any:
        """The value at a share of the way, for sampled designs: 0 <= share < 1."""
        if self.range is not None:
            return self.range.at(share)
        assert self.values is not None
        return self.values[int(share * len(self.values))]


class Sweep(Question):
    """What-ifs around a base scenario, or for `ask: plan` around the file of a plan."""

    ask: Annotated[str, Choice("question", ("run", "capacity", "plan", "availability"))] = Field(
        default="run", description="what to ask at each point"
    )
    axes: tuple[Axis, ...] = Field(min_length=1, max_length=50, description="what is varied")
    design: Annotated[str, Choice("design", ("crossed", *SAMPLED))] = Field(
        default="crossed", description="all combinations, or samples of many axes"
    )
    samples: Annotated[int, Whole(at_most=MOST_POINTS)] = Field(default=64, description="of a sampled design")
    seed: Seed = Field(default=1, description="of a sampled design")
    replications: Replications = Field(default=1, description="runs or searches of each point; intervals need several")
    slices: Count = Field(
        default=1,
        description="the base is one of so many alike, each with its own router, traffic and spares; counts, watts and "
        "dollars an hour are told of all of them",
    )
    fewest: RequestCount = Field(default=400, description="requests of a run of `ask: capacity`, at least")
    width: PositiveShare = Field(default=0.1, description="relative width of the brackets of `ask: capacity`")

    @property
    def leading(self) -> tuple[Axis, ...]:
        """The axes without those that only follow an earlier one."""
        words = [axis.together for axis in self.axes]
        return tuple(axis for i, axis in enumerate(self.axes) if not axis.together or axis.together not in words[:i])

    def check(self, changes: tuple[str, ...]) -> None:
        """Read the base with changes.

        Raises:
            ScenarioErrors: all that is wrong with it.
        """
        if self.ask == "plan":
            load_plan(self.base_path, changes)
        else:
            load(self.base_path, changes)

    @model_validator(mode="after")
    def _axes_fit(self) -> Self:
        said: Refusals = []
        titles = [axis.title for axis in self.axes]
        for i, axis in enumerate(self.axes):
            if axis.title in titles[:i]:
                said.append((("axes", i, "path"), refusal(f"two axes are called {named(axis.title)}", "name it")))
            partner = next((a for a in self.axes[:i] if a.together and a.together == axis.together), None)
            if axis.together and self.design in SAMPLED:
                said.append((("axes", i, "together"), refusal(f"a {self.design} design has no zipped axes")))
            elif partner and len(partner.listed) != len(axis.listed):
                text = f"{len(axis.listed)} values beside the {len(partner.listed)} of {named(partner.title)}"
                said.append((("axes", i, "together"), refusal(text)))
        if self.design == "sobol" and len(self.axes) > SOBOL_AXES:
            text = f"{len(self.axes)} axes, more than the {SOBOL_AXES} that sobol is tabulated for"
            said.append((("design",), refusal(text, "write latin_hypercube")))
        if said:
            refuse_below(said)
        return self


OWN_KEYS = ("ask", "axes", "design", "samples", "replications", "slices", "fewest", "width")
"""Where changes of a sweep go to the sweep itself; all others go to its base, as those under its key `set`."""


def load_sweep(path: str | Path, changes: Sequence[str] = ()) -> Sweep:
    """Read a sweep file and check it, its base scenario, and that each axis leads somewhere.

    Args:
        path: of the file.
        changes: `path=value`, to the sweep where the path starts with one of its keys, else to its base.

    Raises:
        ScenarioErrors: all that is wrong, each with its place.
    """
    own, others = parted(changes, OWN_KEYS)
    document = override(read(path), own)
    sweep = validate_as(Sweep, document)
    sweep = sweep.model_copy(update={"set": (*sweep.set, *others)})
    sweep._file = Path(path)
    sweep.check(sweep.set)
    errors = []
    for i, axis in enumerate(sweep.axes):
        for each in axis.path:
            errors += lost(sweep, document, i, each, axis.listed[0])
    if errors:
        raise ScenarioErrors(errors)
    return sweep


def lost(sweep: Sweep, document: Document, axis: int, path: str, value: Any) -> list[Any]:
    """What is wrong with an axis, said at its place in the sweep file: its first value must make a sound scenario.

    Values that make an unsound one later on are points without an answer, not errors.
    """
    if path == "slices" and isinstance(value, int) and value > 0:
        return []
    try:
        sweep.check((*sweep.set, override_text(path, value)))
    except ScenarioErrors as refused:
        return [
            document.error(("axes", axis, "path"), f"{path}={value}: {each.message}", each.suggestion)
            for each in refused.errors
        ]
    return []
