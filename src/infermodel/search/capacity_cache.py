"""Capacities kept from run to run: nobody waits twice for the same answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from infermodel.experiment.pricing import economics
from infermodel.experiment.processes import nobody
from infermodel.experiment.result import Capacity, CapacityPoint
from infermodel.files import keep, kept
from infermodel.metrics.confidence import Interval
from infermodel.metrics.objectives import Objective, Verdict
from infermodel.metrics.pools import PoolSummary
from infermodel.metrics.schema import row
from infermodel.metrics.summary import Summary
from infermodel.scenario.resolved import ResolvedScenario, ResolvedService
from infermodel.search.capacity import find_capacities
from infermodel.search.probe import COARSE, Effort


def cached_capacities(
    scenario: ResolvedScenario,
    folder: Path | None,
    *,
    width: float,
    effort: Effort = COARSE,
    jobs: int = 1,
    on_found: Callable[[Capacity], None] = lambda _: None,
    on_load: Callable[[str], None] = nobody,
) -> tuple[Capacity, ...]:
    """`find_capacities`, or what it answered before for the same scenario, settings and program.

    Args:
        folder: holds a file for each answer, and is made where it is not there; None: nothing is kept. A file that
            cannot be read, or whose content is not what was kept, is written anew, and a folder that cannot be written
            is no error.
    """
    path = None if folder is None else folder / f"{key(scenario, width, effort)}.json"
    known = None if path is None else kept(path)
    if known is not None:
        return tuple(restored(scenario, each) for each in known)
    found = find_capacities(scenario, width=width, effort=effort, jobs=jobs, on_found=on_found, on_load=on_load)
    if path is None:
        return found
    with suppress(OSError):
        keep(path, [stored(each) for each in found])
    return found


def key(scenario: ResolvedScenario, width: float, effort: Effort) -> str:
    """Name of an answer: whatever it depends on, hashed."""
    parts = [scenario.digest, program_digest(), width, asdict(effort)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


@cache
def program_digest() -> str:
    """SHA-256 over the sources and the catalog of this package."""
    content = hashlib.sha256()

    def add(folder: Traversable) -> None:
        for each in sorted(folder.iterdir(), key=lambda part: part.name):
            if each.is_dir():
                add(each)
            elif each.name.endswith((".py", ".yaml")):
                content.update(each.read_bytes())

    add(files("infermodel"))
    return content.hexdigest()


def stored(capacity: Capacity) -> dict[str, Any]:
    """A capacity as plain values. Dollars are left out: they follow from the summaries."""
    plain = {name: getattr(capacity, name) for name in ("service", "unit", "low", "high", "note")}
    plain |= {name: getattr(capacity, name) for name in ("binding_objective", "binding_resource")}
    return plain | {"points": [stored_point(each) for each in capacity.points]}


def stored_point(point: CapacityPoint) -> dict[str, Any]:
    """A load as plain values."""
    plain = {name: getattr(point, name) for name in ("load", "sustained", "reason", "replications")}
    verdicts = [asdict(each) for each in point.summary.verdicts]
    intervals = {name: asdict(each) for name, each in point.summary.intervals.items()}
    pools = [asdict(each) for each in point.summary.pools]
    more = {"verdicts": verdicts, "intervals": intervals, "pools": pools, "paid_replicas": point.summary.paid_replicas}
    return plain | more | {"summary": row(point.summary)}


def restored(scenario: ResolvedScenario, plain: dict[str, Any]) -> Capacity:
    """The capacity that `stored` wrote down."""
    (service,) = (each for each in scenario.services if each.name == plain["service"])
    points = tuple(restored_point(service, each) for each in plain["points"])
    at_low = next((each for each in points if each.load == plain["low"]), None)
    return Capacity(
        **plain | {"points": points},
        summary=at_low.summary if at_low else None,
        economics=at_low.economics if at_low else None,
    )


def restored_point(service: ResolvedService, plain: dict[str, Any]) -> CapacityPoint:
    """The load that `stored_point` wrote down."""
    verdicts = tuple(Verdict(**each | {"objective": Objective(**each["objective"])}) for each in plain["verdicts"])
    intervals = {name: Interval(**each) for name, each in plain["intervals"].items()}
    pools = tuple(PoolSummary(**each) for each in plain["pools"])
    paid = tuple(plain["paid_replicas"])
    columns = plain["summary"]
    summary = Summary(**columns, verdicts=verdicts, intervals=intervals, pools=pools, paid_replicas=paid)
    rest = {name: plain[name] for name in ("load", "sustained", "reason", "replications")}
    return CapacityPoint(**rest, summary=summary, economics=economics(service, summary))
