"""Leaping over steps and stopping at each of them must give the same tables, to the bit."""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.drawn_services import bits, specs
from tests.kit.toy_models import AffineModel

from infermodel.simulation import Horizon, Limits, ServiceSpec, one_pool, simulate
from infermodel.tables import FINISHED, REJECTED, ServiceRecord
from infermodel.workload.arrivals import Poisson
from infermodel.workload.lengths import Uniform
from infermodel.workload.traffic import OpenTraffic, Traffic


def check_laws(spec: ServiceSpec, record: ServiceRecord) -> None:
    """What holds of every run, whatever the scenario."""
    table = record.requests
    done = table.status == FINISHED
    assert set(table.status.tolist()) <= {0, 1, 2}
    assert np.isnan(table.finished_at[~done]).all()
    rejected = table.status == REJECTED
    assert np.isnan(table.admitted_at[rejected]).all()
    ordered = [table.arrived_at, table.admitted_at, table.first_scheduled_at, table.first_token_at, table.finished_at]
    for before, after in itertools.pairwise(ordered):
        assert (before[done] <= after[done]).all()
    unfinished_tokens = record.replica_totals["output_tokens"].sum() - table.output_tokens[done].sum()
    assert 0 <= unfinished_tokens <= table.output_tokens[~done].sum()
    if done.all():
        assert unfinished_tokens == 0
        assert record.gaps.gaps == (table.output_tokens - 1).sum()
        spans = table.last_token_at - table.first_token_at
        between_s = record.gaps.total_s + record.front_end_stretch_s
        assert math.isclose(between_s, spans.sum(), rel_tol=1e-9, abs_tol=1e-9)
        if not spec.pool.limits.prefix_caching:
            assert (record.replica_totals["kv_blocks_left"] == 0).all()
            computed = record.replica_totals["prompt_tokens"].sum()
            assert computed >= table.prompt_tokens.sum()
            if table.preemptions.sum() == 0 and not (spec.pool.outages or spec.pool.failures):
                assert computed == table.prompt_tokens.sum()
    busy, steps_sum = record.replica_totals["busy_s"], record.replica_totals["step_sum_s"]
    assert np.allclose(busy, steps_sum, rtol=1e-9)
    assert np.allclose(record.timeline.columns["busy_s"].sum(), busy.sum(), rtol=1e-9)
    assert (
        record.timeline.columns["kv_block_s"] <= record.timeline.columns["busy_s"] * record.pool.kv_blocks + 1e-9
    ).all()


@settings(max_examples=200, deadline=None)
@given(specs, st.integers(1, 60), st.integers(0, 1000))
def test_both_modes_agree_to_the_bit_and_all_laws_hold(spec: ServiceSpec, requests: int, seed: int) -> None:
    horizon = Horizon(requests=requests)
    (leap,) = simulate([spec], seed, horizon)
    (every,) = simulate([spec], seed, horizon, stepping="every")
    check_laws(spec, leap)
    assert bits(leap) == bits(every)
    assert leap.events <= every.events + len(leap.requests)  # one that cuts a leap short sets an alarm anew


def test_services_with_the_same_traffic_get_the_same_requests() -> None:
    traffic: Traffic = OpenTraffic(Poisson(5.0), Uniform(1, 50), Uniform(1, 50))
    limits = Limits(4, 64, 200)
    fast = one_pool("fast", AffineModel(0.001), traffic, limits)
    slow = one_pool("slow", AffineModel(0.004), traffic, limits)
    first, second = simulate([fast, slow], 3, Horizon(requests=50))
    (alone,) = simulate([fast], 3, Horizon(requests=50))
    assert first.requests.arrived_at[:50].tolist() == second.requests.arrived_at[:50].tolist()
    assert first.requests.prompt_tokens[:50].tolist() == second.requests.prompt_tokens[:50].tolist()
    assert bits(alone) == bits(first)
