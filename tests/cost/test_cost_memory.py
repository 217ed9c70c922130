from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.cost.gpu_fixtures import ENGINE, H100, H200, LLAMA_8B, LLAMA_70B, R1, WINDOWED, node
from tests.kit.tiny_config import TINY

from infermodel.cost.block_pool import KvMemory, WindowGroups, groups_of
from infermodel.cost.block_pool import block_bytes as pool_block_bytes
from infermodel.cost.deployment import Deployment, Precision
from infermodel.cost.gpu import GpuStepModel
from infermodel.cost.memory import integer_ratio, kv_memory
from infermodel.cost.step import Batch, DoesNotFit
from infermodel.formats.hf_config import architecture

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


def test_windowed_layers_take_their_blocks_from_the_same_pool() -> None:
    """18 layers of 2 x 8 x 64 x 2 = 2,048 bytes in each of two groups: a block of 16 tokens has 589,824 bytes. One
    sequence of 131,072 tokens is charged 8,192 blocks, and in windows of 128 those of 127 and one more token: 8, and 1.
    """
    deployment = small(precision=Precision("mxfp4", "bf16", "bf16"))
    memory = kv_memory(WINDOWED, H100, deployment, BARE)
    assert memory.bytes_per_token == 73_728
    free = 0.9 * 85.5e9 - memory.weights_bytes - 2 * 4 * (2880 + 2 * 2880) - (2 * 2880 + 201088 * 6)
    assert memory.blocks == int(free / 589_824)
    assert memory.tokens == int(memory.blocks / (8192 + 9) * 131_072) // 16 * 16
    assert memory.longest == (memory.blocks - 9) * 16


@pytest.mark.parametrize(
    ("layers", "ahead", "groups", "block_bytes", "held", "most"),
    [
        # gpt-oss-120b and -20b: as many of each kind; (127 + 16,384) / 16 = 1,031.9, and one.
        ({None: 18, 128: 18}, True, {None: 1, 128: 1}, 18 * 2048 * 16, 9, 1033),
        ({None: 12, 128: 12}, True, {None: 1, 128: 1}, 12 * 2048 * 16, 9, 1033),
        # Without asynchronous scheduling: (127 + 8,192) / 16 = 519.9, and one.
        ({None: 18, 128: 18}, False, {None: 1, 128: 1}, 18 * 2048 * 16, 9, 521),
        # Gemma 3 27B: 10 layers see all, 52 see 1,024 and make 6 groups of up to 9; the pool has blocks of 10 layers.
        ({None: 10, 1024: 52}, True, {None: 1, 1024: 6}, 10 * 2048 * 16, 65, 1089),
        # 13 layers and 12, fewer than half as many again: one group each, padded to 13 (gpt-oss-20b with a draft).
        ({None: 13, 128: 12}, True, {None: 1, 128: 1}, 13 * 2048 * 16, 9, 1033),
        # Mistral 7B v0.1: all 32 layers see 4,096, one group without any that sees all.
        ({4096: 32}, True, {4096: 1}, 32 * 2048 * 16, 257, 1281),
    ],
)
def test_groups_and_blocks_are_those_of_the_engine(
    layers: dict[int | None, int],
    ahead: bool,
    groups: dict[int | None, int],
    block_bytes: float,
    held: int,
    most: int,
) -> None:
    """By hand from vLLM 0.33.0: the smallest kind of layers makes a group, the others groups of its size; a window is
    charged its tokens but one and what may be in flight (a budget of 8,192, twice that where a step is composed while
    one runs), in whole blocks, and one more since it may begin within a block.
    """
    per_token = {window: 2048.0 * count for window, count in layers.items()}
    assert groups_of(per_token) == groups
    assert pool_block_bytes(layers, per_token, groups, 16) == block_bytes
    (window,) = (window for window in layers if window is not None)
    found = WindowGroups.of(window, groups[window], 16, 8192 * (1 + ahead), int(ahead))
    assert (found.held, found.most) == (held, most)


def test_a_pool_without_layers_that_see_all_has_no_longest_sequence() -> None:
    """32 layers with a window of 4,096: any prompt is charged 1,281 blocks at most, 257 hold one that decodes."""
    window = WindowGroups.of(4096, 1, 16, 16384, 1)
    room = KvMemory(0, 16, 1.0, 0.0, pool=2570, whole=0, windows=(window,))
    assert room.charged(2048) == 1281
    assert room.sequences(32_768) == 10
    assert room.fits_alone > 10_000_000
    assert KvMemory(0, 16, 1.0, 0.0, pool=1280, whole=0, windows=(window,)).fits_alone == 1279 * 16


def test_pools_apart() -> None:
    """SGLang: of 100 bytes for keys and values, 18 layers of 1 byte that see all and 18 x 0.8 with a window."""
    apart = replace(BARE, constants={"window_token_share": 0.8})
    memory = kv_memory(WINDOWED, H100, small(precision=Precision("mxfp4", "bf16", "bf16")), apart)
    free = 0.9 * 85.5e9 - memory.weights_bytes - 2 * 4 * (2880 + 2 * 2880) - (2 * 2880 + 201088 * 6)
    assert memory.tokens == int(free / (2048 * (18 + 0.8 * 18)) // 16) * 16
    assert not memory.windows


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


@pytest.mark.parametrize(
    ("said", "bits"),
    [
        ({"quant_method": "gptq", "bits": 3, "group_size": 128}, 3 + (16 + 3) / 128),
        ({"quant_method": "gptq", "bits": 4, "group_size": 32}, 4 + (16 + 4) / 32),
        ({"quant_method": "gptq", "bits": 8, "group_size": 128}, 8 + (16 + 8) / 128),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, 4 + 32 / 64),
    ],
)
def test_a_step_reads_integers_of_as_many_bits_as_the_file_has_with_their_scales(said, bits: float) -> None:
    model = architecture({**TINY, "quantization_config": said}, Path("config.json"), "tiny")
    nominal = 4 if bits < 8 else 8
    layout = Deployment(precision=Precision(model.default_precision))
    assert integer_ratio(model, layout) == pytest.approx(bits / nominal)
    # A token reads each weight of its two layers once: 8 x (8 + 2 x 4) + 8 x 8 of attention, 3 x 8 x 12 of networks.
    kept, plain = (
        GpuStepModel(each, node(H100), layout, ENGINE).step(Batch(1, 10, 10)).bytes
        for each in (model, replace(model, stored_bytes=None))
    )
    assert kept - plain == pytest.approx(2 * (8 * 16 + 64 + 288) * (bits - nominal) / 8)
    assert integer_ratio(replace(model, default_precision="bf16"), layout) == 1.0
