"""One request alone: time to first token and time per token as closed forms, every figure written out here."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import pytest

from infermodel.catalog import load_engine, load_model, load_system
from infermodel.cost.build import step_model
from infermodel.cost.deployment import Deployment
from infermodel.engine import Engine
from infermodel.hardware import System
from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.workload.arrivals import Offline
from infermodel.workload.lengths import Fixed
from infermodel.workload.traffic import OpenTraffic

INGRESS_S, TOKENISE_S, EGRESS_S = 5e-3, 2e-6, 1e-3


def alone(system: System, engine: Engine, deployment: Deployment, prompt: int, output: int) -> tuple[float, float]:
    """TTFT and TPOT of Llama 3.1 8B, simulated."""
    model = step_model(load_model("llama-3.1-8b"), system, deployment, engine)
    traffic = OpenTraffic(Offline(1), Fixed(prompt), Fixed(output))
    limits = Limits(engine.max_sequences, engine.max_batched_tokens, 16_384)
    edges = {"ingress_s": INGRESS_S, "tokenise_s": TOKENISE_S, "egress_s": EGRESS_S}
    spec = one_pool("one", model, traffic, limits, **edges)
    (record,) = simulate([spec], 1, Horizon())
    table = record.requests
    return float(table.first_token_at[0]), float(table.last_token_at[0] - table.first_token_at[0]) / (output - 1)


def test_a_cs_3_by_hand() -> None:
    """A layer of 8B has 4096 x (6144 + 4096) + 3 x 4096 x 14336 + 2 x 4096 = 218,112,000 of 8,030,261,248 weights.

    Its region: 893,064 x 0.93 x that share = 22,559 cores, side 150.2; at 0.7065 GHz and 0.889 x 0.5 cycles a
    multiply-add (those of attention count 2.2 times; 2 x 32 x 128 a token of context).
    """
    cores = 893_064 * 0.93 * 218_112_000 / 8_030_261_248
    fixed_s = (4927 + 15.41 * sqrt(cores) + 0.889 * 0.5 * 218_112_000 / cores) / 0.7065e9
    per_context_s = 0.889 * 0.5 * 2.2 * 8192 / cores / 0.7065e9
    prompt, output = 1000, 101
    system = load_system("cs-3")
    device = replace(
        system.device, effective_clock_hz=0.7065e9, mac_width_ratio=0.5, attention_mac_ratio=2.2, region_share=0.93
    )
    ttft_s, tpot_s = alone(
        replace(system, device=device), load_engine("cerebras"), Deployment(devices=1, max_context=8192), prompt, output
    )
    # The head counts as a 33rd layer. Each prompt token holds the busiest stage for a slot, the last one goes round.
    slots_s = prompt * fixed_s + per_context_s * prompt * (prompt + 1) / 2
    way_s = INGRESS_S + TOKENISE_S * prompt
    assert ttft_s == pytest.approx(way_s + slots_s + 33 * (fixed_s + per_context_s * prompt) + EGRESS_S, rel=1e-9)
    # Tokens 2 to 101 attend to 1,001 to 1,100 tokens: on average to 1,050.5.
    assert tpot_s == pytest.approx(33 * (fixed_s + per_context_s * 1050.5), rel=1e-9)
    # The clock was fitted to 1,800 tok/s at a context of 1,000.
    assert 1 / (33 * (fixed_s + per_context_s * 1000)) == pytest.approx(1800, rel=2e-3)


KERNELS = {
    "gemm_floor_s": 3.5e-6,
    "gemm_memory_efficiency": 0.85,
    "gemm_efficiency_16bit": 0.80,
    "gemm_tile_penalty": 0.15,
    "gemm_smoothness": 3.0,
    "decode_attention_floor_s": 11e-6,
    "decode_attention_efficiency_16bit": 0.90,
    "prefill_attention_memory_efficiency": 0.40,
    "prefill_attention_efficiency": 0.67,
    "elementwise_floor_s": 2.0e-6,
    "all_reduce_floor_s": 4.0e-6,
    "all_reduce_gpu_s": 0.3e-6,
    "link_efficiency": 0.75,
}
"""What the formulas below assume; the catalog's own calibration may move without moving this test."""


def h100_step_s(rows: int, sampled: int, gpus: int, context_s: float) -> float:
    """A step of Llama 3.1 8B in 16 bit on `gpus` of eight H100: 989 TFLOP/s, 3.35 TB/s, 132 SMs, NVLink of 450 GB/s."""
    read = 3.35e12 * 0.85

    def gemm_s(tokens: int, inputs: float, outputs: float) -> float:
        tiles = max(1.0, tokens / 128) * max(1.0, outputs / 128)
        started = 1 + 192 / (2 * inputs)  # a tile starts and ends as long as it reads 192 bytes of each row
        compute_s = 2 * tokens * inputs * outputs / (989e12 * 0.80) * started * (1 + 0.15 * 132 / tiles)
        memory_s = (2 * inputs * outputs + tokens * (2 * inputs + 2 * outputs)) / read
        return 3.5e-6 + (compute_s**3 + memory_s**3) ** (1 / 3)

    t = gpus
    matrices = [(4096, (4096 + 2 * 1024) / t), (4096 / t, 4096), (4096, 2 * 14336 / t), (14336 / t, 4096)]
    layer_s = sum(gemm_s(rows, inputs, outputs) for inputs, outputs in matrices)
    layer_s += 4 * 2e-6 + rows * (8 * 4096 + 1.5 * 2 * 14336 / t) * 2 / read  # norms, rotation, activation
    layer_s += 11e-6  # the attention kernel itself
    ring_s = 4e-6 + 0.3e-6 * t + 2 * (t - 1) / t * rows * 4096 * 2 / (450e9 * 0.75) if t > 1 else 0.0
    head_s = gemm_s(sampled, 4096, 128_256 / t) + 4 * 2e-6 + 8 * sampled * 128_256 / read
    return 32 * (layer_s + 2 * ring_s) + ring_s + head_s + 1.8e-3 + 30e-6 * sampled + context_s


@pytest.mark.parametrize("gpus", [1, 2, 8])
def test_a_dgx_h100_by_hand(gpus: int) -> None:
    prompt, output = 1000, 101
    system = load_system("dgx-h100")
    link = replace(system.link, bandwidth=450e9)
    device = replace(system.device, constants=KERNELS)
    engine = replace(load_engine("vllm"), host_step_s=1.8e-3, host_sequence_s=30e-6, constants={})
    deployment = Deployment(tensor_parallel=gpus, max_context=16_384)
    ttft_s, tpot_s = alone(replace(system, device=device, link=link), engine, deployment, prompt, output)
    heads, kv_heads = 32 / gpus, 8 / gpus
    # Keys and values: 2 x kv_heads x 128 numbers of 2 bytes a token and layer.
    kv_bytes = 32 * 2 * kv_heads * 128 * 2
    read_s = kv_bytes / (3.35e12 * 0.90)
    # Scores and values of each pair, and the softmax of a score, which takes as long as 64 of the head's 128 channels.
    pairs_s = prompt * (prompt + 1) / 2 * 32 * 4 * heads * (128 + 64) / (989e12 * 0.67)
    passed_s = 32 * prompt * 2 * (2 * heads + 2 * kv_heads) * 128 / (3.35e12 * 0.40)
    prefill_s = h100_step_s(prompt, 1, gpus, pairs_s + passed_s + prompt * read_s)
    assert ttft_s == pytest.approx(INGRESS_S + TOKENISE_S * prompt + prefill_s + EGRESS_S, rel=1e-9)
    decode_s = h100_step_s(1, 1, gpus, 1050.5 * read_s)
    assert tpot_s == pytest.approx(decode_s, rel=1e-9)
    # 15.0 GB of weights (and KV of 0.14 GB) at 3.35 TB/s are 4.5 ms on one GPU: the floor of any decode step
    assert tpot_s * gpus > 15.0e9 / 3.35e12
