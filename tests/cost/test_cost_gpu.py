from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cost.directions import batch
from tests.cost.gpu_fixtures import ENGINE, H100, H200, LLAMA_8B, LLAMA_70B, MIXTRAL, R1, WINDOWED, node

from infermodel.cost.build import step_model
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.step import Batch, Chunk, Ramp

MODELS = {
    "8b": GpuStepModel(LLAMA_8B, node(H100), Deployment(), ENGINE),
    "70b-tp4": GpuStepModel(LLAMA_70B, node(H100), Deployment(tensor_parallel=4), ENGINE),
    "70b-pp4": GpuStepModel(LLAMA_70B, node(H100), Deployment(pipeline_parallel=4), ENGINE),
    "mixtral": GpuStepModel(MIXTRAL, node(H100), Deployment(tensor_parallel=2), ENGINE),
    "windowed": GpuStepModel(WINDOWED, node(H100), Deployment(precision=Precision("mxfp4")), ENGINE),
    "r1": GpuStepModel(
        R1, node(H200), Deployment(tensor_parallel=8, precision=Precision("fp8", "bf16", "fp8")), ENGINE
    ),
    "r1-dp": GpuStepModel(
        R1,
        node(H200),
        Deployment(data_parallel=8, expert_parallel=8, precision=Precision("fp8", "bf16", "fp8")),
        ENGINE,
    ),
}


@given(
    name=st.sampled_from(sorted(MODELS)),
    contexts=st.lists(st.integers(1, 3000), max_size=30),
    chunks=st.lists(st.builds(Chunk, st.integers(1, 600), st.integers(0, 3000)), max_size=3),
    each=st.integers(1, 3),
)
@settings(max_examples=300, deadline=None)
def test_a_ramp_is_the_steps_of_the_batch_advanced(name, contexts, chunks, each) -> None:
    if not contexts and not chunks:
        return
    model = MODELS[name]
    ramp = model.ramp(batch(model, contexts, tuple(chunks), each))
    assert ramp.steps >= 1
    for i in {0, 1, 2, ramp.steps // 2, ramp.steps - 1}:
        if not 0 <= i < min(ramp.steps, 100_000):
            continue
        later = tuple(Chunk(chunk.new, chunk.before + i * chunk.new) for chunk in chunks)
        step = model.step(batch(model, [c + i * each for c in contexts], later, each))
        assert ramp.first_s + i * ramp.slope_s == pytest.approx(step.latency_s, rel=1e-12)
        assert ramp.first_joules + i * ramp.slope_joules == pytest.approx(step.joules, rel=1e-12)
        assert ramp.first_flops + i * ramp.slope_flops == pytest.approx(step.flops, rel=1e-12)
        assert ramp.first_bytes + i * ramp.slope_bytes == pytest.approx(step.bytes, rel=1e-12)
        assert ramp.bound_by == step.bound_by


@given(
    name=st.sampled_from([name for name, model in MODELS.items() if not model.windows]),
    sequences=st.integers(1, 256),
    mean_context=st.integers(1, 200_000),
)
@settings(max_examples=300, deadline=None)
def test_plain_decode_costs_what_it_costs_beside_an_empty_chunk(name, sequences, mean_context) -> None:
    model, context = MODELS[name], sequences * mean_context
    # A chunk of no tokens costs nothing, but is not plain decode; it counts as a sequence where they share stages.
    if model.replica.gpus > model.replica.deployment.tensor_parallel:
        sequences = max(sequences, 8)
        context = sequences * mean_context
    plain = model.ramp(Batch(sequences, context, mean_context))
    beside = model.ramp(Batch(sequences, context, mean_context, (), 1, (Chunk(0, 0),)))
    for field in Ramp.__match_args__[1:9]:  # seconds, joules, FLOPs and bytes, first and slope
        assert getattr(plain, field) == pytest.approx(getattr(beside, field), rel=1e-12)
    assert plain.bound_by == beside.bound_by
    assert abs(plain.steps - beside.steps) <= 1 + 1e-9 * beside.steps


def decode(model: GpuStepModel, sequences: int, context: int) -> Batch:
    return batch(model, [context] * sequences, (), 1)


def test_a_lone_token_of_8b_moves_weights_and_context() -> None:
    # 7.505e9 weights of layers and head x 2 bytes, and 1,000 tokens x 131,072 bytes.
    step = MODELS["8b"].step(decode(MODELS["8b"], 1, 1000))
    assert step.bytes == pytest.approx(2 * 7.505e9 + 131.072e6, rel=5e-3)
    # 2 FLOPs a weight, and 4 x 32 x 128 x 32 layers a context token.
    assert step.flops == pytest.approx(2 * 7.505e9 + 524_288_000, rel=1e-3)


def test_flops_and_bytes_do_not_depend_on_the_number_of_gpus() -> None:
    one = GpuStepModel(LLAMA_8B, node(H100), Deployment(), ENGINE).step(decode(MODELS["8b"], 64, 500))
    four = GpuStepModel(LLAMA_8B, node(H100), Deployment(tensor_parallel=4), ENGINE).step(decode(MODELS["8b"], 64, 500))
    assert four.flops == pytest.approx(one.flops)
    assert one.bytes < four.bytes < 1.2 * one.bytes  # each GPU reads the activations


def test_a_naive_roofline_is_faster_but_not_by_far() -> None:
    step = MODELS["70b-tp4"].step(decode(MODELS["70b-tp4"], 1, 1000))
    roofline_s = step.bytes / MODELS["70b-tp4"].peak_bandwidth
    assert 1.1 * roofline_s < step.latency_s < 2.0 * roofline_s
    assert step.bound_by == "memory"


def test_prefill_is_bound_by_compute_and_small_steps_by_the_host() -> None:
    model = MODELS["8b"]
    assert model.step(batch(model, [], (Chunk(8192, 0),), 1)).bound_by == "compute"
    slow = GpuStepModel(LLAMA_8B, node(H100), Deployment(), replace(ENGINE, host_step_s=50e-3))
    assert slow.step(decode(slow, 1, 100)).bound_by == "host"


def test_the_host_waits_between_steps() -> None:
    # 1 ms a step and 20 us a sequence against none: 1 ms + 32 x 20 us.
    free = GpuStepModel(LLAMA_8B, node(H100), Deployment(), replace(ENGINE, host_step_s=0.0, host_sequence_s=0.0))
    with_host, without = MODELS["8b"].step(decode(free, 32, 100)), free.step(decode(free, 32, 100))
    assert with_host.latency_s - without.latency_s == pytest.approx(1.64e-3)


def test_power_rises_with_the_busier_of_units_and_memory() -> None:
    model = MODELS["8b"]
    step = model.step(decode(model, 1, 1000))
    mbu = step.bytes / (step.latency_s * 3.35e12)
    assert step.joules == pytest.approx((100.0 + 600.0 * mbu) * step.latency_s)


def test_a_lone_sequence_passes_through_all_pipeline_stages() -> None:
    # Four stages in turn take as long as one GPU with all layers would, and hops: never faster than a quarter of TP4's
    # bandwidth allows.
    model = MODELS["70b-pp4"]
    step = model.step(decode(model, 1, 1000))
    assert step.latency_s > step.bytes / 3.35e12 / 4
    assert step.latency_s > 3.5 * MODELS["70b-tp4"].step(decode(model, 1, 1000)).latency_s * 0.8


def test_experts_all_hit_make_a_mixture_as_slow_as_its_size() -> None:
    model = MODELS["mixtral"]
    few, many = model.step(decode(model, 1, 10)), model.step(decode(model, 64, 10))
    # One token: 12.7e9 of 46.4e9 weights (without embedding); 64 tokens hit all 8 experts.
    assert many.bytes / few.bytes == pytest.approx(46.4 / 12.7, rel=0.05)


def test_only_sampled_tokens_pass_the_head() -> None:
    model = MODELS["8b"]
    silent = model.step(Batch(0, 0, 0, (), 1, (Chunk(512, 0),), 0))
    sampling = model.step(Batch(31, 31, 1, (), 1, (Chunk(481, 0),), 1))
    # Same 512 tokens; 32 instead of 1 row of the head: 31 x 2 x 4096 x 128256 FLOPs more, 481^2/2 pairs for 512^2/2.
    head = 31 * 2 * 4096 * 128_256
    pairs = (481 * 482 / 2 + 31 - 512 * 513 / 2) * 16_384 * 32
    assert sampling.flops - silent.flops == pytest.approx(head + pairs)


def test_build_dispatches_on_the_family_of_the_device() -> None:
    assert isinstance(step_model(LLAMA_8B, node(H100), Deployment(), ENGINE), GpuStepModel)


def test_an_engine_may_read_an_8_bit_cache_slowly() -> None:
    # 32 layers x 2 x 8 heads x 128 bytes = 65,536 bytes a token; 1,000 tokens more at 0.77 of 3.35 TB/s take
    # 65.536e6 / 2.5795e12 = 25.41 us, at half of that 50.81 us. In 16 bits nothing changes.
    precise = Deployment(precision=Precision("bf16", "fp8"))
    slow = replace(ENGINE, constants={"narrow_cache_efficiency": 0.5})
    for engine, deployment, expected in (
        (ENGINE, precise, 25.41e-6),
        (slow, precise, 50.81e-6),
        (slow, Deployment(), 2 * 65.536e6 / (0.91 * 3.35e12)),
    ):
        model = GpuStepModel(LLAMA_8B, node(replace(H100, constants={})), deployment, engine)
        more = model.step(Batch(1, 3000, 3000, ())).latency_s - model.step(Batch(1, 2000, 2000, ())).latency_s
        assert more == pytest.approx(expected, rel=1e-3)
    # Blackwell's kernels are others: units of 4 bits tell it.
    blackwell = replace(H100, constants={}, peak_flops={**H100.peak_flops, "fp4": 4e15})
    model = GpuStepModel(LLAMA_8B, node(blackwell), precise, slow)
    more = model.step(Batch(1, 3000, 3000, ())).latency_s - model.step(Batch(1, 2000, 2000, ())).latency_s
    assert more == pytest.approx(25.41e-6, rel=1e-3)


def test_an_engine_may_do_norms_within_its_all_reduces() -> None:
    # Two kernels of 2 us fewer in each of 32 layers: 128 us; on one GPU there is no all-reduce to do them in.
    fused = replace(ENGINE, constants={"fused_kernels": 2.0})
    for gpus, saved in ((4, 128e-6), (1, 0.0)):
        deployment = Deployment(tensor_parallel=gpus)
        times = [GpuStepModel(LLAMA_8B, node(H100), deployment, engine) for engine in (ENGINE, fused)]
        plain, less = (model.step(Batch(8, 8000, 1000, ())).latency_s for model in times)
        assert plain - less == pytest.approx(saved, rel=1e-9, abs=1e-15)


def prompts_s(model: GpuStepModel, chunks: int, tokens: int) -> float:
    return model.step(Batch(0, 0, 0, (), 1, (Chunk(tokens, 0),) * chunks, chunks)).latency_s


def test_a_lone_prompt_passes_a_pipeline_no_sooner_than_one_gpu() -> None:
    # Its one micro-batch visits all 32 layers, stage after stage; two hops of a few microseconds come on top.
    one = GpuStepModel(LLAMA_8B, node(H100), Deployment(), ENGINE)
    two = GpuStepModel(LLAMA_8B, node(H100), Deployment(pipeline_parallel=2), ENGINE)
    alone = prompts_s(one, 1, 2048)
    assert alone < prompts_s(two, 1, 2048) < alone * 1.02 + 100e-6
    # Two prompts, one behind the other, take as long as one; on one GPU twice as long but for floors.
    assert prompts_s(two, 2, 2048) == pytest.approx(prompts_s(two, 1, 2048), rel=0.02)
    assert prompts_s(one, 2, 2048) > 1.8 * alone


def test_a_lone_prompt_is_one_attention_group_s() -> None:
    # Four groups, each with the whole dense model: a prompt of one is not quartered; four prompts are one each.
    one = GpuStepModel(LLAMA_8B, node(H100), Deployment(), ENGINE)
    four = GpuStepModel(LLAMA_8B, node(H100), Deployment(data_parallel=4), ENGINE)
    assert prompts_s(four, 1, 1024) == pytest.approx(prompts_s(one, 1, 1024), rel=1e-9)
    assert prompts_s(four, 4, 1024) == pytest.approx(prompts_s(one, 1, 1024), rel=0.02)


def test_prompts_that_fill_the_budget_fill_the_pipeline() -> None:
    # A chunk of all 8,192 tokens stands for the chunks of all micro-batches: half of it in each.
    one = GpuStepModel(LLAMA_8B, node(H100), Deployment(), ENGINE)
    two = GpuStepModel(LLAMA_8B, node(H100), Deployment(pipeline_parallel=2), ENGINE)
    assert prompts_s(two, 1, 8192) < 0.6 * prompts_s(one, 1, 8192)


def test_work_of_a_lone_prompt_is_counted_once() -> None:
    one = GpuStepModel(LLAMA_8B, node(H100), Deployment(), ENGINE)
    two = GpuStepModel(LLAMA_8B, node(H100), Deployment(pipeline_parallel=2), ENGINE)
    batch = Batch(0, 0, 0, (), 1, (Chunk(1000, 0),), 1)
    assert two.step(batch).flops == pytest.approx(one.step(batch).flops, rel=0.01)
