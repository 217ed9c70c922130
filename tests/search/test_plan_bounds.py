"""Bounds of a plan: each against a hand-worked number, a schedule that exists, or the run itself."""

from __future__ import annotations

from dataclasses import replace
from heapq import heapreplace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.search.search_cases import one_server

from infermodel.cost.least_step import LeastStep
from infermodel.experiment.run import replicate
from infermodel.metrics.objectives import objective
from infermodel.scenario import load, resolve
from infermodel.search.demand import Demand, drawn, promises
from infermodel.search.plan_bounds import (
    Charge,
    contexts,
    decode_charge,
    facts_of,
    fewest_replicas,
    least_servers,
    out_of_reach,
    work_s,
)
from infermodel.simulation.handover import Role

TENTH = LeastStep(fixed_s=lambda n, m: 0.1 if n else 0.001 * m, token_s={}, pair_s={}, alone_s=lambda context: 0.1)
"""A step that puts a token out takes 0.1 s, however many; a prompt token alone 1 ms."""


def regular(count: int, output: int, *, ends_s: float = np.inf) -> Demand:
    """A request every 0.1 s with a prompt of 11 tokens."""
    ones = np.ones(count)
    return Demand(np.arange(count) * 0.1, 11 * ones, 11 * ones, output * ones, count, ends_s)


@given(
    jobs=st.lists(st.tuples(st.floats(0, 10), st.floats(0.01, 3)), min_size=1, max_size=30),
    servers=st.integers(1, 4),
    late=st.integers(0, 5),
)
@settings(max_examples=300, deadline=None)
def test_what_some_servers_do_needs_no_more(jobs: list[tuple[float, float]], servers: int, late: int) -> None:
    """First come, first served on so many servers: whoever ends on time by that schedule has its end as deadline."""
    free, done = [0.0] * servers, []
    jobs = sorted(jobs)
    for arrived, work in jobs:
        end = max(free[0], arrived) + work
        heapreplace(free, end)
        done.append(end)
    arrived_at, work_s_ = (np.array(column) for column in zip(*jobs, strict=True))
    deadline = np.array(done)
    deadline[:late] = arrived_at[:late] + 1e-3 * work_s_[:late]  # hopeless: these are late
    assert least_servers(arrived_at, deadline, work_s_, late) <= servers * (1 + 1e-9)


def test_one_request_after_another_takes_as_many_servers_as_their_work(tmp_path: Path) -> None:
    (service,) = one_server(tmp_path, 0.1, objectives="{e2e_p50: 1 s}").services  # one request at a time
    fact = facts_of(service.pool, TENTH, shares_memory=False)
    # 100 requests of 20 tokens at 0.1 s each ask for 2 s each. Half may be late: 100 s are left of 200 s. The last
    # arrives at 9.9 s and is due 1 s later, so that 10.9 s are there: 9.17 servers.
    assert fewest_replicas(service, service.pool, (fact,), [regular(100, 20)]) == 10
    # 5 tokens: 25 s in the same time are 2.3 servers.
    assert fewest_replicas(service, service.pool, (fact,), [regular(100, 5)]) == 3


def test_a_pool_is_charged_with_its_part_of_a_request(tmp_path: Path) -> None:
    (service,) = one_server(tmp_path, 0.1, objectives="{e2e_p50: 1 s}").services
    law = replace(TENTH, fixed_s=lambda n, m: 0.1 if n else 0.1 * m)
    fact = facts_of(service.pool, law, shares_memory=False)

    def fewest(role: Role) -> int:
        return fewest_replicas(service, replace(service.pool, role=role), (fact,), [regular(100, 20)])

    # As above, 50 requests in 10.9 s. The 19 tokens after the first: 95 s, 8.7 servers. Prompts, whose last token
    # comes with the first of the answer: 10 tokens of 0.1 s, 50 s, 4.6 servers, of which cells may lose a sixth.
    assert (fewest("decode"), fewest("prefill")) == (9, 4)


def test_the_end_of_the_run_is_a_deadline_for_everybody(tmp_path: Path) -> None:
    (service,) = one_server(tmp_path, 0.1, objectives="{queue_time_p50: 1 s}").services
    fact = facts_of(service.pool, TENTH, shares_memory=False)
    # 200 s of work by 40 s, nobody may be left: 5 servers.
    assert fewest_replicas(service, service.pool, (fact,), [regular(100, 20, ends_s=40.0)]) == 5


def test_a_limit_on_tpot_keeps_steps_from_being_shared(tmp_path: Path) -> None:
    (service,) = one_server(tmp_path, 0.1, objectives="{tpot_p99: 1 s}").services
    service = service.with_pool(limits=replace(service.pool.limits, max_sequences=64))
    linear = LeastStep(lambda n, m: 0.01 + 0.001 * n if n else 0.0, {}, {}, lambda context: 0.01)
    fact = facts_of(service.pool, linear, shares_memory=False)
    # 64 in a step of 0.074 s: 1.16 ms a token. Steps of 0.02 s on average hold 10: 2 ms a token; cells of steps may
    # lose the 8 % between their ends.
    assert decode_charge(fact, 1.0).token_s == pytest.approx(0.074 / 64, rel=0.08)
    assert 0.9 * 0.002 <= decode_charge(fact, 0.02).token_s <= 0.002 * (1 + 1e-9)
    # What is charged is below what any constant batch that keeps the limit takes, n <= 10.
    assert all(decode_charge(fact, 0.02).token_s <= (0.01 + 0.001 * n) / n * (1 + 1e-9) for n in range(1, 11))


@given(first=st.integers(1, 50), count=st.integers(0, 60), window=st.integers(1, 80))
def test_contexts_add_up(first: int, count: int, window: int) -> None:
    found = contexts(np.array([float(first)]), np.array([float(count)]), window)
    assert found[0] == sum(min(first + k, window) for k in range(count))


def test_work_is_charged_by_token() -> None:
    law = LeastStep(lambda n, m: 1.0, {None: 0.5}, {None: 0.25}, lambda context: 1.0)
    demand = Demand(*(np.array([each]) for each in (0.0, 3.0, 3.0, 2.0)), 1, np.inf)
    # Tokens with contexts 3 and 4 put out: 2 x 10 + 0.5 x 7; prompt tokens 1 and 2 besides: 2 x 1 + 0.25 x (1 + 2).
    assert work_s(Charge(law, 10.0, 1.0), demand).tolist() == [20 + 3.5 + 2 + 0.75]
    # After the first token alone: one with context 4.
    assert work_s(Charge(law, 10.0, 0.0, decoding=True), demand).tolist() == [10 + 2.0]
    # For the first token: its own context, and the prompt.
    assert work_s(Charge(law, 0.0, 1.0), demand).tolist() == [1.5 + 2 + 0.75]


def test_objectives_become_limits_of_requests() -> None:
    found = {
        each.name: (each.metric, each.limit_s, round(each.share, 9))
        for each in promises(
            [
                objective("ttft_p99", 1.0),
                objective("output_speed_p10", 20.0),
                objective("attainment", 0.95),
                objective("queue_time_p99", 1.0),
            ]
        )
    }
    # One of 20 may miss any limit, and one of 100 the first.
    assert found == {"ttft_p99": ("ttft", 1.0, 0.01), "output_speed_p10": ("tpot", 0.05, 0.05)}
    # Of numbers with a mean of at most 1, fewer than a quarter are above 4.
    assert ("e2e", 4.0, 0.25) in [
        (each.metric, each.limit_s, each.share) for each in promises([objective("e2e_mean", 1.0)])
    ]


def test_what_is_too_slow_alone_is_out_of_reach(tmp_path: Path) -> None:
    (service,) = one_server(tmp_path, 0.1, objectives="{tpot_p90: 90 ms}").services
    fact = facts_of(service.pool, TENTH, shares_memory=False)
    assert out_of_reach(service, [(fact,)], [regular(100, 20)]).startswith("tpot_p90: 100 of 100")
    assert out_of_reach(service, [(fact,)], [regular(100, 1)]) == ""  # one token each: nobody waits between two
    assert out_of_reach(service, [()], [regular(100, 20)]) == ""


RUN = """\
title: t
{horizon}
traffic:
  arrivals: {arrivals}
  prompt_tokens: {{kind: lognormal, mean: 300, cv: 0.6}}
  output_tokens: {{kind: lognormal, mean: 100, cv: 0.6}}
objectives: {{ttft_p90: 1 s}}
services: [{{name: S, model: llama-3.1-8b, fleet: {{system: dgx-h100}}}}]
"""


@pytest.mark.parametrize(
    ("horizon", "arrivals"),
    [
        ("duration: 30 s\nwarm_up: 6 s", "{kind: poisson, rate: 1200 /min}"),
        ("requests: 500\nwarm_up: 2 s", "{kind: gamma, rate: 900 /min, cv: 3}"),
        ("duration: 60 s\nwarm_up: 0 s", "{kind: profile, rates: [[0 s, 60 /min], [30 s, 1200 /min]]}"),
    ],
)
def test_the_requests_drawn_are_those_of_the_run(tmp_path: Path, horizon: str, arrivals: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(RUN.format(horizon=horizon, arrivals=arrivals))
    scenario = resolve(load(path))
    for number in (0, 1):
        demand = drawn(scenario, number)
        assert demand is not None
        ran = replicate(scenario, "leap", number)
        (summary,) = ran.summaries
        assert 0.8 * summary.arrived <= len(demand.arrived_at) <= summary.arrived <= demand.most
        assert demand.arrived_at.min() >= summary.window_start_s
        assert demand.arrived_at.max() < summary.window_end_s
        if number:
            continue
        (record,) = ran.records
        assert record.ended_at <= demand.ends_s
        first = int(np.searchsorted(record.requests.arrived_at, demand.arrived_at[0]))
        where = slice(first, first + len(demand.arrived_at))
        assert (record.requests.arrived_at[where] == demand.arrived_at).all()
        assert (record.requests.prompt_tokens[where] == demand.prompt).all()
        assert (record.requests.output_tokens[where] == demand.output).all()


def test_where_the_fleet_decides_who_is_measured_nothing_is_known(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(RUN.format(horizon="duration: 30 s", arrivals="{kind: poisson, rate: 1200 /min}"))
    assert drawn(resolve(load(path)), 0) is None  # MSER-5 looks for the warm-up
    path.write_text(RUN.format(horizon="duration: 30 s\nwarm_up: 6 s", arrivals="{kind: closed, users: 10}"))
    assert drawn(resolve(load(path)), 0) is None
