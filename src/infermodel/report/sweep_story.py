"""What a sweep's page tells: the rows of its table, by point, service and measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan, nan
from typing import Any

from infermodel.report.palette import Style, styles

SHOWN: Mapping[str, tuple[str, ...]] = {
    "run": ("rpm", "ttft_p99_s", "output_speed_p50_tok_s", "usd_per_mtok"),
    "capacity": ("capacity_low", "rpm", "tpm", "usd_per_mtok"),
    "plan": ("bought", "usd_per_h", "usd_per_mtok", "speed_tok_s"),
    "availability": ("missed_min_a_month", "outside_a_million", "usd_per_h", "usd_per_mtok_within"),
}
"""Measures that pictures show, by what was asked."""

MOVED: Mapping[str, tuple[str, ...]] = {
    "run": ("usd_per_mtok", "rpm"),
    "capacity": ("usd_per_mtok", "capacity_low"),
    "plan": ("usd_per_mtok", "usd_per_h"),
    "availability": ("missed_min_a_month", "usd_per_mtok_within"),
}
"""Measures that the tornado shows."""

TITLES: Mapping[str, str] = {
    "rpm": "requests/min finished",
    "ttft_p99_s": "time to first token, p99, s",
    "output_speed_p50_tok_s": "tokens/s of a user, p50",
    "usd_per_mtok": "USD/Mtok",
    "usd_per_h": "USD/h",
    "capacity_low": "capacity, requests/min or users",
    "tpm": "tokens/min finished",
    "bought": "systems of the cheapest fleet, spares included",
    "speed_tok_s": "tokens/s of a user, p50",
    "missed_min_a_month": "minutes a month, objectives missed",
    "outside_a_million": "requests of a million, outside",
    "usd_per_mtok_within": "USD/Mtok within objectives",
}


@dataclass(frozen=True)
class Swing:
    """How far an axis alone moves a measure: its lowest and highest mean over the axis' values, and where."""

    axis: str
    low: float
    high: float
    low_at: str
    high_at: str
    base: float


@dataclass(frozen=True)
class SweepStory:
    """A finished sweep.

    Attributes:
        ask: `run`, `capacity`, `plan` or `availability`.
        axes: names of the axes, columns of the rows.
        circumstances: those of them that come, as traffic does, and are not chosen.
        crossed: whether all combinations were asked, else samples.
        devices: device of each service of the base.
        rows: of sweep.csv.
        swings: by service and measure, the largest first.
        digest, seed: of the base scenario.
    """

    title: str
    description: str
    ask: str
    axes: tuple[str, ...]
    crossed: bool
    devices: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    swings: Mapping[tuple[str, str], Sequence[Swing]]
    digest: str = ""
    seed: int = 1
    circumstances: tuple[str, ...] = ()

    @cached_property
    def services(self) -> tuple[str, ...]:
        """Services that any point answers for, in order of appearance."""
        return tuple(dict.fromkeys(row["service"] for row in self.rows if row.get("service")))

    @cached_property
    def styles(self) -> Mapping[str, Style]:
        """Look of each service."""
        return dict(zip(self.services, styles([self.devices.get(s, s) for s in self.services]), strict=True))

    @cached_property
    def points(self) -> Mapping[int, Mapping[str, Any]]:
        """The axes' values of each point."""
        return {row["point"]: {axis: row[axis] for axis in self.axes} for row in self.rows}

    @cached_property
    def unanswered(self) -> tuple[Mapping[str, Any], ...]:
        """Rows of the points without an answer."""
        return tuple(row for row in self.rows if not row.get("service"))

    @cached_property
    def _values(self) -> Mapping[tuple[int, str, str], Mapping[str, Any]]:
        return {(row["point"], row["service"], row["measure"]): row for row in self.rows if row.get("service")}

    def row(self, point: int, service: str, measure: str) -> Mapping[str, Any]:
        """A row of the table; empty where there is none."""
        return self._values.get((point, service, measure), {})

    def value(self, point: int, service: str, measure: str) -> float:
        """A measure; NaN where there is none."""
        found = self.row(point, service, measure).get("value")
        return nan if found is None else float(found)

    def half_width(self, point: int, service: str, measure: str) -> float:
        """Of its 95 % interval; NaN where there is none."""
        found = self.row(point, service, measure).get("half_width")
        return nan if found is None else float(found)

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """Axes that somebody may choose on."""
        return tuple(axis for axis in self.axes if axis not in self.circumstances)

    @cached_property
    def settings(self) -> Mapping[tuple[Any, ...], Sequence[int]]:
        """Points by the circumstances that they share, the base aside where there are any."""
        found: dict[tuple[Any, ...], list[int]] = {}
        for point, place in self.points.items():
            if point or not self.circumstances:
                found.setdefault(tuple(place[axis] for axis in self.circumstances), []).append(point)
        return found

    def best(self, service: str, points: Sequence[int]) -> int | None:
        """The point of these with the fewest dollars a token, among those that keep the objectives; the base last of
        equals.
        """
        kept = [
            point
            for point in points
            if not self.value(point, service, "objectives_met") < 1 and self.value(point, service, "capacity_low") != 0
        ]
        priced = [point for point in kept if not isnan(self.value(point, service, "usd_per_mtok"))]
        if priced:
            return min(priced, key=lambda point: (self.value(point, service, "usd_per_mtok"), not point))
        return None


def quantity_of(value: Any) -> float | None:
    """The number that an axis' value starts with, in its own unit; None where it starts with none.

    >>> quantity_of("10 /min"), quantity_of(3), quantity_of("fp8")
    (10.0, 3.0, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value).split()[0])
    except (ValueError, IndexError):
        return None
