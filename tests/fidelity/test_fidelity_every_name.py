"""Every GPU, model, layout, precision and load that rows may name can be played, and nothing absurd comes out."""

from __future__ import annotations

import itertools
import math
import random
import time
from pathlib import Path

import pytest
from tests.fidelity.measured_rows import row

from infermodel import catalog
from infermodel.architecture import ExpertFeedForward
from infermodel.cost.build import step_model
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.step import Batch, Chunk, DoesNotFit, Windowed
from infermodel.fidelity.server import compute_format, system_of
from infermodel.fidelity.validate import predict

GPUS = (
    *("a100-sxm-80gb", "a100-pcie-80gb", "l40s", "h100-sxm", "h200-sxm", "gh200", "b200", "gb200"),
    *("rtx-pro-6000", "rtx-4090", "mi300x"),
)
MODELS = (
    *("llama-2-7b", "llama-2-70b", "llama-3.1-8b", "llama-3.1-70b", "llama-3.3-70b", "llama-3.1-405b", "codellama-34b"),
    *("mistral-7b", "mistral-nemo-12b", "mixtral-8x7b", "mixtral-8x22b", "qwen2.5-7b", "qwen3-14b", "qwen3-32b"),
    *("qwen3-30b-a3b", "qwen3-235b-a22b", "gpt-oss-20b", "gpt-oss-120b", "deepseek-r1"),
    *("llama-4-scout", "llama-4-maverick", "yi-34b"),
)
SWITCHED = ("a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200", "gb200", "mi300x")
"""GPUs that are joined by switches or a full mesh: more of them are never slower in large batches."""

BATCHES = (1, 4, 16, 64, 256)
CONTEXT = 2048


def served(gpu: str, model: str, weights: str, gpus: int) -> GpuStepModel | None:
    """A replica on tensor-parallel GPUs; None where it does not fit."""
    system = system_of(gpu)
    precision = Precision(weights, "bf16", compute_format(weights, system.device))
    deployment = Deployment(tensor_parallel=gpus, precision=precision, memory_utilisation=0.97)
    try:
        found = step_model(catalog.load_model(model), system, deployment, catalog.load_engine("vllm"))
    except DoesNotFit:
        return None
    assert isinstance(found, GpuStepModel)
    return found


def decode_s(model: GpuStepModel, sequences: int) -> float:
    seen = tuple(Windowed(sequences * min(window, CONTEXT), 0) for window in model.windows)
    return model.step(Batch(sequences, sequences * CONTEXT, CONTEXT, seen)).latency_s


def prompt_s(model: GpuStepModel, tokens: int) -> float:
    seen = tuple(Windowed(0, 0) for _ in model.windows)
    return model.step(Batch(0, 0, 0, seen, 1, (Chunk(tokens, 0),), 1)).latency_s


@pytest.mark.parametrize("gpu", GPUS)
def test_steps_of_every_model_keep_to_physics(gpu: str) -> None:
    device = system_of(gpu).device
    for model in MODELS:
        steps: dict[tuple[str, int], list[float]] = {}
        for weights, gpus in itertools.product(("bf16", "fp8"), (2, 4)):
            replica = served(gpu, model, weights, gpus)
            if replica is None:
                continue
            where = f"{model} in {weights} on {gpus} {gpu}"
            times = steps[weights, gpus] = [decode_s(replica, n) for n in BATCHES]
            # More sequences take longer, but less than in proportion.
            for fewer, more in itertools.pairwise(times):
                assert fewer < more < 4 * fewer * 1.01, where
            # A step of 256 cannot beat the peaks: every weight that the batch touches is read once, and multiplied.
            work = replica.step(
                Batch(256, 256 * CONTEXT, CONTEXT, tuple(Windowed(256 * min(w, CONTEXT), 0) for w in replica.windows))
            )
            assert work.latency_s > work.bytes / (device.memory_bandwidth * gpus), where
            assert work.latency_s > work.flops / (max(device.peak_flops.values()) * gpus), where
            assert prompt_s(replica, 512) < prompt_s(replica, 2048) < prompt_s(replica, 8192), where
        for gpus in (2, 4):
            if ("bf16", gpus) in steps and ("fp8", gpus) in steps:
                assert steps["fp8", gpus][-1] < steps["bf16", gpus][-1], f"{model} on {gpus} {gpu}"
        if gpu in SWITCHED and ("fp8", 2) in steps:
            assert steps["fp8", 4][-1] < steps["fp8", 2][-1], f"{model} on {gpu}"
            assert steps["fp8", 4][-1] > steps["fp8", 2][-1] / 2, f"{model} on {gpu}"


@pytest.mark.parametrize(
    ("faster", "slower"),
    [("h100-sxm", "a100-sxm-80gb"), ("h200-sxm", "h100-sxm"), ("b200", "h200-sxm"), ("gb200", "b200"),
     ("a100-sxm-80gb", "l40s"), ("rtx-pro-6000", "l40s"), ("mi300x", "a100-sxm-80gb"),
     ("l40s", "l4"), ("rtx-5090", "rtx-4090"), ("h200-sxm", "h200-nvl"), ("mi355x", "mi325x"), ("rubin", "gb300")],
)  # fmt: skip
def test_a_faster_gpu_is_faster(faster: str, slower: str) -> None:
    for model in MODELS:
        quick, slow = (served(gpu, model, "bf16", 2) for gpu in (faster, slower))
        if quick is None or slow is None:
            continue
        assert decode_s(quick, 64) <= decode_s(slow, 64), model
        assert prompt_s(quick, 4096) <= prompt_s(slow, 4096), model


FLOATING_4_BITS = ("b200", "gb200", "rtx-pro-6000")
ENGINES = (
    *(("vllm", version) for version in ("0.6.3", "0.11.0", "0.18.0", "")),
    *(("sglang", version) for version in ("0.4.6", "0.5.9")),
    *(("tensorrt-llm", version) for version in ("0.9.0", "1.1.0rc2")),
    ("trtllm", ""),
)
LOADS = (
    {"load": "closed", "concurrency": 1.0, "requests": 3.0},
    {"load": "closed", "concurrency": 64.0, "requests": 128.0},
    {"load": "closed", "concurrency": 512.0, "requests": 600.0, "length_spread": "fixed"},
    {"load": "closed", "concurrency": 32.0, "requests": 64.0, "max_sequences": 4.0},
    {"load": "closed", "concurrency": 16.0, "requests": 32.0, "prompt_tokens": 1.0, "output_tokens": 1.0},
    {"load": "closed", "concurrency": 2.0, "requests": 4.0, "prompt_tokens": 60000.0, "output_tokens": 20.0},
    {"load": "poisson", "request_rate_per_s": 0.05, "requests": 20.0},
    {"load": "poisson", "request_rate_per_s": 1000.0, "requests": 500.0},
    {"load": "poisson", "request_rate_per_s": math.inf, "requests": 200.0},
    {"load": "poisson", "request_rate_per_s": 8.0},
    {"load": "offline", "requests": 400.0},
    {"load": "single"},
)


def some_rows(count: int) -> list[dict[str, object]]:
    """Rows drawn from everything that rows may name."""
    drawn = random.Random(7)
    found = []
    for _ in range(count):
        model, gpu = drawn.choice(MODELS), drawn.choice(GPUS)
        engine, version = drawn.choice(ENGINES)
        weights = drawn.choice(["bf16", "fp16", "fp8", *["nvfp4"] * (gpu in FLOATING_4_BITS)])
        tensor, pipeline, groups = drawn.choice([(1, 1, 1), (2, 1, 1), (4, 1, 1), (8, 1, 1), (4, 2, 1), (4, 1, 2)])
        layer = catalog.load_model(model).layers[-1]
        spread = isinstance(layer.feed_forward, ExpertFeedForward) and drawn.random() < 0.5
        found.append(
            {
                "model": model,
                "gpu": gpu,
                "engine": engine,
                "engine_version": version,
                "weights_precision": "mxfp4" if model.startswith("gpt-oss") else weights,
                "kv_precision": drawn.choice(["bf16", "fp8"]),
                "tensor_parallel": tensor,
                "pipeline_parallel": pipeline,
                "expert_parallel": tensor * groups if spread else 1,
                "gpus": tensor * pipeline * groups,
                **drawn.choice(LOADS),
            }
        )
    return found


def check_playable(fields: dict[str, object]) -> None:
    """Figures for what fits, soon; for the rest the reason, which is room or heads that cannot be dealt."""
    begin = time.process_time()
    played = predict(row(**fields), Path())
    assert time.process_time() - begin < 20
    if played.replayed is None:
        assert any(words in played.skipped for words in ("does not fit", "heads", "no request fits")), played.skipped
        return
    predicted = played.replayed.predicted
    assert all(math.isfinite(figure) and figure > 0 for figure in predicted.values()), fields
    assert predicted["ttft_mean_ms"] <= predicted["e2e_mean_ms"] * (1 + 1e-9)


@pytest.mark.parametrize("fields", some_rows(60), ids=lambda fields: f"{fields['model']}-{fields['gpu']}")
def test_whatever_a_row_names_is_played(fields: dict[str, object]) -> None:
    check_playable(fields)


@pytest.mark.slow
@pytest.mark.parametrize("fields", some_rows(1500)[60:], ids=lambda fields: f"{fields['model']}-{fields['gpu']}")
def test_whatever_many_rows_name_is_played(fields: dict[str, object]) -> None:
    check_playable(fields)
