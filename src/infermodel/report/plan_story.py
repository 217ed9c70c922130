"""What a plan's page and pictures tell: the rows of its table, and what was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from infermodel.metrics.objectives import Objective
from infermodel.report.palette import Style, styles


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
        rests_on: candidate to what its figures rest on.
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
    rests_on: Mapping[str, str] = field(default_factory=dict)

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
        if not self.with_fleet:
            return []
        best, *others = self.with_fleet
        close = (row["candidate"] for row in others if row["usd_per_h_low"] < best["usd_per_h_high"])
        return [each for each in dict.fromkeys(close) if each != best["candidate"]]

    @cached_property
    def without_fleet(self) -> list[Mapping[str, Any]]:
        """Rows of layouts that have none, in the plan's order."""
        return [row for row in self.rows if not row["systems"]]

    def name(self, row: Mapping[str, Any]) -> str:
        """A layout in words."""
        return f"{row['candidate']}, {self.words[row['layout']]}"
