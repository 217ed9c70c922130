"""When how many replicas are wanted: pure rules over what a scaler may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from infermodel.simulation.lifetimes import AT_ONCE, DrawnTime

DAY_S = 86400.0


class Seen(NamedTuple):
    """What a scaler sees of a pool when it looks.

    Attributes:
        replicas: that serve new requests, or are starting to.
        busy: replicas, by the share of the time since the last look in which a step ran.
        in_flight: requests that wait or run.
        waiting: of these, those that wait.
        kv_used: replicas, by the share of their KV memory in use.
    """

    replicas: int
    busy: float
    in_flight: int
    waiting: int
    kv_used: float


Measure = Callable[[Seen], float]

MEASURES: Mapping[str, Measure] = {
    "utilisation": lambda seen: seen.busy,
    "in_flight": lambda seen: seen.in_flight,
    "queue": lambda seen: seen.waiting,
    "kv_use": lambda seen: seen.kv_used,
}
"""What of all replicas together is held against a target for each."""

BLIND = ("utilisation", "kv_use")
"""Measures that see nothing of requests that come while no replica runs."""


@dataclass(frozen=True, slots=True)
class ScalingSpec:
    """How many of a pool's replicas run when.

    Attributes:
        least, most: replicas.
        measure: name from `MEASURES`.
        target: of the measure, for each replica.
        tolerance: by which the mean may differ from the target before anything is done, relative.
        interval_s: between two looks; 0: whenever a request comes or ends.
        start_up: from when a replica is wanted until it serves.
        cooldown_s: for so long as many were wanted no more, before one stops.
        schedule: (time within `repeat_s`, least replicas from then on), ascending; from the last until the first.
        repeat_s: after which the schedule begins again.
    """

    least: int
    most: int
    measure: str
    target: float
    tolerance: float = 0.1
    interval_s: float = 15.0
    start_up: DrawnTime = AT_ONCE
    cooldown_s: float = 300.0
    schedule: tuple[tuple[float, int], ...] = ()
    repeat_s: float = DAY_S


def least_at(spec: ScalingSpec, time: float) -> int:
    """Replicas that run at `time`, at least.

    >>> day = ScalingSpec(1, 9, "queue", 2.0, schedule=((6 * 3600.0, 5), (22 * 3600.0, 2)))
    >>> [least_at(day, hour * 3600.0) for hour in (0, 6, 21, 23, 24 + 7)]
    [2, 5, 5, 2, 5]
    """
    least = spec.least
    if spec.schedule:
        within = time % spec.repeat_s
        begun = [replicas for at, replicas in spec.schedule if at <= within]
        least = max(least, begun[-1] if begun else spec.schedule[-1][1])
    return min(least, spec.most)


def wanted(spec: ScalingSpec, seen: Seen, time: float) -> int:
    """Replicas that are wanted now: the fewest among whom the measure is at most its target each.

    The rule of Kubernetes' horizontal pod autoscaler (its documentation): replicas x measure / target, rounded
    up; nothing is done within the tolerance.

    >>> spec = ScalingSpec(1, 8, "in_flight", 10.0)
    >>> [wanted(spec, Seen(2, 2.0, in_flight, 0, 0.5), 0.0) for in_flight in (0, 12, 21, 22.5, 500)]
    [1, 2, 2, 3, 8]
    """
    value = MEASURES[spec.measure](seen)
    each = value / (spec.target * seen.replicas) if seen.replicas else None
    near = each is not None and abs(each - 1) <= spec.tolerance
    asked = seen.replicas if near else ceil(value / spec.target)
    return max(least_at(spec, time), min(spec.most, asked))
