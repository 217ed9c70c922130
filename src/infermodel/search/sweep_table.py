"""`sweep.csv`: one row for each point, service and measure, with its difference to the base; and what moves most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import numpy as np

from infermodel.metrics.confidence import of_independent, of_pairs
from infermodel.metrics.schema import Column
from infermodel.search.design import Point
from infermodel.search.points import MEASURES, Outcome
from infermodel.search.sweep import Swept
from infermodel.search.sweep_schema import Sweep

FIRST_COLUMNS = (Column("point", "", "number; 0 is the base scenario"),)
"""Then a column for each axis, by its name: its value, empty at the base."""

LAST_COLUMNS = (
    Column("service", "", "name of the service; empty where the point has no answer"),
    Column("measure", "", "what was measured, as in the summary's table"),
    Column("unit", "", "of value and difference"),
    Column("value", "see unit", "mean over the replications"),
    Column("half_width", "see unit", "of its 95 % interval; empty for one replication"),
    Column("difference", "see unit", "value minus the base's, replication by replication, same random numbers"),
    Column("difference_half_width", "see unit", "of its 95 % interval (paired); empty for one replication"),
    Column("replications", "", "behind the row"),
    Column("note", "", "row of the measure `note`: what binds, how a fleet is set up, or why there is none"),
    Column("reason", "", "why the point has no answer"),
)

MOST_GROUPS = 6

OF_A_SLICE = (
    "systems",
    "bought",
    "replicas",
    "racks",
    "power_w",
    "power_mean_w",
    "power_peak_w",
    "failures_a_month",
    "usd_per_h",
    "usd_per_h_lost",
    "usd_per_h_low",
    "usd_per_h_high",
    "kv_tokens",
    "arrived",
    "finished",
    "unfinished",
    "rejected",
    "waiting_growth",
    "offered_rpm",
    "rpm",
    "tpm",
    "itpm",
    "otpm",
    "goodput_rps",
    "running_mean",
    "capacity_low",
    "capacity_high",
)
"""Measures that add up over the slices of a fleet; prices per token, speeds and shares do not."""


@dataclass(frozen=True)
class Effect:
    """How far an axis moves a measure on its own.

    Attributes:
        low, high: smallest and largest mean of the measure over the axis' values (all other axes averaged out).
        low_at, high_at: the values of the axis there, as tables call them.
        base: the measure at the base scenario.
    """

    axis: str
    low: float
    high: float
    low_at: str
    high_at: str
    base: float

    @property
    def swing(self) -> float:
        """Distance from low to high."""
        return self.high - self.low


def header(sweep: Sweep) -> list[str]:
    """Names of the columns."""
    return [each.name for each in FIRST_COLUMNS] + [a.title for a in sweep.axes] + [each.name for each in LAST_COLUMNS]


def sweep_rows(swept: Swept) -> Iterator[dict[str, Any]]:
    """Rows in order of point, service and measure; only points that have an outcome."""
    titles = [axis.title for axis in swept.sweep.axes]
    base = swept.outcomes[0]
    for point, outcome in zip(swept.points, swept.outcomes, strict=True):
        if outcome is None:
            continue
        called = [axis.called(value) for axis, value in zip(swept.sweep.axes, point.values, strict=False)]
        values = dict(zip(titles, called, strict=True)) if called else dict.fromkeys(titles)
        place = {"point": point.number, **{name: as_written(value) for name, value in values.items()}}
        if not outcome.answers:
            yield {
                **place,
                **dict.fromkeys(each.name for each in LAST_COLUMNS),
                "reason": outcome.reason or "no answer",
            }
        for service, measures in outcome.answers.items():
            for measure, samples in measures.items():
                times, at_base = times_of(point, measure), base_samples(base, service, measure)
                before = [times_of(swept.points[0], measure) * each for each in at_base]
                yield {**place, **measured(service, measure, [times * each for each in samples], before)}
            if service in outcome.notes:
                yield {**place, "service": service, "measure": "note", "note": outcome.notes[service]}


def times_of(point: Point, measure: str) -> int:
    """What a measure of one slice is multiplied by."""
    return point.slices if measure in OF_A_SLICE else 1


def base_samples(base: Outcome | None, service: str, measure: str) -> list[float]:
    """The base's values of a measure; none where it has no such service."""
    return base.answers.get(service, {}).get(measure, []) if base else []


def measured(service: str, measure: str, samples: Sequence[float], at_base: Sequence[float]) -> dict[str, Any]:
    """The columns of one measure."""
    value = of_independent(samples)
    comparable = len(samples) == len(at_base) and all(map(isfinite, [*samples, *at_base]))
    difference = of_pairs(samples, at_base) if comparable else None
    return {
        "service": service,
        "measure": measure,
        "unit": MEASURES[measure],
        "value": value.mean,
        "half_width": value.half_width,
        "difference": difference.mean if difference else nan,
        "difference_half_width": difference.half_width if difference else nan,
        "replications": len(samples),
        "note": "",
        "reason": "",
    }


def as_written(value: Any) -> Any:
    """An axis' value for a cell."""
    return value if value is None or isinstance(value, str | int | float) else str(value)


def effects(swept: Swept, service: str, measure: str) -> list[Effect]:
    """The main effect of each axis on a measure of a service, the largest first; axes without two answers are left out.

    The points are grouped by the axis' value (a sampled range: by `MOST_GROUPS` equal groups), and averaged in each
    group. In a crossed or a space-filling design the other axes average out.
    """
    known = [
        (point, times_of(point, measure) * float(np.mean(outcome.answers[service][measure])))
        for point, outcome in zip(swept.points[1:], swept.outcomes[1:], strict=True)
        if outcome is not None and measure in outcome.answers.get(service, {})
    ]
    known = [(point, value) for point, value in known if isfinite(value)]
    at_base = base_samples(swept.outcomes[0], service, measure)
    base = times_of(swept.points[0], measure) * float(np.mean(at_base)) if at_base else nan
    found = []
    for i, axis in enumerate(swept.sweep.axes):
        ranks = {str(value): k for k, value in enumerate(axis.listed)} if swept.sweep.design == "crossed" else {}
        ordered = sorted(known, key=lambda each: place_of(each[0].values[i], ranks))
        called = {str(point.values[i]): str(axis.called(point.values[i])) for point, _ in ordered}
        groups: dict[str, list[float]] = {}
        if len(called) <= 2 * MOST_GROUPS:
            for point, value in ordered:
                groups.setdefault(called[str(point.values[i])], []).append(value)
        else:
            for part in np.array_split(np.arange(len(ordered)), MOST_GROUPS):
                label = f"{ordered[part[0]][0].values[i]} to {ordered[part[-1]][0].values[i]}"
                groups[label] = [ordered[k][1] for k in part]
        if len(groups) < 2:
            continue
        means = {label: float(np.mean(values)) for label, values in groups.items()}
        low_at, high_at = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
        found.append(Effect(axis.title, means[low_at], means[high_at], low_at, high_at, base))
    return sorted(found, key=lambda effect: -effect.swing)


def place_of(value: Any, ranks: Mapping[str, int]) -> float:
    """Where a value stands along its axis: its rank, or the number that it starts with (0 where there is none)."""
    if str(value) in ranks:
        return float(ranks[str(value)])
    try:
        return float(str(value).split()[0])
    except (ValueError, IndexError):
        return 0.0
