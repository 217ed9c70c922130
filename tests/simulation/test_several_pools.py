"""Several pools that each do all of a request, behind a first router."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.kit.drawn_services import bits, specs
from tests.kit.toy_models import AffineModel

from infermodel.engine import RankRouting
from infermodel.metrics.laws import check_laws
from infermodel.simulation import ByPromptLength, Horizon, Limits, Outage, PoolSpec, ServiceSpec, one_pool, simulate
from infermodel.simulation.clients.joining import joining_s
from infermodel.simulation.handover import ByTenant, FirstRule, Lightest
from infermodel.simulation.pool.router import SHARED_QUEUE
from infermodel.simulation.spec import FrontEndSpec
from infermodel.tables import REJECTED, ServiceRecord
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Fixed, Table, Uniform
from infermodel.workload.quotas import RateLimits, Tenant
from infermodel.workload.requests import Requests
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, ThinkTime, TraceTraffic


@settings(max_examples=40, deadline=None)
@given(specs, st.integers(1, 2), st.integers(1, 40), st.integers(0, 1000))
def test_two_pools_of_equal_replicas_in_turn_are_one_pool(
    spec: ServiceSpec, replicas: int, requests: int, seed: int
) -> None:
    """Request i goes to replica i of one pool in turn, or to pool i and there to replica i / 2: the same machines.
    Users who wait for answers may take turns at one instant, in the order of machines; so there are none here. Nor do
    systems fail, or replicas start and stop: that is drawn and decided pool by pool.
    """
    assume(isinstance(spec.traffic, OpenTraffic))
    front_end = spec.pool.front_end and replace(spec.pool.front_end, of_system=False)
    steady = replace(spec.pool, outages=(), failures=None, scaling=None)
    pool = replace(certain(steady, front_end), router="round_robin", systems=1)
    one = replace(spec, pools=(replace(pool, replicas=2 * replicas),))
    two = replace(spec, pools=2 * (replace(pool, replicas=replicas),))
    (together,), (apart,) = (simulate([each], seed, Horizon(requests=requests)) for each in (one, two))
    check_laws(apart)
    for column in fields(together.requests):
        if column.name != "replica":
            ours, theirs = (getattr(each.requests, column.name) for each in (together, apart))
            assert ours.tobytes() == theirs.tobytes(), column.name
    assert apart.pool_of is not None
    served = apart.requests.replica >= 0
    numbers = apart.pool_of + 2 * apart.requests.replica
    assert together.requests.replica[served].tolist() == numbers[served].tolist()
    assert (together.gaps.gaps, together.gaps.counts.tolist()) == (apart.gaps.gaps, apart.gaps.counts.tolist())


@settings(max_examples=25, deadline=None)
@given(specs, specs, st.integers(0, 60), st.integers(1, 40), st.integers(0, 1000))
def test_leaps_change_nothing_and_every_law_holds(
    spec: ServiceSpec, other: ServiceSpec, bound: int, requests: int, seed: int
) -> None:
    first_router = ByPromptLength((bound,)) if bound > 20 else Lightest() if bound else None
    several = replace(spec, pools=(*spec.pools, *other.pools), first_router=first_router)
    (leap,), (every,) = (
        simulate([several], seed, Horizon(requests=requests), stepping=stepping) for stepping in ("leap", "every")
    )
    assert bits(leap) == bits(every)
    check_laws(leap)


def certain(pool: PoolSpec, front_end: FrontEndSpec | None) -> PoolSpec:
    """The pool without anything that is drawn."""
    failures, scaling = pool.failures, pool.scaling
    if failures is not None:
        times = {name: replace(getattr(failures, name), law="fixed") for name in ("lasts", "repair", "take_over")}
        failures = replace(failures, **times, rack=None)
    if scaling is not None:
        scaling = replace(scaling, start_up=replace(scaling.start_up, law="fixed"))
    router = "round_robin" if pool.router in ("random", "two_choices") else pool.router
    ranks: RankRouting = "round_robin" if pool.rank_router == "random" else pool.rank_router
    return replace(pool, failures=failures, scaling=scaling, router=router, rank_router=ranks, front_end=front_end)


@settings(max_examples=15, deadline=None)
@given(specs, specs, st.integers(0, 1000))
def test_pools_of_tenants_fail_and_scale_as_services_of_their_own(
    spec: ServiceSpec, other: ServiceSpec, seed: int
) -> None:
    """Each as if the other were not there, to the bit: nobody is sent across."""
    random = np.random.default_rng(seed)
    arrived_at, zeros = np.cumsum(random.exponential(0.1, 40)), np.zeros(40, np.int64)
    prompts, outputs = random.integers(1, 60, 40), random.integers(1, 40, 40)
    pools = tuple(certain(each.pool, spec.pool.front_end) for each in (spec, other))
    tenants = RateLimits((Tenant("first"), Tenant("second")))

    def played(rows: NDArray[np.bool_], service: ServiceSpec) -> ServiceRecord:
        columns = [column[rows] for column in (arrived_at, prompts, outputs, zeros, zeros - 1)]
        (record,) = simulate([replace(service, traffic=TraceTraffic(Requests(*columns)))], seed, Horizon())
        check_laws(record)
        return record

    together = played(prompts > 0, replace(spec, pools=pools, rate_limits=tenants, first_router=ByTenant((0, 1))))
    assert together.pool_of is not None
    for number, pool in enumerate(pools):
        rows = together.pool_of == number
        alone = played(rows, replace(spec, pools=(pool,)))
        for column in ("status", "first_token_at", "finished_at", "preemptions", "replica"):
            assert getattr(together.requests, column)[rows].tobytes() == getattr(alone.requests, column).tobytes()


@pytest.mark.parametrize("router", ["round_robin", SHARED_QUEUE])
def test_whose_pool_is_down_goes_to_another_that_is_long_enough(router: str) -> None:
    """Two pools of two replicas, steps of a second, one request at a time. Three short prompts come at once, or nearly,
    and a long one at 2.5 s. A pool is down from 1.05 s, when the first request has a token.

    The pool of short prompts: all three go to the other pool; there the first needs two more steps, the third waits for
    it, and the long prompt for the second. The pool of long ones: the long one waits for the repair at 9 s, as nobody
    else can take it. Both, and only where least is done decides: all wait, and all go to whichever works first, at 5 s.
    """
    at_s, prompts, ones = np.array([0.0, 0.1, 0.2, 2.5]), np.array([10, 10, 10, 30]), np.ones(4, np.int64)
    trace = TraceTraffic(Requests(at_s, prompts, 3 * ones, 0 * ones, -ones))
    short, long = (PoolSpec(AffineModel(1.0), Limits(1, 64, most), router=router, replicas=2) for most in (24, 64))
    down, briefly = ({"outages": (Outage(0, 1.05, for_s),)} for for_s in (7.95, 3.95))

    def played(rule: FirstRule, *pools: PoolSpec) -> tuple[list[int], list[float]]:
        (record,) = simulate([ServiceSpec("s", trace, pools, first_router=rule)], 1, Horizon())
        check_laws(record)
        assert record.pool_of is not None
        return record.pool_of.tolist(), record.requests.finished_at.tolist()

    by_length = ByPromptLength((20,))
    assert played(by_length, replace(short, **down), long) == ([1, 1, 1, 1], pytest.approx([3.05, 4.05, 6.05, 7.05]))
    assert played(by_length, short, replace(long, **down)) == ([0, 0, 0, 1], pytest.approx([3.0, 3.1, 6.0, 12.0]))
    both = (replace(long, **down), replace(long, **briefly))
    assert played(Lightest(), *both) == ([1, 1, 1, 1], pytest.approx([7.0, 8.0, 10.0, 11.0]))


def test_long_prompts_go_to_a_pool_of_their_own() -> None:
    """Prompts of 10 and 50 tokens, pools for 64 and for 40 tokens with answers of 5: what is too long for its own pool
    is refused, although the other could take it.
    """
    model = AffineModel(0.01)
    short, long = (PoolSpec(model, Limits(4, 64, most)) for most in (40, 64))
    traffic = OpenTraffic(Poisson(20.0), Table((10, 50)), Fixed(5))
    spec = ServiceSpec("service", traffic, (short, long), first_router=ByPromptLength((20,)))
    (record,) = simulate([spec], 1, Horizon(requests=100))
    assert record.pool_of is not None
    assert record.pool_of.tolist() == (record.requests.prompt_tokens == 50).astype(int).tolist()
    (refusing,) = simulate([replace(spec, pools=(long, short))], 1, Horizon(requests=100))
    assert (refusing.requests.status == REJECTED).tolist() == (refusing.requests.prompt_tokens == 50).tolist()


def test_users_come_as_to_one_pool_of_all_replicas() -> None:
    traffic = ClosedTraffic(12, Uniform(20, 60), Uniform(10, 30), ThinkTime(1.0), start="spread")
    model, limits = AffineModel(0.01, 1e-4, 1e-6, 1e-5), Limits(4, 64, 200)
    pool = PoolSpec(model, limits, replicas=2)
    two = ServiceSpec("service", traffic, (pool, pool))
    assert joining_s(two) == joining_s(one_pool("service", model, traffic, limits, replicas=4)) > 0
    (record,) = simulate([two], 1, Horizon(requests=60))
    assert np.bincount(record.pool_of).tolist() == [len(record.requests) // 2] * 2


def test_the_lightest_pool_is_that_with_least_for_each_replica() -> None:
    """Pools of one replica and of three; nobody is answered meanwhile, then all are. Whoever is in a pool that goes
    down goes to the other one.
    """
    at_s, ones = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 99.0, 99.1]), np.ones(10, np.int64)
    trace = TraceTraffic(Requests(at_s, 10 * ones, 20 * ones, 0 * ones, -ones))
    model, limits = AffineModel(1.0), Limits(8, 64, 64)
    pools = (PoolSpec(model, limits), PoolSpec(model, limits, replicas=3))
    (record,) = simulate([ServiceSpec("s", trace, pools, first_router=Lightest())], 1, Horizon())
    assert record.pool_of is not None
    assert record.pool_of.tolist() == [0, 1, 1, 1, 0, 1, 1, 1, 0, 1]
    down = replace(pools[0], outages=(Outage(0, 0.15, 50.0),))
    (record,) = simulate([ServiceSpec("s", trace, (down, pools[1]), first_router=Lightest())], 1, Horizon())
    assert record.pool_of is not None
    assert record.pool_of.tolist() == [*8 * [1], 0, 1]


def test_tenants_go_to_pools_of_their_own() -> None:
    """Requests of 55 tokens are too long for the pool of the second tenant, but not for the door."""
    model = AffineModel(0.01)
    pools = tuple(PoolSpec(model, Limits(4, 64, most)) for most in (64, 40))
    traffic = OpenTraffic(Poisson(20.0), Table((10, 50)), Fixed(5))
    limits = RateLimits((Tenant("first", keys=2), Tenant("second")))
    spec = ServiceSpec("s", traffic, pools, rate_limits=limits, first_router=ByTenant((0, 0, 1)))
    (record,) = simulate([spec], 1, Horizon(requests=100))
    check_laws(record)
    assert record.pool_of is not None
    first, second = (each.requests for each in record.tenants)
    assert set(record.pool_of[first].tolist()) == {0}
    refused, long = record.requests.status[second] == REJECTED, record.requests.prompt_tokens[second] == 50
    assert refused.tolist() == long.tolist()
    assert long.any()
    with pytest.raises(ValueError, match="and no keys"):
        replace(spec, rate_limits=None)
