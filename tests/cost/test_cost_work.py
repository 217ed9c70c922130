from __future__ import annotations

import pytest
from tests.cost.gpu_fixtures import LLAMA_8B, LLAMA_70B, MIXTRAL, R1

from infermodel.architecture import GroupedAttention, Layer
from infermodel.cost.layers import layer_bytes
from infermodel.cost.step import Chunk
from infermodel.cost.work import (
    Shard,
    attention_flops_per_pair,
    attention_operators,
    chunk_context,
    chunk_pairs,
    experts_hit,
    feed_forward_operators,
    head_operator,
    kv_elements_per_token,
)


def test_shards_of_a_70b_layer() -> None:
    # 8 GPUs: 8 of 64 query heads and one KV head of 128: (8 + 2) x 128 columns; 28672/8 = 3584 feed-forward columns.
    layer = LLAMA_70B.layers[0]
    shard = Shard(tensor_parallel=8)
    operators = [
        *attention_operators(layer.attention, 8192, shard),
        *feed_forward_operators(layer.feed_forward, 8192, shard),
    ]
    assert [(o.name, o.inputs, o.outputs) for o in operators] == [
        ("qkv", 8192, 1280),
        ("o", 1024, 8192),
        ("gate_up", 8192, 7168),
        ("down", 3584, 8192),
    ]


@pytest.mark.parametrize("model", [LLAMA_8B, LLAMA_70B, MIXTRAL, R1], ids=lambda model: model.name)
def test_operators_hold_every_weight_of_the_model_once(model) -> None:
    # Biases, latent norms and the final norm are left out: below a millionth of the weights.
    layers = sum(layer_bytes(layer, model.hidden, Shard(), "bf16") for layer in model.layers) / 2
    assert layers + 2 * head_operator(model, Shard()).parameters == pytest.approx(model.parameters, rel=1e-5)


def test_eight_shards_hold_what_one_holds_while_kv_heads_last() -> None:
    layer = LLAMA_70B.layers[0]
    eighth, whole = (layer_bytes(layer, 8192, shard, "fp8") - 4 * 8192 for shard in (Shard(8), Shard()))
    assert 8 * eighth == whole


def test_kv_heads_replicate_beyond_their_number() -> None:
    attention = GroupedAttention(heads=32, kv_heads=8, head_dim=128)
    assert kv_elements_per_token(attention, Shard(8)) == kv_elements_per_token(attention, Shard(16)) == 2 * 128


def test_a_latent_is_on_every_gpu_whole() -> None:
    assert kv_elements_per_token(R1.layers[0].attention, Shard(8)) == 512 + 64


def test_experts_hit_against_a_count_of_all_draws() -> None:
    # 3 experts, each token takes one, two tokens: 9 equal outcomes, 3 hit one expert and 6 hit two: 15/9.
    assert experts_hit(3, 1, 2) == pytest.approx(15 / 9)
    assert experts_hit(128, 4, 1) == pytest.approx(4)
    assert experts_hit(8, 2, 1000) == pytest.approx(8)


def test_experts_are_cut_or_dealt() -> None:
    layer: Layer = MIXTRAL.layers[0]
    cut = feed_forward_operators(layer.feed_forward, 4096, Shard(tensor_parallel=4))[1]
    dealt = feed_forward_operators(layer.feed_forward, 4096, Shard(tensor_parallel=4, expert_parallel=4))[1]
    assert (cut.outputs, cut.experts_here) == (2 * 14336 / 4, 8)
    assert (dealt.outputs, dealt.experts_here) == (2 * 14336, 2)
    assert cut.parameters == dealt.parameters


def test_attention_flops_of_a_prompt() -> None:
    # A prompt of 1,000 tokens: 1000 x 1001 / 2 pairs of 4 x 32 x 128 FLOPs, 32 layers: 0.262 TFLOP.
    pairs = chunk_pairs(Chunk(1000, 0), None)
    flops = 32 * pairs * attention_flops_per_pair(LLAMA_8B.layers[0].attention, Shard(), absorbed=False)
    assert flops == 32 * 500_500 * 16_384


def test_chunks_of_a_prompt_add_up_to_the_prompt() -> None:
    for window in (None, 100, 700, 5000):
        whole = chunk_pairs(Chunk(1000, 0), window)
        assert chunk_pairs(Chunk(600, 0), window) + chunk_pairs(Chunk(400, 600), window) == whole
        assert whole == sum(min(i + 1, window or 10**9) for i in range(1000))


def test_absorbed_latent_attention_does_242_flops_a_byte() -> None:
    # 128 heads x 2 x (512 + 64 + 512) FLOPs on 576 numbers of 2 bytes: 278,528 / 1,152.
    attention = R1.layers[0].attention
    flops = attention_flops_per_pair(attention, Shard(), absorbed=True)
    assert flops / (2 * kv_elements_per_token(attention, Shard())) == pytest.approx(241.8, abs=0.05)
    # Not absorbed: 128 x 2 x (128 + 64 + 128).
    assert attention_flops_per_pair(attention, Shard(), absorbed=False) == 81_920


def test_a_windowed_chunk_reads_its_window() -> None:
    assert chunk_context(Chunk(10, 1000), None) == 1010
    assert chunk_context(Chunk(10, 1000), 128) == 138
    assert chunk_context(Chunk(10, 20), 128) == 30
