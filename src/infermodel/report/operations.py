"""What whoever runs a fleet asks: headroom, one failure, what the first token waits for, alerts, and engines' flags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite

import numpy as np

from infermodel.deploy import deployment_rows
from infermodel.experiment.result import Capacity, ServiceResult
from infermodel.experiment.run import own_window
from infermodel.metrics.latency import percentile
from infermodel.metrics.summary import Summary
from infermodel.report.findings import Findings
from infermodel.report.grid import Cell, Grid
from infermodel.report.human import NONE, about, number, seconds, share
from infermodel.report.kept import limit, short, value
from infermodel.report.money import busiest_per_mean
from infermodel.scenario.resolved import ResolvedPool

WARNED_AT = 0.8
"""Of the capacity: what is left then is a step of a day's rise, and time to start a replica."""

SIGNALS: Mapping[str, Mapping[str, str]] = {
    "vllm": {
        "ttft": "vllm:time_to_first_token_seconds",
        "tpot": "vllm:request_time_per_output_token_seconds",
        "itl": "vllm:inter_token_latency_seconds",
        "e2e": "vllm:e2e_request_latency_seconds",
        "queue_time": "vllm:request_queue_time_seconds",
        "waiting": "vllm:num_requests_waiting",
        "kv": "vllm:kv_cache_usage_perc",
    },
    "sglang": {
        "ttft": "sglang:time_to_first_token_seconds",
        "tpot": "sglang:request_time_per_output_token_seconds",
        "itl": "sglang:inter_token_latency_seconds",
        "e2e": "sglang:e2e_request_latency_seconds",
        "waiting": "sglang:num_queue_reqs",
        "kv": "sglang:token_usage",
    },
}
"""Names of metrics as vLLM 0.33.0 and SGLang 0.5.23 export them."""

WORTH_WATCHING = 0.5
"""Share of the KV memory below which its use at capacity warns of nothing."""


def operations(findings: Findings) -> list[Grid]:
    """Tables for whoever is called at night; those with nothing to say are left out."""
    tables = [room(findings), first_token(findings), alerts(findings), commands(findings)]
    return [table for table in tables if table.rows]


def room(findings: Findings) -> Grid:
    """Headroom of each service, and what it keeps with one system of each of its pools down."""
    rows: list[list[Cell]] = []
    for each in findings.services:
        capacity = findings.capacities.get(each.summary.service)
        headroom = each.headroom(capacity)
        if not findings.failures and not isfinite(headroom):
            continue
        said: Cell = NONE
        if isfinite(headroom):
            peak = busiest_per_mean(each, findings.result.scenario.duration_s)
            said = (f"{number(headroom)} ×", f"{number(headroom / peak)} × at the busiest step" if peak > 1 else "")
        for name, pool in each.service.named_pools:
            rows.append([name, said, *one_down(pool, findings.failures.get(name))])
    return Grid(
        title="Headroom, and one failure",
        lead="Headroom is capacity over the offered load, mean over the run. The failure is played: the same load with "
        "one system (all those of one replica, where it spans several) down and all others up all the time, without "
        "rules that start and stop replicas.",
        heads=("service", "headroom", "down", "requests/min", "objectives with it down", "within every limit"),
        rows=rows,
        words=frozenset({2, 4}),
    )


def one_down(pool: ResolvedPool, summary: Summary | None) -> list[Cell]:
    """What is kept with one system of a pool down, or why that was not played."""
    if summary is None:
        alone = "all of the pool stops" if pool.name else "everything stops"
        return [alone if pool.groups == 1 else "not played", NONE, NONE, NONE]
    verdicts = "; ".join(
        f"{'keeps' if v.met else 'misses'} {short(v.objective)} ({value(v)} of {limit(v.objective)})"
        for v in summary.verdicts
    )
    grows = "the queue grows" if summary.overloaded else "queue stays bounded"
    return [
        f"{pool.systems_per_replica} of {pool.systems}",
        number(summary.rpm),
        (verdicts, grows),
        share(summary.attainment),
    ]


def first_token(findings: Findings) -> Grid:
    """Parts of the time to the first token: waiting for the scheduler, and reading the prompt."""
    rows: list[list[Cell]] = []
    for each in findings.services:
        requests = each.record.requests
        counted = own_window(each.service, each.record, findings.result.window).holds(requests.arrived_at)
        counted &= np.isfinite(requests.first_token_at)
        if not counted.any():
            continue
        waited = (requests.first_scheduled_at - requests.arrived_at)[counted]
        read = (requests.first_token_at - requests.first_scheduled_at)[counted]
        parts = [seconds(percentile(part, p)) for part in (waited, read, waited + read) for p in (50, 99)]
        rows.append([each.summary.service, *parts, share(float(waited.sum() / (waited + read).sum()))])
    return Grid(
        title="What the first token waits for, at the offered load",
        lead="Queue: from arrival to the first step that works on the request. Prompt: from there to the first token "
        "at the client. Where the queue is most of it more replicas help; where the prompt is, faster ones.",
        heads=("service", "queue, p50", "p99", "prompt, p50", "p99", "TTFT, p50", "p99", "queue's share"),
        rows=rows,
    )


def alerts(findings: Findings) -> Grid:
    """Thresholds that follow from the searched loads: warn near capacity, wake somebody at the promise."""
    rows = [
        [each.summary.service, *alert]
        for each in findings.services
        if (capacity := findings.capacities.get(each.summary.service)) is not None
        for alert in thresholds(each, capacity)
    ]
    return Grid(
        title="Alerts that these runs suggest",
        lead=f"Over five minutes, all replicas together. Warn: at {share(WARNED_AT)} of the capacity, or beyond what "
        "the fleet shows there. Wake: at the capacity, the promise, or what the smallest load shows that breaks one.",
        heads=("service", "signal", "warn above", "wake above"),
        rows=rows,
        words=frozenset({1}),
    )


def thresholds(each: ServiceResult, capacity: Capacity) -> Iterator[list[Cell]]:
    """Signal, when to warn and when to wake somebody."""
    held = capacity.summary
    if held is None:
        return
    names = SIGNALS.get(each.service.decode_pool.engine.name.split("-")[0], {})
    yield ["requests a minute", about(WARNED_AT * held.rpm, 2), about(held.rpm)]
    for verdict in held.verdicts:
        if verdict.objective.metric in ("ttft", "tpot", "itl", "e2e", "queue_time"):
            signal = (short(verdict.objective), names.get(verdict.objective.metric, ""))
            yield [signal, seconds(verdict.value), limit(verdict.objective)]
    beyond = next((point.summary for point in capacity.points if point.load == capacity.high), None)
    waiting = in_queue(held), in_queue(beyond) if beyond is not None else np.nan
    if 0 < waiting[0] < waiting[1]:
        yield [("requests waiting", names.get("waiting", "")), about(waiting[0], 2), about(waiting[1], 2)]
    if held.kv_use_peak >= WORTH_WATCHING:
        yield [("KV memory in use", names.get("kv", "")), share(held.kv_use_mean), share(held.kv_use_peak)]


def in_queue(summary: Summary) -> float:
    """Requests that wait on average, by Little's law; NaN where the time in the queue is withheld."""
    return summary.offered_rpm / 60 * summary.queue_time_mean_s


def commands(findings: Findings) -> Grid:
    """How each engine is started, and how often."""
    found = deployment_rows([each.service for each in findings.services])
    rows: list[list[Cell]] = [
        [row["service"], str(row["replicas"]), (row["command"], "; ".join(row["notes"]))] for row in found
    ]
    return Grid(
        title="How the engines are started",
        lead="One command a replica; deploy.sh and deploy.yaml beside this page hold all that belongs to it.",
        heads=("service", "replicas", "command"),
        rows=rows,
        words=frozenset({2}),
    )
