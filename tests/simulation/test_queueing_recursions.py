"""One replica, or several, against recursions of a few lines on the same draws."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.few_requests import ONE_AT_A_TIME, draws, requests
from tests.kit.toy_models import AffineModel

from infermodel.simulation import Horizon, Limits, ServiceSpec, one_pool, simulate
from infermodel.tables import RequestTable
from infermodel.workload.traffic import TraceTraffic


def run(spec: ServiceSpec, stepping: str = "leap") -> RequestTable:
    return simulate([spec], 1, Horizon(), stepping=stepping)[0].requests


def lindley(arrivals: Sequence[float], services: Sequence[float]) -> list[float]:
    """Waiting times of a single first-come-first-served server (Lindley, 1952)."""
    waits, free_at = [], 0.0
    for arrived, service in zip(arrivals, services, strict=True):
        start = max(arrived, free_at)
        waits.append(start - arrived)
        free_at = start + service
    return waits


def kiefer_wolfowitz(arrivals: Sequence[float], services: Sequence[float], servers: int) -> list[float]:
    """Waiting times of several servers behind one queue (Kiefer and Wolfowitz, 1955)."""
    waits, free_at = [], [0.0] * servers
    heapify(free_at)
    for arrived, service in zip(arrivals, services, strict=True):
        start = max(arrived, heappop(free_at))
        waits.append(start - arrived)
        heappush(free_at, start + service)
    return waits


def service_times(outputs: Sequence[int], step_s: float) -> list[float]:
    """One step prefills the prompt and gives the first token; each further token takes another."""
    return [step_s * tokens for tokens in outputs]


@given(draws)
def test_one_replica_with_batch_one_is_a_queue(drawn: tuple[list[float], list[int], list[int]]) -> None:
    arrivals, prompts, outputs = drawn
    spec = one_pool("one", AffineModel(0.01), TraceTraffic(requests(arrivals, prompts, outputs)), ONE_AT_A_TIME)
    table = run(spec)
    waits = lindley(arrivals, service_times(outputs, 0.01))
    assert table.first_scheduled_at - table.arrived_at == pytest.approx(waits, abs=1e-9)
    assert table.finished_at - table.first_scheduled_at == pytest.approx(service_times(outputs, 0.01), abs=1e-9)


@given(draws, st.integers(2, 4))
def test_replicas_behind_one_queue_are_a_queue_with_several_servers(
    drawn: tuple[list[float], list[int], list[int]], servers: int
) -> None:
    arrivals, prompts, outputs = drawn
    trace = TraceTraffic(requests(arrivals, prompts, outputs))
    spec = one_pool("many", AffineModel(0.01), trace, ONE_AT_A_TIME, replicas=servers, router="shared_queue")
    table = run(spec)
    waits = kiefer_wolfowitz(arrivals, service_times(outputs, 0.01), servers)
    assert table.first_scheduled_at - table.arrived_at == pytest.approx(waits, abs=1e-9)


def batch_recursion(
    arrivals: Sequence[float], prompts: Sequence[int], outputs: Sequence[int], seats: int, budget: int, law: AffineModel
) -> tuple[list[float], list[float]]:
    """First and last token times of continuous batching with chunked prefill, step by step, without KV limits."""
    now, waiting = 0.0, list(range(len(arrivals)))
    prefill: list[list[int]] = []  # [request, done]
    decode: dict[int, int] = {}  # request -> tokens produced
    first, last = [np.nan] * len(arrivals), [np.nan] * len(arrivals)
    while waiting or prefill or decode:
        if not prefill and not decode:
            now = max(now, arrivals[waiting[0]])
        left, chunks = budget - len(decode), []
        while waiting and arrivals[waiting[0]] <= now and len(prefill) + len(decode) < seats:
            if sum(prompts[r] - done for r, done in prefill) >= left:
                break
            prefill.append([waiting.pop(0), 0])
        for item in prefill:
            chunks.append((item, min(left, prompts[item[0]] - item[1])))
            left -= chunks[-1][1]
        now += law.base_s + law.per_sequence_s * len(decode)
        now += law.per_context_s * sum(prompts[r] + produced for r, produced in decode.items())
        now += sum(c * (law.per_prompt_token_s + law.per_prompt_pair_s * item[1]) for item, c in chunks)
        for request in list(decode):
            decode[request] += 1
            last[request] = now
            if decode[request] == outputs[request]:
                del decode[request]
        for item, chunk in chunks:
            item[1] += chunk
            if item[1] == prompts[item[0]]:
                prefill.remove(item)
                first[item[0]] = last[item[0]] = now
                if outputs[item[0]] > 1:
                    decode[item[0]] = 1
    return first, last


@settings(max_examples=150)
@given(draws, st.integers(1, 6), st.integers(6, 80))
def test_continuous_batching_is_the_recursion(
    drawn: tuple[list[float], list[int], list[int]], seats: int, budget: int
) -> None:
    arrivals, prompts, outputs = drawn
    law = AffineModel(0.01, 1e-3, 1e-6, 1e-5, 1e-7)
    spec = one_pool("b", law, TraceTraffic(requests(arrivals, prompts, outputs)), Limits(seats, budget, 10_000))
    first, last = batch_recursion(arrivals, prompts, outputs, seats, budget, law)
    for stepping in ("leap", "every"):
        table = run(spec, stepping)
        assert table.first_token_at == pytest.approx(first, abs=1e-9)
        assert table.last_token_at == pytest.approx(last, abs=1e-9)
