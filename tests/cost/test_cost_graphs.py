"""Captured graphs: the sizes that steps are padded to, against the sources of vLLM 0.33.0, 0.10.2 and SGLang 0.5.23."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.cost.gpu_fixtures import LLAMA_8B

from infermodel.catalog import load_engine, load_system
from infermodel.cost.defaults import PROMPT_GRAPHS
from infermodel.cost.deployment import Deployment
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.graphs import graphs, largest_captured, padded
from infermodel.cost.step import Batch, Chunk

# As the sources build their lists.
VLLM = [1, 2, 4, *range(8, 256, 8), *range(256, 513, 16)]
VLLM_OLD = [1, 2, 4, *range(8, 513, 8)]
SGLANG = [1, 2, 4, 8, 12, *range(16, 257, 8), *range(272, 512, 16), 512]


@pytest.mark.parametrize(("engine", "sizes"), [("vllm", VLLM), ("vllm-0.10", VLLM_OLD), ("sglang", SGLANG)])
def test_a_step_is_padded_to_the_next_captured_size(engine: str, sizes: list[int]) -> None:
    pairs = load_engine(engine).graph_sizes
    for tokens in range(1, 513):
        assert padded(tokens, pairs, 512) == min(size for size in sizes if size >= tokens), tokens
    assert padded(513, pairs, 512) == 513


def test_the_largest_is_captured_whether_in_the_series_or_not() -> None:
    assert padded(99, load_engine("vllm").graph_sizes, 100) == 100


def test_prompts_of_sglang_have_58_sizes_up_to_8192() -> None:
    listed = [
        *range(4, 33, 4), *range(48, 257, 16), *range(288, 513, 32), *range(576, 1025, 64), *range(1280, 4097, 256),
        *range(4608, 8193, 512),
    ]  # fmt: skip
    assert graphs(PROMPT_GRAPHS, 8192) == len(listed) == 58


@pytest.mark.parametrize(
    ("engine", "system", "deployment", "decoding", "prompts"),
    [
        ("vllm", "dgx-h100", Deployment(max_sequences=1024), 512, 512),
        ("vllm", "dgx-b200", Deployment(max_sequences=1024), 1024, 1024),
        ("vllm", "dgx-h100", Deployment(max_sequences=64), 128, 128),  # twice the sequences
        ("vllm", "dgx-h100", Deployment(max_sequences=256, max_batched_tokens=256), 256, 256),
        ("vllm-0.20", "dgx-b200", Deployment(max_sequences=1024), 512, 512),
        ("sglang", "dgx-h100", Deployment(), 256, 0),
        ("sglang", "dgx-h100", Deployment(tensor_parallel=4), 512, 0),
        ("sglang", "rtx-4090-8", Deployment(), 48, 0),
        ("tensorrt-llm", "dgx-h100", Deployment(), 1 << 40, 0),
    ],
)
def test_the_largest_captured_step(
    engine: str, system: str, deployment: Deployment, decoding: int, prompts: int
) -> None:
    found = load_engine(engine).on(load_system(system).device)
    assert largest_captured(deployment, found, prompts=False) == decoding
    assert largest_captured(deployment, found, prompts=True) == prompts


def test_padding_costs_time_and_no_useful_work() -> None:
    system = load_system("dgx-h100")
    engine = load_engine("vllm").on(system.device)
    deployment = Deployment(max_sequences=1024)
    padded_steps, plain = (
        GpuStepModel(LLAMA_8B, system, deployment, each) for each in (engine, replace(engine, graph_sizes=()))
    )
    for sequences in (8, 256, 512):  # captured sizes themselves
        batch = Batch(sequences, 500 * sequences, 500)
        assert padded_steps.step(batch) == plain.step(batch)
    batch = Batch(257, 500 * 257, 500)  # run as 272
    assert padded_steps.step(batch).latency_s > plain.step(batch).latency_s
    assert padded_steps.step(batch).flops == plain.step(batch).flops
    assert padded_steps.step(batch).bytes == plain.step(batch).bytes


def test_a_chunk_that_joins_decoding_sequences_is_padded_with_them() -> None:
    system = load_system("dgx-h100")
    model = GpuStepModel(LLAMA_8B, system, Deployment(max_sequences=1024), load_engine("vllm").on(system.device))
    times = [model.step(Batch(64, 32_000, 500, (), 1, (Chunk(new, 0),), 1)).latency_s for new in (193, 208)]
    # 64 + 193 = 257 and 64 + 208 = 272 tokens are run as 272; only attention and the head tell them apart.
    assert times[0] == pytest.approx(times[1], rel=0.01)
