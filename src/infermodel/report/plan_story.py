"""What a plan's page and pictures tell: the rows of its table, and what was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isnan
from typing import Any

from infermodel.metrics.objectives import Objective
from infermodel.report.palette import Style, styles

Dollars = Callable[[Mapping[str, Any]], float]
"""Dollars per hour of a row of plan.csv."""


@dataclass(frozen=True)
class PlanStory:
    """A finished plan.

    Attributes:
        title, description: of the plan.
        traffic: in words.
        objectives: promised to users.
        spares, most_systems, replications: as in the plan file.
        devices: candidate to the name of its device.
        rows: of plan.csv.
        words: how each of them is set up.
        fleets: layouts times sizes.
        digest, seed: of the base scenario.
        mean_per_busiest: rate of the profile over that of its busiest step, at which fleets are sized; 1 without one.
        missed_with_one_down: what the cheapest fleet misses with one system down; empty: nothing, None: not played.
        rests_on: candidate to what its figures rest on.
        errors: candidate to the model's median error on its device and engine; nan where it was never held against one.
    """

    title: str
    description: str
    traffic: str
    objectives: Sequence[Objective]
    spares: int
    most_systems: int
    replications: int
    devices: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    words: Sequence[str]
    fleets: int
    digest: str = ""
    seed: int = 1
    mean_per_busiest: float = 1.0
    missed_with_one_down: str | None = None
    rests_on: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def looks(self) -> dict[str, Style]:
        """How each candidate looks."""
        return dict(zip(self.devices, styles(list(self.devices.values())), strict=True))

    @cached_property
    def with_fleet(self) -> list[Mapping[str, Any]]:
        """Rows of layouts that have a fleet, the cheapest first."""
        return sorted((row for row in self.rows if row["systems"]), key=lambda row: (row["usd_per_h"], row["layout"]))

    @cached_property
    def rivals(self) -> list[str]:
        """Candidates, the cheapest aside, of which a fleet may cost less somewhere within the ranges of prices."""
        return self._cheaper(lambda row: row["usd_per_h_low"], lambda row: row["usd_per_h_high"])

    @cached_property
    def rivals_in_errors(self) -> list[str]:
        """The same where fleets are larger or smaller by the model's median error on their devices."""

        def error(row: Mapping[str, Any]) -> float:
            return self.errors.get(row["candidate"], 0.0)

        return self._cheaper(
            lambda row: row["usd_per_h"] * (1 - error(row)), lambda row: row["usd_per_h"] * (1 + error(row))
        )

    @cached_property
    def never_held(self) -> list[str]:
        """Candidates in the order that were never held against a server, where there are others to be compared with."""
        named = list(dict.fromkeys(row["candidate"] for row in self._compared))
        return [each for each in named if isnan(self.errors.get(each, 0.0))] if len(named) > 1 else []

    @cached_property
    def _compared(self) -> list[Mapping[str, Any]]:
        """Rows of known dollars: those with a fleet, then those whose least dollars spared them a simulation."""
        spared = [row for row in self.without_fleet if row["least_usd_per_h"] and not row["simulated_sizes"]]
        dollars = ("usd_per_h", "usd_per_h_low", "usd_per_h_high")
        return [*self.with_fleet, *({**row, **dict.fromkeys(dollars, row["least_usd_per_h"])} for row in spared)]

    def _cheaper(self, least: Dollars, most: Dollars) -> list[str]:
        """Candidates, the cheapest aside, of which some fleet's least is below the cheapest one's most."""
        if not self.with_fleet:
            return []
        best, *others = self._compared
        close = (row["candidate"] for row in others if least(row) < most(best))
        return [each for each in dict.fromkeys(close) if each != best["candidate"]]

    @cached_property
    def without_fleet(self) -> list[Mapping[str, Any]]:
        """Rows of layouts that have none, in the plan's order."""
        return [row for row in self.rows if not row["systems"]]

    def name(self, row: Mapping[str, Any]) -> str:
        """A layout in words."""
        return f"{row['candidate']}, {self.words[row['layout']]}"
