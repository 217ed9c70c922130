"""All services of a run together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infermodel.metrics.schema import column as _column
from infermodel.metrics.summary import Summary
from infermodel.metrics.throughput import share_of


@dataclass(frozen=True)
class Total:
    """Sums over the services of a run. Alternatives meet the same traffic, which counts once for each."""

    services: int = _column("", "services of the run")
    systems: int = _column("", "systems of all fleets")
    replicas: int = _column("", "replicas of all fleets")
    arrived: int = _column("requests", "arrived in the window")
    finished: int = _column("requests", "of those, finished")
    offered_rpm: float = _column("requests/min", "what the loads ask for")
    rpm: float = _column("requests/min", "that clients get")
    tpm: float = _column("tokens/min", "input and output tokens of those")
    itpm: float = _column("tokens/min", "input tokens of those, cached ones included")
    otpm: float = _column("tokens/min", "output tokens of those")
    goodput_rps: float = _column("requests/s", "that kept every per-request limit")
    attainment: float = _column("share", "of the arrived requests that kept every per-request limit")
    power_mean_w: float = _column("W", "of all devices, idle power included")
    joules_per_token: float = _column("J/token", "energy of the window / (input and output tokens)")


def total(summaries: Sequence[Summary]) -> Total:
    """Add up what can be added; latencies of different services are not pooled.

    Raises:
        ValueError: no service.
    """
    if not summaries:
        raise ValueError("a total needs at least one service")

    def summed(name: str) -> float:
        return float(sum(getattr(each, name) for each in summaries))

    arrived = sum(each.arrived for each in summaries)
    kept = sum(each.attainment * each.arrived for each in summaries if each.arrived)
    return Total(
        services=len(summaries),
        systems=sum(each.systems for each in summaries),
        replicas=sum(each.replicas for each in summaries),
        arrived=arrived,
        finished=sum(each.finished for each in summaries),
        offered_rpm=summed("offered_rpm"),
        rpm=summed("rpm"),
        tpm=summed("tpm"),
        itpm=summed("itpm"),
        otpm=summed("otpm"),
        goodput_rps=summed("goodput_rps"),
        attainment=share_of(kept, arrived),
        power_mean_w=summed("power_mean_w"),
        joules_per_token=share_of(60 * summed("power_mean_w"), summed("tpm")),
    )
