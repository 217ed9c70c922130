"""Capacities that queueing theory knows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from tests.search.search_cases import ConstantModel, one_server

from infermodel.cost.block_pool import KvMemory
from infermodel.cost.step import Batch, StepCost
from infermodel.experiment.result import Capacity
from infermodel.scenario import ResolvedScenario, load, resolve
from infermodel.scenario.resolved import ResolvedService
from infermodel.search.capacity import (
    _Search,
    as_calls,
    find_capacities,
    find_capacity,
    load_of,
    note_on,
    own_run,
)
from infermodel.search.estimate import rate_guess, rate_of_calls
from infermodel.search.probe import (
    COARSE,
    DEEP,
    Effort,
    burstiness,
    held,
    judge,
    requests_needed,
    to_fill_caches,
    to_tell_apart,
)
from infermodel.simulation import Outage
from infermodel.workload.arrivals import Constant, Poisson
from infermodel.workload.lengths import Fixed
from infermodel.workload.quotas import RateLimits, Tenant
from infermodel.workload.sessions import BestOf, Chain, SessionTraffic
from infermodel.workload.traffic import ThinkTime

LONG = Effort(replications=8, beyond=20, turnovers=10, fewest=1500)
SHORT = replace(COARSE, fewest=400)


def capacity_of(scenario: ResolvedScenario, width: float, effort: Effort = LONG) -> Capacity:
    return find_capacity(scenario, scenario.services[0], width=width, effort=effort)


def test_constant_service_times_are_an_m_d_1_queue(tmp_path: Path) -> None:
    # Pollaczek-Khinchine at S = 5 steps of 0.2 s = 1 s: W = r / (2 (1 - r)) = 0.5 s at r = 0.5.
    output = "{kind: fixed, tokens: 5}"
    found = capacity_of(one_server(tmp_path, 0.2, objectives="{queue_time_mean: 0.5 s}", output=output), 0.05)
    assert found.low <= 0.5 <= found.high
    assert found.high / found.low < 1.25  # replications that cannot decide may widen it, not more than their noise
    assert found.binding_objective == "queue_time_mean"
    # What a sustained rate delivers is that rate, one token in and five out, whatever its windows happened to count.
    assert found.summary is not None
    assert found.summary.rpm == pytest.approx(60 * found.low, rel=1e-12)
    assert (found.summary.itpm, found.summary.otpm) == pytest.approx((60 * found.low, 300 * found.low), rel=1e-12)
    assert found.summary.tpm_per_replica == pytest.approx(360 * found.low, rel=1e-12)


@pytest.mark.slow
def test_nearly_exponential_service_times_are_an_m_g_1_queue(tmp_path: Path) -> None:
    tokens = np.arange(1, 161)
    weights = 0.95 ** (tokens - 1)
    output = f"{{kind: table, tokens: {tokens.tolist()}, weights: {np.round(weights, 9).tolist()}}}"
    found = capacity_of(one_server(tmp_path, 0.05, objectives="{queue_time_mean: 1 s}", output=output), 0.05)
    share, seconds = weights / weights.sum(), 0.05 * tokens
    first, second = float(share @ seconds), float(share @ seconds**2)
    # W = rate E[S^2] / (2 (1 - rate E[S])) = 1 s, solved for the rate; M/M/1 with E[S] = 1 s would give 0.5.
    expected = 2 / (second + 2 * first)
    assert expected == pytest.approx(0.5, rel=0.03)
    assert found.low <= expected <= found.high
    assert found.high / found.low < 1.35


def test_a_deterministic_pipeline_holds_one_over_its_slot(tmp_path: Path) -> None:
    arrivals = "{kind: constant, rate: 1 /s}"
    scenario = one_server(tmp_path, 0.01, objectives="{queue_time_p99: 1 ns}", arrivals=arrivals)
    found = capacity_of(scenario, 1e-6, COARSE)
    # At 100 /s x (1 + e) request k waits k x e x 10 ms: within 1 ns only up to e = 1e-9 or so.
    assert found.low <= 100 * (1 + 1e-9)
    assert found.high >= 100 * (1 - 1e-9)
    assert found.high <= found.low * (1 + 1e-6)


def test_without_a_limit_on_waiting_the_queue_decides(tmp_path: Path) -> None:
    # Objective out of reach of any wait: only growth stops the search. One step of 0.01 s a request: 100 /s.
    scenario = one_server(tmp_path, 0.01, objectives="{e2e_p50: 1000 s}")
    found = capacity_of(scenario, 0.1, replace(LONG, replications=4))
    assert 90 <= found.low <= 110
    assert found.binding_objective == "the queue grows"


def test_closed_loops_count_users(tmp_path: Path) -> None:
    # One at a time, 10 tokens of 0.1 s: with n users without pause each waits for n - 1 others, n - 1 seconds.
    arrivals = "{kind: closed, users: 1}"
    output = "{kind: fixed, tokens: 10}"
    scenario = one_server(tmp_path, 0.1, objectives="{queue_time_p50: 4.5 s}", arrivals=arrivals, output=output)
    found = capacity_of(scenario, 0.02, COARSE)
    assert (found.unit, found.low, found.high) == ("users", 5.0, 6.0)


@pytest.mark.slow
def test_users_who_start_together_do_not_decide_a_capacity(tmp_path: Path) -> None:
    # Steps of 0.1 s, answers of 10 tokens, three seats, users who pause for 9 s: three of ten seconds are work, so
    # thirty users would fill all three seats. All at once, the last of thirty waits for nine before it, 9 s.
    arrivals = "{kind: closed, users: 12, think_time: 9 s, start: spread}"
    output = "{kind: fixed, tokens: 10}"
    scenario = one_server(tmp_path, 0.1, objectives="{queue_time_p99: 1.05 s}", arrivals=arrivals, output=output)
    service = scenario.services[0].with_pool(limits=replace(scenario.services[0].pool.limits, max_sequences=3))
    spread = find_capacity(scenario, service, width=0.1)
    assert 20 <= spread.low <= spread.high <= 34
    point = next(each for each in spread.points if each.sustained)
    assert point.summary.window_start_s > 9  # the users have come, and a fifth of the requests is cut


def test_the_warm_up_is_cut_in_loops_too(tmp_path: Path) -> None:
    arrivals = "{kind: closed, users: 5}"
    scenario = one_server(tmp_path, 0.1, objectives="{queue_time_p50: 4.5 s}", arrivals=arrivals)
    asked = replace(scenario, warm_up_s=1000.0)
    without, with_it = (judge(each, each.services[0], 5.0, COARSE) for each in (scenario, asked))
    # 1,600 requests of 0.1 s are measured after 400: from 40 s on; or from the 1,000 s that were asked for.
    assert without.summary.window_start_s == pytest.approx(40, abs=5)
    assert with_it.summary.window_start_s == pytest.approx(1000, abs=5)
    assert with_it.summary.arrived == pytest.approx(without.summary.arrived + 400, rel=0.02)
    # One answer in 0.1 s, whoever asks: 600 a minute, five users over a cycle of 0.5 s.
    assert [each.summary.rpm for each in (without, with_it)] == pytest.approx([600, 600])


def test_an_offered_load_that_keeps_its_objectives_never_lies_above_the_bracket(tmp_path: Path) -> None:
    # An M/D/1 queue of 10 ms keeps a mean wait of 10 ms up to 66.7 a second; a search that had bad luck at 40
    # believes the scenario's own run at 50, and looks on from there.
    scenario = one_server(
        tmp_path, 0.01, objectives="{queue_time_mean: 10 ms}", arrivals="{kind: poisson, rate: 50 /s}"
    )
    own = own_run(replace(scenario, requests=2000), scenario.services[0], 50.0)
    assert own.sustained
    unlucky = replace(own, load=40.0, sustained=False, reason="queue_time_mean")
    search = _Search(lambda load: replace(own, load=load, sustained=load < 66), 1.0, closed=False)
    search.tried[40.0] = unlucky
    search.settle()
    assert search.high == 40.0
    search.believe(own)
    search.bracket(50.0, 1.19)
    search.bisect(0.1)
    assert 50 <= search.low < 66 <= search.high <= search.low * 1.1
    assert "the scenario's own run keeps its objectives at 50 requests/s" in note_on(scenario.services[0], search)
    search.believe(replace(own, load=80.0, sustained=False))  # a run that misses them moves nothing
    assert search.high < 80


def test_the_offered_load_of_a_service(tmp_path: Path) -> None:
    for arrivals, offered in (("{kind: closed, users: 7}", 7.0), ("{kind: poisson, rate: 30 /min}", 0.5)):
        scenario = one_server(tmp_path, 0.1, objectives="{queue_time_p50: 4.5 s}", arrivals=arrivals)
        assert load_of(scenario.services[0]) == offered
    day = "{kind: profile, rates: [[0 h, 1 /s], [1 h, 2 /s]], repeat: 2 h}"
    scenario = one_server(tmp_path, 0.1, objectives="{queue_time_p50: 4.5 s}", arrivals=day)
    assert np.isnan(load_of(scenario.services[0]))


def test_an_objective_that_no_load_meets_is_said_to_be_so(tmp_path: Path) -> None:
    output = "{kind: fixed, tokens: 11}"  # ten gaps of 0.2 s after the first token
    found = capacity_of(one_server(tmp_path, 0.2, objectives="{tpot_p99: 100 ms}", output=output), 0.1, COARSE)
    assert found.low == 0
    assert found.summary is None
    assert "no load meets the objectives" in found.note
    assert "tpot_p99 is 0.2; the limit of 0.1 would have to be at least that" in found.note


def test_replications_that_cannot_decide_end_the_bracket(tmp_path: Path) -> None:
    scenario = one_server(tmp_path, 0.01, objectives="{queue_time_mean: 10 ms}")
    found = capacity_of(scenario, 0.001, Effort(replications=4, beyond=20, turnovers=10, fewest=400))
    assert "replications decide neither way" in found.note
    undecided = [point.load for point in found.points if point.sustained is None]
    assert undecided
    # W = r / (2 (1 - r)) x 10 ms = 10 ms at r = 2/3.
    assert found.low <= 200 / 3 <= found.high


def test_processes_change_nothing(tmp_path: Path) -> None:
    scenario = one_server(tmp_path, 0.01, objectives="{queue_time_mean: 10 ms}")
    effort = Effort(replications=4, beyond=20, turnovers=10, fewest=200)
    # Processes get services by pickling, so the toy model must be importable there: it is, as a top-level module.
    alone = find_capacities(scenario, width=0.2, effort=effort, jobs=1)
    together = find_capacities(scenario, width=0.2, effort=effort, jobs=2)
    assert [(c.low, c.high) for c in alone] == [(c.low, c.high) for c in together]
    waits = [[point.summary.queue_time_p50_s for point in found[0].points] for found in (alone, together)]
    assert waits[0] == waits[1]


def test_a_few_long_answers_are_no_limit_on_the_load(tmp_path: Path) -> None:
    """100 users get 5 to 17 tokens within a second, or, one of fifty, 400 in 20 s: longer than 625 requests take."""
    output = "{kind: table, tokens: [5, 7, 11, 13, 17, 400], weights: [0.2, 0.2, 0.2, 0.2, 0.18, 0.02]}"
    scenario = one_server(
        tmp_path, 0.05, objectives="{tpot_p90: 60 ms}", output=output, arrivals="{kind: closed, users: 100}"
    )
    service = scenario.services[0].with_pool(limits=replace(scenario.services[0].pool.limits, max_sequences=1000))
    found = judge(scenario, service, 100.0, SHORT)
    assert found.summary.window_end_s - found.summary.window_start_s < 10
    assert found.sustained, found.reason


@pytest.mark.slow
def test_questions_of_two_calls_at_once_are_a_queue_with_batch_arrivals(tmp_path: Path) -> None:
    """M[2]/D/1: with X = 2 calls a question and S = 1 s, W = S (r / 2 + E[X (X - 1)] / (2 E[X])) / (1 - r), which is
    (r / 2 + 1 / 2) / (1 - r): 1.5 s at r = 0.5 calls/s, a question every 4 s.
    """
    scenario = one_server(tmp_path, 0.2, objectives="{queue_time_mean: 1.5 s}")
    sessions = SessionTraffic(Poisson(1.0), Fixed(1), BestOf(2, Fixed(5)))
    asked = replace(scenario, services=(replace(scenario.services[0], sessions=sessions),))
    found = capacity_of(asked, 0.05)
    assert found.low <= 0.5 <= found.high
    assert found.high / found.low < 1.35
    assert f"of calls, 2 a question: {30 * found.low:.4g} questions a minute" in found.note


@pytest.mark.slow
def test_calls_that_wait_for_each_other_fill_a_server(tmp_path: Path) -> None:
    """A question every T s, two calls of 1 s one after the other: nobody waits until T is 2 s, one call a second."""
    scenario = one_server(tmp_path, 0.2, objectives="{queue_time_p99: 1 ms}")
    sessions = SessionTraffic(Constant(1.0), Fixed(1), Chain(Fixed(2), Fixed(5)))
    asked = replace(scenario, services=(replace(scenario.services[0], sessions=sessions),))
    found = capacity_of(asked, 0.001, COARSE)
    assert found.low <= 1 + 1e-9
    assert found.high >= 1 - 1e-9
    assert found.high <= found.low * 1.001


def test_a_run_of_questions_is_long_enough_for_their_calls_in_a_row(tmp_path: Path) -> None:
    """While a question of two calls and a tool of 3 s is worked on, a server with a call at a time has two, and at 0.5
    calls a second 1.5 come while the tool works.
    """
    (service,) = one_server(tmp_path, 0.2, objectives="{queue_time_p99: 1 ms}").services
    chain = Chain(Fixed(2), Fixed(5), wait=ThinkTime(3.0))
    asked = replace(service, sessions=SessionTraffic(Constant(1.0), Fixed(1), chain))
    assert held(as_calls(asked), 0.5) == 2 * 1 + 1.5
    assert held(service, 0.5) == 1


CACHED = """
title: prompts that come again
requests: 100
traffic:
  arrivals: {kind: poisson, rate: 1 /s}
  prompt_tokens: {kind: fixed, tokens: 8000}
  output_tokens: {kind: fixed, tokens: 10}
  prefix: {distinct_prompts: 50, order: uniform}
objectives: {ttft_p95: 100 ms}
services:
  - {name: gpus, model: llama-3.1-8b, fleet: {system: dgx-h100, replicas: 2}, prefix_caching: true}
"""


def test_caches_are_full_before_a_light_load_is_judged(tmp_path: Path) -> None:
    """A prompt of 8,000 tokens takes a GPU some 0.3 s, one that was seen 20 ms: only the first of each is late."""
    path = tmp_path / "cached.yaml"
    path.write_text(CACHED)
    scenario = resolve(load(path))
    (service,) = scenario.services
    assert to_fill_caches(service) == 4 * 2 * 50
    assert to_fill_caches(service.with_pool(limits=replace(service.pool.limits, prefix_caching=False))) == 0
    for rate in (0.01, 10.0):
        found = judge(scenario, service, rate, SHORT)
        assert found.sustained, found.reason
        assert found.summary.ttft_p50_s < 0.05
    cold = judge(scenario, service.with_pool(limits=replace(service.pool.limits, prefix_caching=False)), 0.01, SHORT)
    assert not cold.sustained
    assert cold.summary.ttft_p50_s > 0.2


def test_what_the_search_leaves_out_is_said(tmp_path: Path) -> None:
    scenario = one_server(tmp_path, 0.01, objectives="{queue_time_mean: 10 ms}")
    down = scenario.services[0].with_pool(outages=(Outage(0, 1.0, 1.0),))
    service = replace(down, rate_limits=RateLimits((Tenant("free"),), backs_off=True))
    found = find_capacity(scenario, service, width=1)
    assert found.note == "with every system up: outages are left out; whatever keys may send: rate limits are left out"


@pytest.mark.parametrize(
    ("arrivals", "times"),
    [
        ("{kind: poisson, rate: 1 /s}", 1.0),
        ("{kind: constant, rate: 1 /s}", 1.0),
        ("{kind: gamma, rate: 1 /s, cv: 3}", 5.0),
        ("{kind: gamma, rate: 1 /s, cv: 0.5}", 1.0),
        ("{kind: profile, rates: [[0 s, 1 /s]], cv: 2}", 2.5),
        ("{kind: closed, users: 3}", 1.0),
    ],
)
def test_bursts_take_longer_runs(tmp_path: Path, arrivals: str, times: float) -> None:
    (service,) = one_server(tmp_path, 0.01, objectives="{queue_time_p90: 1 s}", arrivals=arrivals).services
    assert burstiness(service) == times
    assert requests_needed(service, 3.0, COARSE) == 2000 * times


@dataclass(frozen=True)
class ScarceModel(ConstantModel):
    """Room for four answers of 100 tokens."""

    @property
    def kv_memory(self) -> KvMemory:
        return KvMemory(16 * 4 * 7, 16, 1.0, 0.0)


@pytest.mark.parametrize(
    ("promise", "most", "measured"),
    [
        ("ttft_p95: 2.5 s", 1, 16_000),
        ("ttft_p95: 2.5 s", 3, 4_000),
        ("ttft_p95: 4 s", 1, 4_000),
        ("ttft_p95: 60 s", 1, 1_600),
        ("tpot_p95: 12 ms", 1, 1_600),
        ("ttft_p95: 2 s, attainment: 0.95", 1, 16_000),
    ],
)
def test_lines_for_memory_take_longer_runs(tmp_path: Path, promise: str, most: int, measured: int) -> None:
    """Four at a time, a second each, at 3.4 a second: some wait for memory, one of twenty two seconds. Where a limit
    on waits is near that and one run decides, the window holds 16,000 requests; with replications, or where the limit
    is not so near, 4,000; where it is far, 1,600.
    """
    effort = replace(COARSE, replications=most)
    asked = one_server(tmp_path, 0.01, objectives=f"{{{promise}}}", output="{kind: fixed, tokens: 100}")
    (service,) = asked.services
    limits = replace(service.pool.limits, max_sequences=64, max_batched_tokens=512, reserves_output=True)
    service = service.with_pool(step_model=ScarceModel(0.01), limits=limits)
    summary = judge(replace(asked, services=(service,)), service, 3.4, effort).summary
    assert summary.short_of_blocks_share > 0.05
    assert summary.arrived == pytest.approx(most * measured, rel=0.05)


def test_narrow_brackets_take_longer_runs() -> None:
    """A queue that grows by 5 % of 3,600 arrivals keeps 180; their count has a standard deviation of 60."""
    assert to_tell_apart(COARSE, 0.05).fewest == 3600
    assert to_tell_apart(COARSE, 0.2).fewest == COARSE.fewest == 1600
    assert to_tell_apart(COARSE, 1e-6).fewest == 3600
    assert to_tell_apart(DEEP, 0.02) == DEEP


def test_a_time_limit_ends_a_search_with_its_bracket_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = one_server(tmp_path, 0.1, objectives="{queue_time_mean: 100 ms}")
    (service,) = scenario.services
    at_once = find_capacity(scenario, service, width=0.02, effort=SHORT, until=0.0)
    assert len(at_once.points) == 1  # one load is looked at whatever the time
    assert at_once.note.startswith("the time limit came first: the bracket so far")
    clock = iter(range(100))  # a second each time that it is looked at
    monkeypatch.setattr("infermodel.search.capacity.monotonic", lambda: float(next(clock)))
    soon = find_capacity(scenario, service, width=0.001, effort=SHORT, until=3.0)
    assert 1 < len(soon.points) <= 4
    whole = find_capacity(scenario, service, width=0.5, effort=SHORT)
    assert "the time limit came first" not in whole.note


@dataclass(frozen=True)
class ReadingModel(ConstantModel):
    """0.2 s a step and 0.4 s for each prompt token; room for 448 tokens."""

    @property
    def kv_memory(self) -> KvMemory:
        return KvMemory(448, 16, 1.0, 0.0)

    def step(self, batch: Batch) -> StepCost:
        step_s = self.step_s + 0.4 * sum(chunk.new for chunk in batch.chunks)
        return StepCost(step_s, step_s, 1.0, 1.0, "memory")


def test_a_guess_of_calls_with_pauses_leaves_room_for_what_was_said(tmp_path: Path) -> None:
    """Two calls of a question, of 1 and 6 tokens and with answers of 5, 4 and 5 on average, so that memory holds
    448 / 9 calls, one of them runs. With a pause of 100 s that is (448 / 9 - 1) / 100 calls/s, between the 1 / 2.8 s of
    calls that find nothing and the 1 / 1.6 s of those that find three of four tokens.
    """
    (service,) = one_server(tmp_path, 0.2, objectives="{queue_time_p99: 1 ms}").services
    model = ReadingModel(0.2)

    def asked(pause_s: float) -> ResolvedService:
        chain = Chain(Fixed(2), Fixed(5), wait=ThinkTime(pause_s))
        sessions = SessionTraffic(Constant(1.0), Fixed(1), chain)
        limits = replace(service.pool.limits, prefix_caching=True)
        return as_calls(replace(service.with_pool(step_model=model, limits=limits), sessions=sessions))

    assert rate_of_calls(asked(0.0)) == rate_guess(asked(0.0)) == pytest.approx(1 / 1.6)
    assert rate_of_calls(asked(100.0)) == pytest.approx((448 / 9 - 1) / 100, rel=0.011)
    assert rate_of_calls(asked(1e4)) == pytest.approx(1 / 2.8)
