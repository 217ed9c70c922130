"""Leaping and stopping at each step give the same tables, to the bit, for what the catalog holds; all laws hold."""

from __future__ import annotations

import dataclasses
from collections import Counter
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.drawn_services import bits

from infermodel.catalog import load_engine, load_model, load_system
from infermodel.cost.build import step_model
from infermodel.cost.dataflow import Ring
from infermodel.cost.deployment import Deployment
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.step import StepModel
from infermodel.metrics.laws import LAWS, check_laws
from infermodel.simulation import Horizon, Limits, ServiceSpec, one_pool, simulate
from infermodel.simulation.pool.router import ROUTER_NAMES
from infermodel.workload.arrivals import Gamma, Poisson
from infermodel.workload.bodies import Prefix, Priorities
from infermodel.workload.lengths import Uniform
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic, ThinkTime

MAX_CONTEXT = 4096


@cache
def real_model(name: str, system: str, engine: str, tensor_parallel: int, blocks: int | None) -> StepModel:
    """With so few blocks of KV memory that requests must give way; None: with its own memory."""
    deployment = Deployment(tensor_parallel=tensor_parallel, max_sequences=64, max_context=MAX_CONTEXT)
    model = step_model(load_model(name), load_system(system), deployment, load_engine(engine))
    if blocks is None:
        return model
    pool = blocks if model.kv_memory.windows else 0
    memory = dataclasses.replace(model.kv_memory, tokens=blocks * model.kv_memory.block_tokens, pool=pool)
    if isinstance(model, Ring):
        return dataclasses.replace(model, kv_memory=memory)
    assert isinstance(model, GpuStepModel)
    model.kv_memory = memory
    return model


DEPLOYED = (
    ("llama-3.1-8b", "dgx-h100", "vllm", 1),
    ("gpt-oss-20b", "dgx-h100", "vllm", 1),  # windows and experts
    ("mixtral-8x7b", "hgx-h200", "vllm", 2),
    ("llama-3.1-8b", "cs-3", "cerebras", 1),
    ("llama-3.3-70b", "cs-3", "cerebras", 1),
    ("gpt-oss-20b", "cs-3", "cerebras", 1),  # windows on a wafer
)

lengths = st.tuples(st.integers(1, 1200), st.integers(0, 600)).map(lambda pair: Uniform(pair[0], sum(pair)))
outputs = st.tuples(st.integers(1, 150), st.integers(0, 100)).map(lambda pair: Uniform(pair[0], sum(pair)))
open_traffic = st.builds(
    OpenTraffic,
    st.builds(Poisson, st.floats(0.5, 60)) | st.builds(Gamma, st.floats(0.5, 60), st.floats(0.2, 4)),
    lengths,
    outputs,
    st.none() | st.builds(Prefix, st.integers(1, 4)),
    st.none() | st.just(Priorities((0, 1, 2))),
)
closed_traffic = st.builds(
    ClosedTraffic, st.integers(1, 24), lengths, outputs, st.builds(ThinkTime, st.sampled_from([0.0, 0.3]))
)
specs = st.builds(
    lambda deployed, blocks, *rest: one_pool("service", real_model(*deployed, blocks), *rest),
    st.sampled_from(DEPLOYED),
    st.none() | st.integers(12, 40) | st.integers(40, 160),
    open_traffic | closed_traffic,
    st.builds(
        Limits,
        max_sequences=st.integers(1, 64),
        max_batched_tokens=st.integers(64, 4096),
        max_context=st.just(MAX_CONTEXT),
        chunked_prefill=st.booleans(),
        prefix_caching=st.booleans(),
        schedules_ahead=st.booleans(),
    ),
    st.integers(1, 4),  # replicas
    st.just(1),  # systems
    st.sampled_from(["fcfs", "priority"]),
    st.sampled_from(ROUTER_NAMES),
)


def both_modes_agree(examples: int, rarest: int) -> None:
    """On so many random scenarios; each habit of the engine must have shown itself `rarest` times."""
    seen = Counter[str]()

    @settings(max_examples=examples, deadline=None)
    @given(specs, st.integers(1, 40), st.integers(0, 1000))
    def agree(spec: ServiceSpec, requests: int, seed: int) -> None:
        (leap,) = simulate([spec], seed, Horizon(requests=requests))
        (every,) = simulate([spec], seed, Horizon(requests=requests), stepping="every")
        assert [each.law for each in check_laws(leap)] == list(LAWS)
        assert bits(leap) == bits(every)
        seen["scenarios"] += 1
        seen["on wafers"] += isinstance(spec.pool.step_model, Ring)
        seen["on GPUs"] += isinstance(spec.pool.step_model, GpuStepModel)
        seen["preempted"] += bool(leap.requests.preemptions.any())
        longest = int(leap.requests.prompt_tokens.max())
        seen["prompts in chunks"] += longest > spec.pool.limits.max_batched_tokens
        seen["several replicas"] += spec.pool.replicas > 1
        seen["closed loops"] += isinstance(spec.traffic, ClosedTraffic)
        seen["found in the prefix cache"] += bool(leap.requests.cached_tokens.any())

    agree()
    assert len(seen) == 8
    assert min(seen.values()) >= rarest, seen


def test_both_modes_agree_to_the_bit_on_devices_of_the_catalog() -> None:
    both_modes_agree(examples=200, rarest=1)


@pytest.mark.slow
def test_both_modes_agree_to_the_bit_on_devices_of_the_catalog_many_times() -> None:
    both_modes_agree(examples=2000, rarest=20)


class WithoutLines:
    """A step model that is asked for a ramp at every leap."""

    def __init__(self, model: StepModel) -> None:
        self._model = model

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def decode_line(self, sequences: int, context_tokens: int) -> None:
        return None


@settings(max_examples=30, deadline=None)
@given(specs, st.integers(1, 40), st.integers(0, 1000))
def test_leaps_on_lines_are_recorded_as_leaps_on_ramps(spec: ServiceSpec, requests: int, seed: int) -> None:
    (on_lines,) = simulate([spec], seed, Horizon(requests=requests))
    pool = dataclasses.replace(spec.pool, step_model=WithoutLines(spec.pool.step_model))
    on_ramps_only = dataclasses.replace(spec, pools=(pool,))
    (on_ramps,) = simulate([on_ramps_only], seed, Horizon(requests=requests))
    assert bits(on_lines) == bits(on_ramps)
