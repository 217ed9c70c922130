from __future__ import annotations

from dataclasses import replace

import pytest
from gpu_fixtures import ENGINE, H100, H200, LLAMA_8B, LLAMA_70B, R1, WINDOWED

from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.memory import kv_memory
from infermodel.cost.step import DoesNotFit

BARE = replace(ENGINE, memory_reserve_bytes=0.0)
FP8 = Precision("fp8", "bf16", "fp8")


def small(**fields) -> Deployment:
    """A deployment whose activations are negligible, so that the sum can be done by hand."""
    return Deployment(max_batched_tokens=1, max_sequences=1, **fields)


def test_llama_8b_on_one_h100() -> None:
    # 85.5e9 x 0.9 = 76.95e9; weights 8.030e9 x 2 = 16.06e9; 131,072 bytes a token:
    # (76.95e9 - 16.06e9) / 131072 = 464.5k.
    memory = kv_memory(LLAMA_8B, H100, small(), BARE)
    assert memory.bytes_per_token == 131_072
    assert memory.weights_bytes == pytest.approx(16.06e9, rel=1e-3)
    assert memory.tokens == pytest.approx(464_540, rel=1e-3)
    assert memory.tokens % 16 == 0


def test_the_reserve_and_the_activations_come_off() -> None:
    bare = kv_memory(LLAMA_8B, H100, small(), BARE)
    reserved = kv_memory(LLAMA_8B, H100, small(), ENGINE)
    assert (bare.tokens - reserved.tokens) * 131_072 == pytest.approx(1e9, abs=16 * 131_072)
    # 8,192 tokens x 2 bytes x (2 x 4096 + 3 x 14336) = 0.839e9, freed before the logits: 8,192 x 2 x 4096 + 256 x
    # 128,256 x 6 = 0.264e9.
    busy = kv_memory(LLAMA_8B, H100, Deployment(max_batched_tokens=8192, max_sequences=256), BARE)
    assert (bare.tokens - busy.tokens) * 131_072 == pytest.approx(0.839e9, rel=5e-3)


def test_an_engine_may_take_its_share_of_what_the_weights_leave() -> None:
    # TensorRT-LLM: (85.5e9 - 16.06e9) x 0.9 = 62.50e9, not 85.5e9 x 0.9 - 16.06e9 = 60.89e9: 476.8k tokens.
    memory = kv_memory(LLAMA_8B, H100, small(), replace(BARE, memory_share="free"))
    assert memory.tokens == pytest.approx(476_800, rel=1e-3)
    # Where weights nearly fill the device the two differ by much: 2.0e9 x 0.9 against 0.2e9.
    tight = replace(H100, memory_capacity_bytes=18.06e9)
    assert kv_memory(LLAMA_8B, tight, small(), replace(BARE, memory_share="free")).tokens == pytest.approx(
        2.0e9 * 0.9 / 131_072, rel=5e-3
    )


def test_r1_in_fp8_on_eight_h200_holds_about_540_thousand_tokens() -> None:
    # A latent of 576 x 2 bytes x 61 layers = 70,272 bytes a token on every GPU; weights 85.0 GB on each. With 123 GB
    # for both: 38 GB / 70,272 = 541k, not 8 x 541k: the latent is not divided.
    memory = kv_memory(R1, H200, small(tensor_parallel=8, precision=FP8, memory_utilisation=123 / 150.7), BARE)
    assert memory.bytes_per_token == 8 * 70_272
    assert memory.tokens == pytest.approx(541_000, rel=2e-3)


def test_data_parallel_attention_divides_the_latent() -> None:
    tensor = kv_memory(R1, H200, small(tensor_parallel=8, precision=FP8), BARE)
    data = kv_memory(R1, H200, small(data_parallel=8, expert_parallel=8, precision=FP8), BARE)
    # 7/8 more on each GPU of: 61 x 172M attention, 3 x 396M dense and 58 x 44M shared feed-forward in 8 bits, 2 x 927M
    # of embedding and head in 16: 15.7 GB. Latents are an eighth.
    more = 7 / 8 * (61 * 172.0e6 + 3 * 396.4e6 + 58 * 44.04e6 + 2 * 2 * 926.7e6)
    assert data.weights_bytes - tensor.weights_bytes == pytest.approx(8 * more, rel=2e-3)
    assert data.tokens == pytest.approx(8 * (tensor.tokens - more / 70_272), rel=2e-3)


def test_more_gpus_than_kv_heads_hold_no_more_per_gpu() -> None:
    eight = kv_memory(LLAMA_70B, H100, small(tensor_parallel=8), BARE)
    sixteen = kv_memory(LLAMA_70B, H100, small(tensor_parallel=16), BARE)
    assert eight.bytes_per_token == 327_680
    assert sixteen.bytes_per_token == 2 * 327_680


def test_pipeline_stages_each_hold_their_layers() -> None:
    # Two stages of 40 layers: one GPU holds (0.9 x 85.5e9 - 40 layers - embedding) / (40 x 4096 bytes).
    memory = kv_memory(LLAMA_70B, H100, small(pipeline_parallel=2), BARE)
    layer = 8192 * (64 + 16) * 128 + 64 * 128 * 8192 + 3 * 8192 * 28672 + 2 * 8192
    free = 0.9 * 85.5e9 - 2 * (40 * layer + 128256 * 8192) - (2 * 8192 + 128256 * 6)
    assert memory.tokens == int(free / (40 * 4096)) // 16 * 16


def test_windowed_layers_keep_only_their_window() -> None:
    # 18 full layers of 2 x 8 x 64 x 2 = 2,048 bytes: 36,864 a token once the windows of all sequences are set aside.
    deployment = small(precision=Precision("mxfp4", "bf16", "bf16"))
    memory = kv_memory(WINDOWED, H100, deployment, BARE)
    assert memory.bytes_per_token == 73_728
    free = 0.9 * 85.5e9 - memory.weights_bytes - 2 * 4 * (2880 + 2 * 2880) - (2 * 2880 + 201088 * 6)
    assert memory.tokens == int((free - 128 * 36_864) / 36_864) // 16 * 16


def test_140_gb_of_weights_on_one_h100() -> None:
    with pytest.raises(
        DoesNotFit,
        match=r"not fit on one H100 SXM: 141 GB of weights .*tensor_parallel 2 would do",
    ):
        kv_memory(LLAMA_70B, H100, Deployment(), ENGINE)


def test_heads_that_cannot_be_dealt() -> None:
    with pytest.raises(
        DoesNotFit, match=r"32 attention heads of Llama 3.1 8B cannot be dealt evenly to tensor_parallel 3"
    ):
        kv_memory(LLAMA_8B, H100, Deployment(tensor_parallel=3), ENGINE)
    with pytest.raises(DoesNotFit, match="32 layers, fewer than pipeline_parallel 33"):
        kv_memory(LLAMA_8B, H100, Deployment(pipeline_parallel=33), ENGINE)
    with pytest.raises(DoesNotFit, match="expert_parallel 3"):
        kv_memory(WINDOWED, H100, Deployment(expert_parallel=3), ENGINE)
