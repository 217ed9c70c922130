"""Corners of the simulation: what happens after a service has ended, and what must never happen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.kit.few_requests import bits
from tests.kit.toy_models import AffineModel

from infermodel.simulation import Horizon, Limits, Outage, one_pool, simulate
from infermodel.simulation.alarm import ARRIVE, COMPLETE, START, order_of
from infermodel.simulation.clock import Clock
from infermodel.simulation.memory.ledger import BrokenLedger, Ledger
from infermodel.simulation.pool.load import LoadIndex
from infermodel.simulation.pool.router import PoolView
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Fixed, Uniform
from infermodel.workload.quotas import Buckets, RateLimit
from infermodel.workload.requests import Requests
from infermodel.workload.sessions import Chain, SessionTraffic
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, ThinkTime, TraceTraffic, Traffic

CHAIN = Chain(Fixed(2), Fixed(10), Fixed(5), ThinkTime(0.5))


@pytest.mark.parametrize(
    "traffic",
    [
        OpenTraffic(Poisson(20.0), Uniform(1, 60), Uniform(1, 20)),
        ClosedTraffic(4, Uniform(1, 60), Uniform(1, 20), ThinkTime(0.1, "exponential")),
        SessionTraffic(Poisson(8.0), Fixed(50), CHAIN),
    ],
)
def test_a_service_that_has_ended_is_not_touched_by_one_that_goes_on(traffic: Traffic | SessionTraffic) -> None:
    """Outages come while the other goes on: one begins then, another ends then."""
    limits = Limits(8, 256, 4096)
    alone = one_pool("s", AffineModel(0.001), traffic, limits, replicas=2, systems=2)
    slow = replace(alone, name="slow", pools=(replace(alone.pool, step_model=AffineModel(0.05)),))
    (before,) = simulate([alone], 3, Horizon(requests=40))
    outages = Outage(0, before.ended_at + 0.01, 1.0), Outage(1, before.ended_at - 0.01, 9.0)
    fails = replace(alone, pools=(replace(alone.pool, outages=outages),))
    (ours,) = simulate([fails], 3, Horizon(requests=40))
    beside, other = simulate([fails, slow], 3, Horizon(requests=40))
    assert other.ended_at > ours.ended_at + 0.02
    assert bits(ours.requests) == bits(beside.requests)
    assert (ours.ended_at, ours.gaps.gaps) == (beside.ended_at, beside.gaps.gaps)


def test_a_simulation_in_which_nothing_more_happens_says_so() -> None:
    clock = Clock()
    rung = []
    clock.call_at(2.0, order_of(ARRIVE), lambda: rung.append(clock.now))
    with pytest.raises(RuntimeError, match="No scheduled events left"):
        clock.run(clock.event())
    assert rung == [2.0]


def test_a_fleet_of_forty_thousand_replicas() -> None:
    """One request each, all at one moment: the lightest replica is always the next number, and all end alike."""
    count = 40_000
    one = np.ones(count, np.int64)
    trace = TraceTraffic(Requests(np.zeros(count), 10 * one, 3 * one, 0 * one, -one))
    spec = one_pool("wide", AffineModel(0.01), trace, Limits(8, 256, 4096), replicas=count)
    (record,) = simulate([spec], 1, Horizon())
    assert record.requests.replica.tolist() == list(range(count))
    assert record.requests.last_token_at.tolist() == [0.01 + 2 * 0.01] * count


def test_orders_of_an_instant_do_not_mix() -> None:
    assert order_of(COMPLETE, 0, 99_999) < order_of(COMPLETE, 1, 0) < order_of(ARRIVE) < order_of(ARRIVE, 1)
    assert order_of(START, 999, 99_999) < order_of(START, 1000, 0)
    with pytest.raises(ValueError, match="at most 1048576 of each"):
        order_of(COMPLETE, 0, 1 << 20)


def test_blocks_that_are_not_there_are_not_given() -> None:
    with pytest.raises(BrokenLedger, match="3 of 2 KV blocks"):
        Ledger(2, 16).grow(3)
    with pytest.raises(BrokenLedger, match="-1 of 2 KV blocks"):
        Ledger(2, 16).grow(-1)


def test_a_replica_that_is_down_counts_and_is_not_chosen() -> None:
    load = LoadIndex(3)
    load.add(1, 1)
    load.set_up(0, up=False)
    load.set_up(0, up=False)  # two outages at once are one
    assert load.lightest() == 2
    load.add(0, 1)
    load.add(0, 1)
    load.set_up(0, up=True)
    assert load.counts == [2, 1, 0]
    load.add(2, 1)
    load.add(2, 1)
    assert load.lightest() == 1


def test_a_key_is_let_in_at_the_instant_that_it_was_told() -> None:
    """Three periods of 0.7 s end at the float 2.0999999999999996, in which 0.7 goes 2.9999999999999996 times."""
    key = Buckets([RateLimit(0.7, requests=1)])
    assert key.take(1.5, 10) == 1.5
    told = key.take(1.6, 10)
    assert told == 3 * 0.7
    assert key.take(told, 10) == told


def test_a_service_adds_its_pools_up_and_has_no_single_one() -> None:
    trace = TraceTraffic(Requests(np.zeros(1), np.array([8]), np.array([2]), np.zeros(1, np.int64), np.array([-1])))
    spec = one_pool("s", AffineModel(0.01), trace, Limits(8, 256, 4096))
    with pytest.raises(ValueError, match="service 's' has pools of the roles none"):
        replace(spec, pools=())
    (record,) = simulate([spec], 1, Horizon())
    twofold = replace(record, pools=2 * record.pools)
    assert (record.replicas, twofold.replicas, twofold.gaps.gaps) == (1, 2, 2 * record.gaps.gaps)
    assert record.timeline.columns["busy_s"].tolist() == record.pool.timeline.columns["busy_s"].tolist()
    assert twofold.timeline.columns["busy_s"].tolist() == (2 * record.timeline.columns["busy_s"]).tolist()
    assert twofold.replica_totals["steps"].tolist() == 2 * record.replica_totals["steps"].tolist()
    with pytest.raises(ValueError, match="'s' has 2 pools: say which"):
        assert twofold.pool


def test_a_router_sees_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long prompts to the last replica, short ones to the others in turn; six requests of two lengths."""

    def by_length(request: int, pool: PoolView) -> int:
        return pool.up[-1] if pool.columns.prompt_tokens[request] > 100 else pool.up[pool.turn % 2]

    monkeypatch.setattr("infermodel.simulation.pool.pool.ROUTERS", {"by_length": by_length})
    prompts = np.array([50, 200, 60, 300, 70, 80])
    one = np.ones(6, np.int64)
    trace = TraceTraffic(Requests(np.arange(6.0), prompts, 2 * one, 0 * one, -one))
    spec = one_pool("s", AffineModel(0.01), trace, Limits(8, 256, 4096), replicas=3, router="by_length")
    (record,) = simulate([spec], 1, Horizon())
    assert record.requests.replica.tolist() == [0, 2, 0, 2, 0, 1]
