"""`capacity.csv`: every load that a search tried, and the bracket it ended with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from infermodel.experiment.result import Capacity, CapacityPoint
from infermodel.metrics.schema import Column, columns, row
from infermodel.metrics.summary import Summary

FIRST_COLUMNS = (
    Column("service", "", "name of the service"),
    Column("unit", "", "of `load`: requests/s, or users in closed loops"),
    Column("capacity_low", "see unit", "largest load found sustained; 0 where none is"),
    Column("capacity_high", "see unit", "smallest load found not sustained"),
    Column("knee", "see unit", "load tried with the largest ratio of load to mean end-to-end time"),
    Column("load", "see unit", "load of this row"),
    Column("place", "", "`low` and `high` for the ends of the bracket; else empty"),
    Column("sustained", "", "true, false, or undecided by the replications"),
    Column("reason", "", "what is missed or undecided"),
    Column("replications", "", "behind the row"),
    Column("usd_per_h_mid", "USD/h", "of the fleet"),
    Column("usd_per_mtok_low", "USD/Mtok", "blended, at the low end of uncertain prices"),
    Column("usd_per_mtok_mid", "USD/Mtok", "blended: dollars of the hour over billed tokens"),
    Column("usd_per_mtok_high", "USD/Mtok", "blended, at the high end of uncertain prices"),
)
OBJECTIVE_COLUMNS = ("limit", "value", "half_width")
"""After each objective's name: its limit, its measured value, the half width of the value's 95 % interval."""


def capacity_rows(capacities: Iterable[Capacity]) -> Iterator[dict[str, Any]]:
    """Rows by service and load; then the objectives' columns, then those of the summary.

    Numbers are as they are; a column that a service does not have is missing from its rows.
    """
    for capacity in capacities:
        for point in capacity.points:
            yield point_row(capacity, point)


def point_row(capacity: Capacity, point: CapacityPoint) -> dict[str, Any]:
    """One load."""
    blended = point.economics.blended_usd_per_mtok
    first: dict[str, Any] = {
        "service": capacity.service,
        "unit": capacity.unit,
        "capacity_low": capacity.low,
        "capacity_high": capacity.high,
        "knee": capacity.knee,
        "load": point.load,
        "place": {capacity.low: "low", capacity.high: "high"}.get(point.load, ""),
        "sustained": "undecided" if point.sustained is None else str(point.sustained).lower(),
        "reason": point.reason,
        "replications": point.replications,
        "usd_per_h_mid": point.economics.hourly.total.mid,
        "usd_per_mtok_low": blended.low,
        "usd_per_mtok_mid": blended.mid,
        "usd_per_mtok_high": blended.high,
    }
    for verdict in point.summary.verdicts:
        name = verdict.objective.name
        interval = point.summary.intervals.get(name)
        values = (verdict.objective.limit, verdict.value, interval.half_width if interval else None)
        first |= {f"{name}_{kind}": value for kind, value in zip(OBJECTIVE_COLUMNS, values, strict=True)}
    return first | {name: value for name, value in row(point.summary).items() if name not in first}


def table_columns() -> tuple[Column, ...]:
    """The columns that every row has, with meanings."""
    known = {each.name for each in FIRST_COLUMNS}
    return (*FIRST_COLUMNS, *(each for each in columns(Summary) if each.name not in known))
