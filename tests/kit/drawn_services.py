"""Services of any kind, as a property-based test draws them, and their records to the bit."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import get_args

import numpy as np
from hypothesis import strategies as st

from infermodel.engine import Findable, Preempted, RankRouting
from infermodel.simulation import Limits, Outage, ServiceSpec, one_pool
from infermodel.simulation.lifetimes import AT_ONCE, DrawnTime, FailureSpec, RackSpec, TimeLaw
from infermodel.simulation.pool.router import ROUTER_NAMES, SHARED_QUEUE
from infermodel.simulation.replica.queues import QUEUES
from infermodel.simulation.scaling import BLIND, MEASURES, ScalingSpec
from infermodel.simulation.spec import AnswerShare, FrontEndSpec
from infermodel.tables import ServiceRecord
from infermodel.workload.arrivals import Gamma, Poisson
from infermodel.workload.bodies import Prefix, Priorities
from infermodel.workload.lengths import Uniform
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, ThinkTime
from tests.kit.toy_models import AffineModel

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
    ranks_wait_steps=st.sampled_from([0, 0, 2, 9]),
    batch_wait_steps=st.sampled_from([0, 0, 3, 8]),
    batch_wait_share=st.sampled_from([0.3, 0.9]),
    mixes_prompts=st.booleans(),
    answer_share=st.none()
    | st.builds(AnswerShare, st.just(0.7), st.just(0.1), st.sampled_from([5, 60]), st.just(3), st.just(30)),
    preempted=st.sampled_from(get_args(Preempted)),
    whole_prompt=st.booleans(),
    reserves_output=st.booleans(),
)
drawn_times = st.builds(
    DrawnTime, st.floats(0.1, 8), st.sampled_from(get_args(TimeLaw)), st.sampled_from([0.7, 1.0, 2.0])
)
failures = st.builds(
    FailureSpec,
    lasts=st.builds(DrawnTime, st.floats(2, 20), st.sampled_from(get_args(TimeLaw)), st.sampled_from([0.7, 2.0])),
    repair=drawn_times,
    systems=st.integers(1, 2),
    spares=st.integers(0, 2),
    take_over=st.just(AT_ONCE) | drawn_times,
    rack=st.none()
    | st.builds(
        RackSpec, st.integers(1, 2), st.builds(DrawnTime, st.floats(2, 20)), st.builds(DrawnTime, st.floats(0.1, 8))
    ),
)


def scaled(spec: ServiceSpec, share: float, scaling: ScalingSpec) -> ServiceSpec:
    """The service with replicas that start and stop, a share of them always up; at least one for a rule that sees
    nothing of requests that wait while none is.
    """
    most = spec.pool.replicas
    blind = scaling.measure in BLIND
    scaling = replace(scaling, least=max(int(blind), int(share * most)), most=most)
    return replace(spec, pools=(replace(spec.pool, scaling=scaling),))


scalings = st.builds(
    ScalingSpec,
    least=st.just(0),
    most=st.just(1),
    measure=st.sampled_from(list(MEASURES)),
    target=st.sampled_from([0.3, 1.0, 2.5]),
    tolerance=st.sampled_from([0.0, 0.1]),
    interval_s=st.sampled_from([0.0, 0.5, 2.0]),
    start_up=st.just(AT_ONCE) | drawn_times,
    cooldown_s=st.sampled_from([0.0, 0.6, 3.0]),
    schedule=st.sampled_from([(), ((0.5, 3), (1.0, 1))]),
    repeat_s=st.just(2.0),
)
fixed_specs = st.builds(
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
    rank_router=st.sampled_from(get_args(RankRouting)),
    signals_every_s=st.sampled_from([0.0, 0.0, 0.05, 1.0]),
    failures=st.none() | failures,
).filter(lambda spec: spec.pool.step_model.kv_memory.ranks == 1 or spec.pool.router != SHARED_QUEUE)
specs = fixed_specs | st.builds(scaled, fixed_specs, st.sampled_from([0.0, 0.5, 1.0]), scalings)


def bits(record: ServiceRecord) -> dict[str, bytes]:
    """Every table of a record to the bit."""
    parts = {f"requests.{f.name}": getattr(record.requests, f.name) for f in dataclasses.fields(record.requests)}
    if record.link is not None:
        handover = record.link.handover
        parts |= {f"handover.{f.name}": getattr(handover, f.name) for f in dataclasses.fields(handover)}
        parts |= {"link.out": record.link.out_busy_s, "link.in": record.link.in_busy_s}
    for number, pool in enumerate(record.pools):
        if pool.states is not None:
            parts |= {
                f"states.{number}.{f.name}": getattr(pool.states, f.name) for f in dataclasses.fields(pool.states)
            }
        parts |= {f"timeline.{number}.{name}": values for name, values in pool.timeline.columns.items()}
        parts |= {f"totals.{number}.{name}": values for name, values in pool.replica_totals.items()}
        parts |= {f"gaps.{number}": pool.gaps.counts, f"gap_total.{number}": np.array(pool.gaps.total_s)}
    parts["end"] = np.array(record.ended_at)
    return {name: np.asarray(values).tobytes() for name, values in parts.items()}
