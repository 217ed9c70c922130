"""Leaping over steps and stopping at each of them must give the same tables, to the bit."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import get_args

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_models import AffineModel

from infermodel.engine import Findable, Preempted
from infermodel.simulation import Horizon, Limits, Outage, ServiceSpec, one_pool, simulate
from infermodel.simulation.pool.router import ROUTER_NAMES, SHARED_QUEUE
from infermodel.simulation.replica.queues import QUEUES
from infermodel.simulation.replica.rank_router import RANK_ROUTERS
from infermodel.simulation.spec import AnswerShare, FrontEndSpec
from infermodel.tables import FINISHED, REJECTED, ServiceRecord
from infermodel.workload.arrivals import Gamma, Poisson
from infermodel.workload.lengths import Uniform
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, Prefix, Priorities, ThinkTime, Traffic

lengths = st.tuples(st.integers(1, 60), st.integers(0, 60)).map(lambda pair: Uniform(pair[0], sum(pair)))
prefixes = st.none() | st.integers(1, 4).map(Prefix)
priorities = st.none() | st.just(Priorities((0, 1, 2)))
open_traffic = st.builds(
    OpenTraffic,
    st.builds(Poisson, st.floats(0.5, 30)) | st.builds(Gamma, st.floats(0.5, 30), st.floats(0.2, 4)),
    lengths,
    lengths,
    prefixes,
    priorities,
)
closed_traffic = st.builds(
    ClosedTraffic, st.integers(1, 12), lengths, lengths, st.builds(ThinkTime, st.sampled_from([0.0, 0.3])), prefixes
)
models = st.builds(
    AffineModel,
    base_s=st.sampled_from([0.01, 0.0123456789]),
    per_sequence_s=st.sampled_from([0.0, 1e-4]),
    per_context_s=st.sampled_from([0.0, 1.1e-6]),
    per_prompt_token_s=st.sampled_from([0.0, 3.3e-5]),
    per_prompt_pair_s=st.sampled_from([0.0, 1e-8]),
    per_windowed_s=st.sampled_from([0.0, 2.7e-6]),
    per_longest_s=st.sampled_from([0.0, 1.7e-5]),
    kv_tokens=st.integers(16, 40).map(lambda blocks: 16 * blocks),
    windows=st.sampled_from([(), (24,), (24, 64)]),
    slots=st.sampled_from([1 << 40, 7]),
    most_steps=st.sampled_from([1 << 40, 5]),
    ranks=st.sampled_from([1, 1, 2, 3]),
)
limits = st.builds(
    Limits,
    max_sequences=st.integers(1, 12),
    max_batched_tokens=st.integers(12, 100),
    max_context=st.just(200),
    chunked_prefill=st.booleans(),
    prefix_caching=st.booleans(),
    blocks_findable=st.sampled_from(get_args(Findable)),
    caches_answers=st.booleans(),
    schedules_ahead=st.booleans(),
    long_prompt_tokens=st.sampled_from([0, 5, 20]),
    receive_interval=st.sampled_from([1, 1, 2, 7]),
    mixes_prompts=st.booleans(),
    answer_share=st.none()
    | st.builds(AnswerShare, st.just(0.7), st.just(0.1), st.sampled_from([5, 60]), st.just(3), st.just(30)),
    preempted=st.sampled_from(get_args(Preempted)),
    whole_prompt=st.booleans(),
    reserves_output=st.booleans(),
)
specs = st.builds(
    one_pool,
    st.just("service"),
    models,
    open_traffic | closed_traffic,
    limits,
    replicas=st.integers(1, 4),
    systems=st.integers(1, 2),
    queue=st.sampled_from(list(QUEUES)),
    router=st.sampled_from(ROUTER_NAMES),
    outages=st.just(()) | st.builds(Outage, st.just(0), st.floats(0.1, 3), st.floats(0.1, 3)).map(lambda o: (o,)),
    ingress_s=st.sampled_from([0.0, 0.004]),
    tokenise_s=st.sampled_from([0.0, 1e-5]),
    egress_s=st.sampled_from([0.0, 0.002]),
    front_end=st.none()
    | st.builds(
        FrontEndSpec,
        processes=st.integers(1, 3),
        request_s=st.sampled_from([0.0, 0.003, 0.08]),
        tokenise_s=st.sampled_from([0.0, 1e-5]),
        token_s=st.sampled_from([0.0, 2e-5, 2e-3]),
        of_system=st.booleans(),
    ),
    rank_router=st.sampled_from(list(RANK_ROUTERS)),
).filter(lambda spec: spec.pool.step_model.kv_memory.ranks == 1 or spec.pool.router != SHARED_QUEUE)


def columns(record: ServiceRecord) -> dict[str, bytes]:
    parts = {f"requests.{f.name}": getattr(record.requests, f.name) for f in dataclasses.fields(record.requests)}
    parts |= {f"timeline.{name}": values for name, values in record.timeline.columns.items()}
    parts |= {f"totals.{name}": values for name, values in record.replica_totals.items()}
    parts |= {"gaps": record.gaps.counts, "gap_total": np.array(record.gaps.total_s), "end": np.array(record.ended_at)}
    return {name: np.asarray(values).tobytes() for name, values in parts.items()}


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
            if table.preemptions.sum() == 0 and not spec.pool.outages:
                assert computed == table.prompt_tokens.sum()
    busy, steps_sum = record.replica_totals["busy_s"], record.replica_totals["step_sum_s"]
    assert np.allclose(busy, steps_sum, rtol=1e-9)
    assert np.allclose(record.timeline.columns["busy_s"].sum(), busy.sum(), rtol=1e-9)
    assert (record.timeline.columns["kv_block_s"] <= record.timeline.columns["busy_s"] * record.kv_blocks + 1e-9).all()


@settings(max_examples=200, deadline=None)
@given(specs, st.integers(1, 60), st.integers(0, 1000))
def test_both_modes_agree_to_the_bit_and_all_laws_hold(spec: ServiceSpec, requests: int, seed: int) -> None:
    horizon = Horizon(requests=requests)
    (leap,) = simulate([spec], seed, horizon)
    (every,) = simulate([spec], seed, horizon, stepping="every")
    check_laws(spec, leap)
    assert columns(leap) == columns(every)
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
    assert columns(alone) == columns(first)
