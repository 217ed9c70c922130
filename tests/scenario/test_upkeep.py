"""Scenarios whose systems fail or whose replicas start and stop: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.scenario_files import refused, resolved

from infermodel import api
from infermodel.simulation.lifetimes import DrawnTime, FailureSpec
from infermodel.simulation.scaling import ScalingSpec

BASE = """
title: T
duration: 60 s
warm_up: 0 s
capacity: false
traffic:
  arrivals: {kind: profile, rates: [[0 s, 2 /s], [20 s, 16 /s], [45 s, 1 /s]], repeat: 60 s}
  prompt_tokens: {kind: fixed, tokens: 500}
  output_tokens: {kind: fixed, tokens: 100}
objectives: {ttft_p95: 500 ms}
services:
  - name: A
    model: llama-3.1-8b
    fleet: {system: dgx-h100, systems: 2, tensor_parallel: 4}
    price: {rental: 2 USD/h}
    limits: {max_context: 4096}
"""
FAILURES = "services.0.failures={mtbf: 100 day, mttr: 4 h}"
SCALING = "services.0.autoscaling={min: 1, measure: in_flight, target: 2, start_up: {image: 5 s, weights: 4 GB/s}}"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("upkeep") / "base.yaml"
    path.write_text(BASE)
    return path


def test_what_is_said_is_played(file: Path) -> None:
    (service,) = resolved(file, FAILURES, "services.0.failures.spares=1", SCALING).services
    pool = service.pool
    assert (pool.systems, pool.groups, pool.replicas, pool.fixed) == (2, 1, 2, (2,))
    assert pool.failures == FailureSpec(
        DrawnTime(8640000.0), DrawnTime(14400.0), spares=1, take_over=DrawnTime(300.0, "fixed")
    )
    start_up_s = 5 + pool.step_model.kv_memory.weights_bytes / 4e9
    assert start_up_s == pytest.approx(5 + 16.06e9 / 4e9, rel=0.01)  # 8.03 billion parameters of two bytes
    assert pool.scaling == ScalingSpec(1, 2, "in_flight", 2.0, start_up=DrawnTime(start_up_s, "fixed"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["services.0.failures={mttr: 4 h}"], "the key 'mtbf' is missing"),
        (["services.0.failures={mtbf: 1 s, mttr: 4 h}"], "mtbf: must be at least 60 s, not 1 s"),
        ([FAILURES, "services.0.failures.mttr=0 s"], "mttr: must be more than 0 s, not 0 s"),
        ([FAILURES, "services.0.failures.law=weibull"], "failures.law: the key 'shape' is missing"),
        ([FAILURES, "services.0.failures.shape=2"], "failures.shape: the law 'exponential' has no shape"),
        ([FAILURES, "services.0.failures.take_over=5 min"], "failures.take_over: there is no spare that could"),
        (
            [FAILURES, "services.0.failures.rack={mtbf: 1 day, mttr: 1 h}"],
            "failures.rack: the key 'systems' is missing",
        ),
        (
            [FAILURES, "services.0.failures.rack={systems: 0, mtbf: 1 day, mttr: 1 h}"],
            "failures.rack.systems: must be at least 1, not 0",
        ),
        (
            [FAILURES, "services.0.failures.rack={systems: 2, mtbf: 1 s, mttr: 1 h}"],
            "failures.rack.mtbf: must be at least 60 s, not 1 s",
        ),
        (
            [FAILURES, "services.0.failures.rack={systems: 2, mtbf: 1 day, mttr: 1 h, law: weibull}"],
            "failures.rack.law: no law named 'weibull'",
        ),
        (
            [
                FAILURES,
                "services.0.failures.rack={systems: 3, mtbf: 1 day, mttr: 1 h}",
                "services.0.fleet={system: dgx-h100, systems: 4, tensor_parallel: 8, pipeline_parallel: 2}",
            ],
            "failures.rack.systems: a replica spans 2 systems, so a rack holds a multiple of them; write systems: 4",
        ),
        ([FAILURES, "services.0.failures.spares=2"], "failures.spares: all of the fleet's 2 systems would stand by"),
        ([SCALING, "services.0.autoscaling.min=5"], "autoscaling.min: 5 replicas are more than the 4 that"),
        (
            [
                SCALING,
                "services.0.autoscaling.max=3",
                "services.0.autoscaling.fixed=[1]",
                "services.0.autoscaling.schedule=[[1 h, 4]]",
            ],
            "autoscaling.schedule: 4 replicas are more than the 3 that max says; at most 3, or a larger max",
        ),
        ([SCALING, "services.0.autoscaling.max=9"], "autoscaling.max: 9 replicas are more than the 4 that the fleet"),
        ([SCALING, "services.0.autoscaling.fixed=[3, 7]"], "autoscaling.fixed: 7 replicas are more than the 4 that"),
        (
            [SCALING, "services.0.autoscaling={min: 3, max: 2, measure: queue, target: 2, start_up: {}}"],
            "at most 'max'",
        ),
        ([SCALING, "services.0.autoscaling.measure=cpu"], "autoscaling.measure: no measure named 'cpu'"),
        (
            ["services.0.autoscaling={min: 0, measure: utilisation, target: 60 %, start_up: {}}"],
            "autoscaling.min: with no replica there is no 'utilisation' to look at",
        ),
        (
            ["services.0.autoscaling={min: 1, measure: kv_use, target: 60, start_up: {}}"],
            "autoscaling.target: is a share of a replica, at most 1, not 60",
        ),
        ([SCALING, "services.0.autoscaling.schedule=[[8 h, 2], [6 h, 1]]"], "is not later than the time above it"),
        (
            [SCALING, "services.0.autoscaling.schedule=[[8 h, 9]]"],
            "autoscaling.schedule: 9 replicas are more than the 4",
        ),
        ([SCALING, "services.0.autoscaling.schedule=[[30 h, 2]]"], "autoscaling.repeat: must be later than"),
        (["services.0.autoscaling={min: 1, measure: queue, target: 2}"], "the key 'start_up' is missing"),
        (["services.0.signals_every=0 s"], "services.0.signals_every: must be more than 0 s, not 0 s"),
        (["services.0.router=sticky"], "services.0.router: no router named 'sticky'; write 'session_affinity'"),
        (["services.0.outages=[{system: 0, at: 1 s, duration: 5 s}]"], "'duration' here; write 'for'"),
        (["services.0.failures={rate: 0.1 /day, mttr: 4 h}"], "no key named 'rate' here; write 'mtbf'"),
    ],
)
def test_what_makes_no_sense_is_refused(file: Path, changes: list[str], said: str) -> None:
    (line,) = refused(file, *changes)
    assert said in line


@pytest.fixture(scope="module")
def played(file: Path) -> api.RunAnswer:
    more = ("cooldown=5 s", "interval=1 s", "fixed=[4, 1]")
    return api.run(api.load(file, set=[SCALING, *(f"services.0.autoscaling.{each}" for each in more)]))


def test_a_fleet_that_scales_stands_beside_fixed_ones(played: api.RunAnswer) -> None:
    scaled, four, one = played.result.services[0].fleets
    assert [each.fleet for each in (scaled, four, one)] == ["scaled", "fixed", "fixed"]
    assert one.serving_mean == pytest.approx(1)
    assert four.paid_mean == pytest.approx(4)
    assert 1 <= scaled.serving_least < scaled.serving_mean < scaled.paid_mean < 4
    assert [each.usd_per_h for each in (four, one)] == [4 * 4 * 2, 4 * 2]  # replicas x GPUs x 2 USD/h
    assert scaled.usd_per_h == pytest.approx(scaled.paid_mean * 4 * 2)
    assert scaled.starts >= 1
    assert {each.arrived for each in (scaled, four, one)} == {scaled.arrived}


def test_states_are_a_table_and_a_picture(played: api.RunAnswer) -> None:
    states = played.table("states")
    assert states.groupby("replica")["end_s"].max().nunique() == 1
    paid_s = states[states["state"] != "off"].eval("end_s - start_s").sum()
    assert paid_s == pytest.approx(played.result.services[0].fleets[0].paid_mean * states["end_s"].max())
    assert "replicas" in played.figures()
    assert "Fleets that fail or scale" in played.answer


def test_other_fleets_have_no_such_tables(file: Path) -> None:
    plain = api.run(api.load(file, set=["duration=5 s"]))
    assert not {"fleets", "states"} & set(plain.rows)


APART = (
    "services.0.fleet={pools: [{name: r, role: prefill, system: dgx-h100, tensor_parallel: 4},"
    " {name: w, role: decode, system: dgx-h100, systems: 2, tensor_parallel: 4}]}"
)


def test_pools_fail_and_scale_as_they_say_or_as_their_service_does(file: Path) -> None:
    own = (
        "services.0.fleet.pools.1.failures={mtbf: 50 day, mttr: 1 h, spares: 1}",
        "services.0.fleet.pools.1.autoscaling={min: 2, measure: queue, target: 1, start_up: {}}",
    )
    (service,) = resolved(file, APART, FAILURES, SCALING, *own).services
    reads, writes = service.pools
    assert reads.failures == FailureSpec(DrawnTime(8640000.0), DrawnTime(14400.0))
    assert (writes.failures and writes.failures.lasts.mean_s, writes.replicas) == (4320000.0, 2)
    assert [
        pool.scaling and (pool.scaling.measure, pool.scaling.least, pool.scaling.most) for pool in (reads, writes)
    ] == [
        ("in_flight", 1, 2),
        ("queue", 2, 2),
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["services.0.fleet.pools.0.failures={mtbf: 1 day}"], "pools.0.failures: the key 'mttr' is missing"),
        (
            [FAILURES, "services.0.failures.spares=1"],
            "services.0.failures.spares: all of the fleet's 1 systems would stand by",
        ),
        (
            ["services.0.fleet.pools.1.failures={mtbf: 1 day, mttr: 1 h, spares: 2}"],
            "services.0.fleet.pools.1.failures.spares: all of the fleet's 2 systems would stand by",
        ),
        (
            [SCALING, "services.0.autoscaling.min=3"],
            "services.0.autoscaling.min: 3 replicas are more than the 2 that",
        ),
        (
            [SCALING, "services.0.autoscaling.fixed=[1, 2, 3]", "services.0.fleet.pools.0.systems=2",
             "services.0.fleet.pools.1.systems=4", "services.0.fleet.pools.1.autoscaling={min: 1, measure: queue,"
             " target: 2, start_up: {}, fixed: [1, 2, 3, 4, 5, 6, 7]}"],
            "services.0.fleet.pools: 'fixed' of r, w makes 21 fleets, at most 20: each is a run; fewer numbers in each",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_of_pools_is_refused(file: Path, changes: list[str], said: str) -> None:
    (line,) = refused(file, APART, *changes)
    assert said in line


def test_pools_that_fail_and_scale_are_reported_together(file: Path) -> None:
    wave = (
        "services.0.fleet.pools.0.failures={mtbf: 1 min, mttr: 5 s, law: fixed, repair_law: fixed}",
        "services.0.fleet.pools.0.autoscaling={min: 2, measure: queue, target: 9, start_up: {}, fixed: 2}",
        "services.0.fleet.pools.1.autoscaling={min: 1, measure: in_flight, target: 8, interval: 1 s, cooldown: 5 s,"
        " start_up: {image: 1 s}, fixed: [4, 1]}",
    )
    answer = api.run(api.load(file, set=[APART, "duration=70 s", *wave]))
    scaled, four, one = answer.result.services[0].fleets
    assert [each.replicas for each in (scaled, four, one)] == [6, 6, 3]  # two of them read
    assert [each.failures for each in (scaled, four, one)] == [2, 2, 2]
    assert scaled.starts >= 1
    assert one.usd_per_h == 3 * 4 * 2
    assert scaled.usd_per_h == pytest.approx(scaled.paid_mean * 4 * 2)
    states = answer.table("states")
    assert sorted(set(states["replica"])) == [0, 1, 2, 3, 4, 5]
    assert set(states[states["state"] == "down"]["replica"]) == {0, 1}
    assert set(states[states["state"] == "starting"]["replica"]) <= {2, 3, 4, 5}
    assert "replicas" in answer.figures()


TENANTS = "services.0.rate_limits={tenants: [{name: a, priority: 0}, {name: b, priority: 1}]}"

BEGIN = "traffic.prefix={system_prompts: 1, tokens: 1000}"

USERS = "traffic.arrivals={kind: closed, users: 8}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["services.0.outages=[{system: 0, at: 59 s, for: 5 min}]"], []),
        (
            ["services.0.outages=[{system: 0, at: 60 s, for: 5 min}]"],
            ["A: an outage never happens: it is from 60 s, though requests come until 60 s alone"],
        ),
        ([TENANTS], ["A: tenants' priority changes nothing: write queue: priority (or fair) in the service"]),
        ([TENANTS, "services.0.queue=priority"], []),
        ([TENANTS.replace("priority: 1", "priority: 0")], []),
        (
            ["services.0.signals_every=5 s", "services.0.router=round_robin"],
            ["A: signals_every changes nothing: round_robin reads nothing of replicas"],
        ),
        (
            ["services.0.router=session_affinity"],
            ["A: session_affinity finds no sessions in this traffic: it is least_outstanding"],
        ),
        (["services.0.router=session_affinity", "services.0.signals_every=5 s", USERS], []),
        (
            ["traffic.prompt_tokens={kind: table, tokens: [500, 999, 1000, 1001]}", BEGIN],
            [
                "A: about 75 % of its prompts are drawn no longer than the system prompt of 1,000 tokens that they"
                " begin with, and have 1,001: prompt_tokens counts it too"
            ],
        ),
        (["traffic.prompt_tokens={kind: fixed, tokens: 1001}", BEGIN], []),
    ],
)
def test_what_a_run_does_not_heed_is_said(file: Path, changes: list[str], said: list[str]) -> None:
    assert list(resolved(file, *changes).notes) == said
