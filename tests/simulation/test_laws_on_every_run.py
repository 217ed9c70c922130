"""Whatever the fleet, the policies and the traffic, a record obeys every law."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.drawn_services import specs
from tests.kit.toy_models import AffineModel

from infermodel.metrics.laws import LAWS, check_laws
from infermodel.metrics.throughput import bin_joules
from infermodel.simulation import Horizon, Limits, Outage, ServiceSpec, one_pool, simulate
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Uniform
from infermodel.workload.traffic import OpenTraffic


@settings(max_examples=150, deadline=None)
@given(specs, st.integers(1, 60), st.integers(0, 1000))
def test_every_run_obeys_every_law(spec: ServiceSpec, requests: int, seed: int) -> None:
    (record,) = simulate([spec], seed, Horizon(requests=requests))
    checked = check_laws(record)
    assert [each.law for each in checked][: len(LAWS)] == list(LAWS)


def test_a_system_that_is_down_draws_no_power() -> None:
    # two systems of one replica, 100 W idle; the first is down from 4 to 7 s: 100 W less for 3 s
    spec = one_pool(
        "service",
        AffineModel(),
        OpenTraffic(Poisson(2.0), Uniform(5, 20), Uniform(5, 20)),
        Limits(max_sequences=8, max_batched_tokens=64, max_context=200),
        replicas=2,
        systems=2,
        outages=(Outage(0, 4.0, 3.0),),
    )
    (record,) = simulate([spec], 1, Horizon(requests=40))
    up_s = record.timeline.columns["up_s"]
    assert record.ended_at > 7
    np.testing.assert_allclose(up_s.sum(), 2 * record.ended_at - 3.0)
    busy = record.replica_totals
    expected = busy["joules"].sum() + 100 * (2 * record.ended_at - 3.0 - busy["busy_s"].sum())
    np.testing.assert_allclose(bin_joules(record).sum(), expected)
