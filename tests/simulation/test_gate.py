"""Keys, lines and queues of an API: what goes through, when, and who goes first."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.toy_models import AffineModel

from infermodel.metrics.objectives import objectives
from infermodel.metrics.steady import Window
from infermodel.metrics.tenants import tenant_summaries
from infermodel.simulation import Horizon, one_pool, simulate
from infermodel.simulation.replica.queues import FairQueue
from infermodel.simulation.spec import Limits
from infermodel.tables import FINISHED, REJECTED, ServiceRecord
from infermodel.workload.arrivals import Constant, Offline, Poisson
from infermodel.workload.lengths import Fixed, Uniform
from infermodel.workload.quotas import RateLimit, RateLimits, Tenant
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, Traffic

FREE = (RateLimit(60, 30, 60_000), RateLimit(3600, 900, 1_000_000), RateLimit(86400, 14_400, 1_000_000))


def served(traffic: Traffic, rate_limits: RateLimits, horizon: Horizon) -> ServiceRecord:
    """A fast replica behind a gate."""
    limits = Limits(64, 8192, 100_000)
    spec = one_pool("api", AffineModel(base_s=0.001), traffic, limits, rate_limits=rate_limits)
    (record,) = simulate([spec], 7, horizon)
    return record


def one_key(*limits: RateLimit, **changes: object) -> RateLimits:
    return RateLimits((Tenant("free", limits=limits),), **changes)


def test_a_job_of_a_hundred_requests_takes_three_minutes_and_its_last_answer() -> None:
    # 30 a minute: at 0, 60 and 120 s; the last ten at 180 s. Each takes a prompt step and 9 more of 1 ms.
    traffic = OpenTraffic(Offline(100), Fixed(100), Fixed(10))
    record = served(traffic, one_key(*FREE), Horizon())
    admitted = Counter(record.requests.admitted_at.tolist())
    assert admitted == {0.0: 30, 60.0: 30, 120.0: 30, 180.0: 10}
    (tenant,) = record.tenants
    assert tenant.refusals == 3
    assert tenant.tokens_of_keys.tolist() == [100 * 110]
    promised = objectives({"ttft_p50": 61.0, "ttft_p70": 61.0})
    (row,) = tenant_summaries(record, Window(0.0, 240.0), [promised])
    assert row.makespan_s == pytest.approx(180.010)
    assert row.rpm == 25
    assert row.tpm == 25 * 110
    # 60 of 100 have their first token within 61 s, the last one after 180 s and a step
    assert (row.missed, row.attainment) == ("ttft_p70", 0.6)
    assert row.ttft_p99_s == pytest.approx(180.001)


def test_tokens_of_a_minute_are_charged_as_asked_for() -> None:
    # Each asks for 1,000 tokens of output and needs 10: 60,000 / (200 + 1,000) = 50 would do, but 30 requests bind.
    # At 3,800 asked for, 60,000 / 4,000 = 15 a minute.
    traffic = OpenTraffic(Offline(40), Fixed(200), Fixed(10))
    for asked, each_minute in ((1000, 30), (3800, 15)):
        record = served(traffic, one_key(*FREE, requested_output=asked), Horizon())
        assert Counter(record.requests.admitted_at.tolist())[60.0] == min(each_minute, 40 - each_minute)
        assert record.tenants[0].tokens_of_keys.sum() == 40 * (200 + asked)


def test_a_free_key_is_served_a_million_tokens_in_a_day_and_not_one_more() -> None:
    # 500 tokens each, one every 10 s: 8,640 in a day want 4,320,000 tokens; 900 x 500 = 450,000 in an hour.
    traffic = OpenTraffic(Constant(0.1), Fixed(400), Fixed(100))
    record = served(traffic, one_key(*FREE), Horizon(duration_s=86399, drain_s=0.0))
    taken = record.requests.status == FINISHED
    admitted = record.requests.admitted_at < 86400
    assert int((record.requests.prompt_tokens + record.requests.output_tokens)[admitted].sum()) == 1_000_000
    assert int(taken.sum()) == 2000
    assert record.tenants[0].waiting > 6000


def test_who_does_not_back_off_loses_the_request() -> None:
    traffic = OpenTraffic(Offline(100), Fixed(100), Fixed(10))
    record = served(traffic, one_key(*FREE, backs_off=False), Horizon())
    assert Counter(record.requests.status.tolist()) == {FINISHED: 30, REJECTED: 70}


def test_what_no_bucket_holds_is_rejected_at_once() -> None:
    traffic = OpenTraffic(Offline(3), Fixed(60_000), Fixed(10))
    record = served(traffic, one_key(*FREE), Horizon())
    assert record.requests.status.tolist() == [REJECTED] * 3


def test_users_of_a_closed_loop_wait_for_their_key() -> None:
    traffic = ClosedTraffic(5, Fixed(100), Fixed(10), requests=60)
    record = served(traffic, one_key(RateLimit(60, 30)), Horizon())
    assert (record.requests.status == FINISHED).all()
    assert sorted(Counter((record.requests.admitted_at // 60).tolist()).items()) == [(0, 30), (1, 30)]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 4))
def test_tokens_are_conserved_and_no_key_exceeds_its_limits(seed: int, free: int, paid: int) -> None:
    limits = (RateLimit(1, 4, 500), RateLimit(10, 20, 3000))
    rate_limits = RateLimits((Tenant("free", free, 3, limits), Tenant("paid", paid, 1, (RateLimit(1, 40, 9000),))))
    spec = one_pool(
        "api",
        AffineModel(base_s=0.01),
        OpenTraffic(Poisson(12.0), Uniform(1, 200), Uniform(1, 20)),
        Limits(64, 8192, 100_000),
        rate_limits=rate_limits,
    )
    (record,) = simulate([spec], seed, Horizon(duration_s=30.0))
    table = record.requests
    asked = table.prompt_tokens + table.output_tokens
    went_in = ~np.isnan(table.admitted_at)
    assert sorted(np.concatenate([tenant.requests for tenant in record.tenants])) == list(range(len(table)))
    for tenant in record.tenants:
        mine = tenant.requests[went_in[tenant.requests]]
        assert tenant.tokens_of_keys.sum() == asked[mine].sum()
    free_mine = record.tenants[0].requests[went_in[record.tenants[0].requests]]
    for limit in limits:
        periods = Counter((table.admitted_at[free_mine] // limit.period_s).tolist())
        assert max(periods.values(), default=0) <= free * limit.requests


def test_leaps_and_single_steps_agree_behind_a_gate() -> None:
    traffic = OpenTraffic(Poisson(3.0), Uniform(1, 300), Uniform(1, 200))
    spec = one_pool(
        "api",
        AffineModel(base_s=0.01, per_context_s=1e-6),
        traffic,
        Limits(64, 8192, 100_000),
        queue="fair",
        rate_limits=RateLimits((Tenant("free", 3, 1, (RateLimit(10, 6, 2000),)),)),
    )
    one, other = (simulate([spec], 3, Horizon(duration_s=60.0), stepping=each)[0] for each in ("leap", "every"))
    for column in ("admitted_at", "first_token_at", "last_token_at"):
        np.testing.assert_array_equal(getattr(one.requests, column), getattr(other.requests, column))


def test_fair_queueing_alternates_between_keys_whatever_they_send() -> None:
    # Key 0 sends six prompts of 100 before key 1 sends three of 200: by prompt tokens, two of key 0 for one of key 1.
    columns = SimpleNamespace(
        priority=[0] * 9, prompt_tokens=[100] * 6 + [200] * 3, keys={**dict.fromkeys(range(6), 0), 6: 1, 7: 1, 8: 1}
    )
    queue = FairQueue(columns)
    for request in range(9):
        queue.push(request)
    order = [columns.keys[queue.take()] for _ in range(9)]
    # Start tags: key 0 at 0, 100, ..., 500; key 1 at 0, 200, 400; equal tags by number.
    assert order == [0, 1, 0, 0, 1, 0, 0, 1, 0]


def test_a_key_that_was_away_is_owed_nothing() -> None:
    columns = SimpleNamespace(priority=[0] * 5, prompt_tokens=[100] * 5, keys={0: 0, 1: 0, 2: 0, 3: 1, 4: 1})
    queue = FairQueue(columns)
    for request in (0, 1, 2):
        queue.push(request)
    assert [queue.take(), queue.take()] == [0, 1]
    queue.push(3)
    queue.push(4)  # virtual time is 100: tags 100 and 200, beside request 2 with 200
    assert [queue.take() for _ in range(3)] == [3, 2, 4]


def test_urgent_tenants_go_first() -> None:
    # One request at a time, all at once: the paying tenant's are all answered before any other is.
    tenants = (Tenant("free", 2, 1, (), 1), Tenant("paid", 1, 1, (), 0))
    spec = one_pool(
        "api",
        AffineModel(base_s=0.01),
        OpenTraffic(Offline(40), Fixed(10), Fixed(5)),
        Limits(1, 8192, 1000),
        queue="fair",
        rate_limits=RateLimits(tenants),
    )
    (record,) = simulate([spec], 11, Horizon())
    ends = record.requests.finished_at
    free, paid = (ends[tenant.requests] for tenant in record.tenants)
    assert len(free) > 5
    assert len(paid) > 5
    assert sorted(paid)[-1] <= sorted(free)[1]  # the first request of all may be a free one: it came to an idle replica
    alike = objectives({"e2e_p99": float(max(paid))})  # each tenant is judged by its own requests
    assert [row.missed for row in tenant_summaries(record, Window(0.0, 10.0), [alike, alike])] == ["e2e_p99", ""]
