"""What weights scaled by blocks, and norms over all heads, cost a step beside their multiplications."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infermodel import catalog
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.fixed import summed_s
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.replica import gpu_replica
from infermodel.cost.step import Batch, Chunk

H100 = catalog.load_system("dgx-h100")
VLLM = catalog.load_engine("vllm-0.14")
MINIMAX = catalog.load_model("minimax-m2.5")
FP8 = Precision("fp8", "bf16", "fp8")
LAYOUT = Deployment(tensor_parallel=4, expert_parallel=4, precision=FP8, max_context=16384)


def seconds(architecture, batch: Batch) -> float:
    return GpuStepModel(architecture, H100, LAYOUT, VLLM).step(batch).latency_s


def test_tokens_are_scaled_before_each_dense_multiplication() -> None:
    # 62 layers, qkv and o: 124 small kernels of 2 us; the router keeps 16 bits, the experts' own are counted already.
    by_tensor = replace(MINIMAX, fp8_in_blocks=False)
    batch = Batch(4, 4000, 1000)
    (_, _, operators), *_ = gpu_replica(MINIMAX, H100, LAYOUT, VLLM).layers
    assert gpu_replica(MINIMAX, H100, LAYOUT, VLLM).scaling(operators) == 2
    assert gpu_replica(by_tensor, H100, LAYOUT, VLLM).scaling(operators) == 0
    more_s = seconds(MINIMAX, batch) - seconds(by_tensor, batch)
    assert 124 * 2e-6 <= more_s <= 1.15 * 124 * 2e-6  # and a little for multiplications that are slower


def test_prompts_in_blocks_take_as_much_longer_as_their_multiplications() -> None:
    batch = Batch(0, 0, 0, (), 1, (Chunk(8192, 0),), 1)
    by_tensor = replace(MINIMAX, fp8_in_blocks=False)
    share = gpu_replica(MINIMAX, H100, LAYOUT, VLLM).constants.block_scaled_efficiency
    assert 1 < seconds(MINIMAX, batch) / seconds(by_tensor, batch) < 1 / share


def test_norms_over_all_heads_are_summed_over_gpus() -> None:
    # A mean square of queries and one of keys, 8 bytes a token, once in each of 62 layers.
    attention = replace(MINIMAX.layers[0].attention, wide_qk_norm=False)
    narrow = replace(MINIMAX, layers=tuple(replace(layer, attention=attention) for layer in MINIMAX.layers))
    batch, replica = Batch(8, 8000, 1000), gpu_replica(MINIMAX, H100, LAYOUT, VLLM)
    more_s = seconds(MINIMAX, batch) - seconds(narrow, batch)
    assert more_s == pytest.approx(62 * summed_s(replica, 8 * 8.0, 4), rel=1e-6)


def test_scales_of_sixteen_numbers_are_found_on_the_way_where_the_device_has_the_format() -> None:
    # Llama 70B in nvfp4: qkv, o, gate_up and down of a layer on Blackwell, none on Hopper, which widens the weights.
    llama, nvfp4 = catalog.load_model("llama-3.3-70b"), Precision("nvfp4", "fp8", "fp4")
    layout = Deployment(precision=nvfp4, max_context=16384)
    for system, kernels in (("dgx-b200", 4), ("dgx-h100", 0)):
        replica = gpu_replica(llama, catalog.load_system(system), layout, VLLM)
        (_, _, operators), *_ = replica.layers
        assert replica.scaling(operators) == kernels


def test_where_weights_are_widened_blocks_cost_nothing() -> None:
    # An A100 multiplies in 16 bits whatever the weights are kept in.
    qwen, layout = catalog.load_model("qwen3-14b"), Deployment(precision=FP8, max_context=16384)
    assert gpu_replica(qwen, H100, layout, VLLM).blocks
    assert not gpu_replica(qwen, catalog.load_system("dgx-a100"), layout, VLLM).blocks
