"""What a fleet delivered whose systems fail or whose replicas start and stop: how many served, and what was missed."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from infermodel.metrics.paid import paid_replicas
from infermodel.metrics.schema import column
from infermodel.metrics.steady import Window
from infermodel.metrics.summary import Summary
from infermodel.metrics.throughput import share_of
from infermodel.tables import REJECTED, SERVING, ServiceRecord, StateTable, always_up


@dataclass(frozen=True)
class FleetSummary:
    """A fleet over the measured window, all pools of it."""

    service: str = column("", "name of the service")
    fleet: str = column("", "`scaled` by its rule, or `fixed`")
    replicas: int = column("", "of the fleet, at most")
    serving_mean: float = column("replicas", "that serve, mean over time")
    serving_least: int = column("replicas", "that served at the same time, at least")
    serving_most: int = column("replicas", "the same, at most")
    paid_mean: float = column("replicas", "that are paid for: started and not stopped, whether they serve or not")
    starts: int = column("", "start-ups of replicas that were asked for")
    failures: int = column("", "times that a replica went down with its system")
    availability: float = column("share", "of the replica-seconds that were to be served, served: up / (up + down)")
    recomputed_tokens: float = column("tokens", "of prompts, computed again after failures and preemptions")
    arrived: int = column("", "requests")
    attainment: float = column("share", "of the requests that keep every objective")
    outside: int = column("", "requests that do not, rejected ones included")
    ttft_p99_s: float = column("s", "percentile 99 of the time to the first token")
    tpm: float = column("tokens/min", "input and output, delivered")
    usd_per_h: float = column("USD/h", "mid prices")
    usd_per_mtok: float = column("USD/Mtok", "blended over input and output, mid prices")
    usd_per_h_outside: float = column("USD/h", "of these, the share of the requests that are outside the objectives")


def fleet_summary(
    record: ServiceRecord, window: Window, summary: Summary, usd_per_h: float, usd_per_mtok: float, fleet: str
) -> FleetSummary:
    """The row of a fleet.

    Args:
        record: of the simulation.
        window: the measured one.
        summary: of the service there.
        usd_per_h, usd_per_mtok: what it cost.
        fleet: what to call it.
    """
    seconds = min(window.end_s, record.ended_at) - window.start_s
    states = record.states or always_up(record.replicas, record.ended_at)
    up, down = (states.seconds(frozenset({each}), window.start_s, window.end_s) for each in ("up", "down"))
    begun = (states.start_s >= window.start_s) & (states.start_s < window.end_s) & (states.start_s > 0)
    serving = serving_counts(states, window)
    outside = summary.arrived * (1 - summary.attainment) if summary.arrived else 0.0
    return FleetSummary(
        service=record.name,
        fleet=fleet,
        replicas=record.replicas,
        serving_mean=states.seconds(SERVING, window.start_s, window.end_s) / seconds,
        serving_least=int(serving.min(initial=record.replicas)),
        serving_most=int(serving.max(initial=0)),
        paid_mean=sum(paid_replicas(pool, window) for pool in record.pools),
        starts=int((begun & (states.state == "starting")).sum()),
        failures=int((begun & (states.state == "down")).sum()),
        availability=share_of(up, up + down),
        recomputed_tokens=recomputed_tokens(record),
        arrived=summary.arrived,
        attainment=summary.attainment,
        outside=round(outside),
        ttft_p99_s=summary.ttft_p99_s,
        tpm=summary.tpm,
        usd_per_h=usd_per_h,
        usd_per_mtok=usd_per_mtok,
        usd_per_h_outside=usd_per_h * (1 - summary.attainment) if summary.arrived else nan,
    )


def serving_counts(states: StateTable, window: Window) -> NDArray[np.int64]:
    """How many replicas served, in every stretch of time of the window in which that was the same."""
    moments, counts = serving_steps(states)
    until = np.append(moments[1:], np.inf)
    inside = (until > window.start_s) & (moments < window.end_s) & (until > moments)
    return counts[inside]


def serving_steps(states: StateTable, which: frozenset[str] = SERVING) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """From when on how many replicas were in one of these states: moments ascending from 0, and counts.

    >>> names, start_s, end_s = np.array(["up", "down", "up"]), np.array([0.0, 3.0, 0.0]), np.array([3.0, 9.0, 9.0])
    >>> two = StateTable(np.array([0, 0, 1]), names, start_s, end_s)
    >>> [each.tolist() for each in serving_steps(two)]
    [[0.0, 3.0], [2, 1]]
    """
    rows = np.isin(states.state, sorted(which))
    end_s = float(states.end_s.max(initial=0.0))
    ends = states.end_s[rows]
    moments = np.concatenate([[0.0], states.start_s[rows], ends[ends < end_s]])
    change = np.concatenate([[0], np.ones(int(rows.sum()), np.int64), -np.ones(int((ends < end_s).sum()), np.int64)])
    at, first = np.unique(moments, return_inverse=True)
    return at, np.cumsum(np.bincount(first, change)).astype(np.int64)


def recomputed_tokens(record: ServiceRecord) -> float:
    """Prompt tokens that were computed beyond those of the requests that were begun, over the whole run."""
    requests = record.requests
    begun = ~np.isnan(requests.first_scheduled_at) & (requests.status != REJECTED)
    needed = float((requests.prompt_tokens - requests.cached_tokens)[begun].sum())
    return max(0.0, float(record.timeline.columns["prompt_tokens"].sum()) - needed)
