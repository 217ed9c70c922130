"""Small configurations of every kind of layer, their totals worked out by hand beside them.

Common to most: a width of 8, 10 words (an embedding and a head of 80 each), a final norm of 8, two norms of 8 a layer.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.formats.hf_truth import figures, verdicts, windows

from infermodel.architecture import GroupedAttention, ModelArchitecture
from infermodel.formats.hf_config import architecture
from infermodel.formats.text import FormatError

SMALL: dict[str, Any] = {
    "hidden_size": 8,
    "intermediate_size": 12,
    "max_position_embeddings": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "head_dim": 3,
    "tie_word_embeddings": False,
    "vocab_size": 10,
}
AROUND = 80 + 80 + 8
NORMS = 2 * 8
GQA = 8 * (12 + 6 + 6) + 12 * 8  # 4 heads of queries, 2 of keys and values, each 3 wide; back to the width
GATED = 3 * 8 * 12
EXPERT = 3 * 8 * 5
EXPERTS = {"moe_intermediate_size": 5, "num_experts_per_tok": 2, "n_routed_experts": 4, "n_shared_experts": 1}
LATENT = {
    "kv_lora_rank": 6,
    "q_lora_rank": 5,
    "qk_nope_head_dim": 3,
    "qk_rope_head_dim": 2,
    "v_head_dim": 4,
    "num_key_value_heads": 4,
}
MLA = (8 * 5 + 5 * 4 * 5 + 5) + (8 * (6 + 2) + 6 + 6 * 4 * (3 + 4)) + 4 * 4 * 8
INDEX = {"index_n_heads": 2, "index_head_dim": 4, "index_topk": 16}
INDEXER = 5 * 2 * 4 + 8 * (4 + 2) + 2 * 4
DELTA = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 3,
    "linear_value_head_dim": 5,
    "linear_conv_kernel_dim": 4,
}
"""Keys of 2 x 3 and values of 4 x 5: 6 + 6 + 20 channels through the convolution, a gate of 20, 4 decays, 4 steps."""
DELTA_NET = 8 * (6 + 6 + 20 + 20 + 4 + 4) + 32 * 4 + 2 * 4 + 5 + 20 * 8
MAMBA = {"mamba_expand": 2, "mamba_d_state": 3, "mamba_d_conv": 4, "mamba_n_heads": 4, "mamba_n_groups": 1}
"""16 channels, and 2 x 3 with which the state is written and read: 22 through the convolution."""
MAMBA2 = 8 * (16 + 22 + 4) + 22 * (4 + 1) + 3 * 4 + 16 + 16 * 8

CASES: list[tuple[str, dict[str, Any], int, int, int, int]] = [
    # family, keys, parameters, those a token does not touch, KV numbers a token, state numbers a sequence
    ("llama", {}, AROUND + 2 * (GQA + GATED + NORMS), 0, 2 * 12, 0),
    ("llama", {"mlp_bias": True}, AROUND + 2 * (GQA + GATED + 2 * 12 + 8 + NORMS), 0, 24, 0),
    ("qwen2", {}, AROUND + 2 * (GQA + 24 + GATED + NORMS), 0, 24, 0),
    ("qwen3", {}, AROUND + 2 * (GQA + 2 * 3 + GATED + NORMS), 0, 24, 0),
    ("olmo2", {}, AROUND + 2 * (GQA + 12 + 6 + GATED + NORMS), 0, 24, 0),
    ("arcee", {}, AROUND + 2 * (GQA + 2 * 8 * 12 + NORMS), 0, 24, 0),
    ("gemma2", {"sliding_window": 5}, AROUND + 2 * (GQA + GATED + 2 * NORMS), 0, 24, 0),
    ("granite_swa", {"sliding_window": 5}, AROUND + 2 * (GQA + 4 + GATED + NORMS), 0, 24, 0),
    ("mimo_v2_flash", {"v_head_dim": 2, "sliding_window": 5, "layer_types": ["full_attention"] * 2, **EXPERTS},
     AROUND + 2 * (8 * (12 + 6 + 4) + 8 * 8 + NORMS) + GATED + 4 * EXPERT + 8 * 4 + 4, 2 * EXPERT, 2 * (6 + 4), 0),
    ("falcon", {"multi_query": True}, 80 + 80 + 16 + 2 * (8 * 12 + 8 * 8 + 2 * 8 * 32 + 16), 0, 2 * 4, 0),
    ("mixtral", {"num_local_experts": 3}, AROUND + 2 * (GQA + 3 * GATED + 24 + NORMS), 2 * GATED, 24, 0),
    ("qwen2_moe", {"num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 5,
                   "shared_expert_intermediate_size": 7, "mlp_only_layers": [0]},
     AROUND + 2 * (GQA + 24 + NORMS) + GATED + 3 * EXPERT + 24 + 3 * 8 * 7 + 8, EXPERT, 24, 0),
    ("afmoe", {**EXPERTS, "num_experts": 4, "num_shared_experts": 1, "num_dense_layers": 1, "sliding_window": 5},
     AROUND + 2 * (GQA + 8 * 12 + 6 + 2 * NORMS) + GATED + 5 * EXPERT + 32 + 4, 2 * EXPERT, 24, 0),
    ("laguna", {**EXPERTS, "num_experts": 4, "shared_expert_intermediate_size": 7,
                "num_attention_heads_per_layer": [4, 2]},
     AROUND + 2 * NORMS + (GQA + 8 * 4 + 6) + (GQA - 2 * 8 * 6 + 8 * 2 + 6) + GATED + 4 * EXPERT + 36 + 3 * 8 * 7,
     2 * EXPERT, 24, 0),
    ("granitemoe_swa", {"num_local_experts": 3, "shared_intermediate_size": 7, "sliding_window": 5},
     AROUND + 2 * (GQA + 4 + 3 * GATED + 24 + 3 * 8 * 7 + NORMS), 2 * GATED, 24, 0),
    ("glm4_moe", {**EXPERTS, "first_k_dense_replace": 1, "attention_bias": True},
     AROUND + 2 * (GQA + 24 + NORMS) + GATED + 5 * EXPERT + 8 * 4 + 4, 2 * EXPERT, 24, 0),
    ("gpt_oss", {"num_local_experts": 3, "num_experts_per_tok": 2, "sliding_window": 5},
     AROUND + 2 * (GQA + 24 + 8 + 4 + 3 * (GATED + 2 * 12 + 8) + 24 + 3 + NORMS), 2 * (GATED + 32), 24, 0),
    ("deepseek_v3", {**LATENT, **EXPERTS, "first_k_dense_replace": 1},
     AROUND + 2 * (MLA + NORMS) + GATED + 5 * EXPERT + 32 + 4, 2 * EXPERT, 2 * 8, 0),
    ("deepseek_v3", {**LATENT, **EXPERTS, "first_k_dense_replace": 1, "q_lora_rank": None},
     AROUND + 2 * (MLA - 40 - 100 - 5 + 8 * 4 * 5 + NORMS) + GATED + 5 * EXPERT + 36, 2 * EXPERT, 2 * 8, 0),
    ("deepseek_v32", {**LATENT, **EXPERTS, **INDEX, "first_k_dense_replace": 1},
     AROUND + 2 * (MLA + INDEXER + NORMS) + GATED + 5 * EXPERT + 36, 2 * EXPERT, 2 * (8 + 4), 0),
    ("glm_moe_dsa", {**LATENT, **EXPERTS, **INDEX, "first_k_dense_replace": 1, "indexer_types": ["full", "shared"]},
     AROUND + 2 * (MLA + NORMS) + INDEXER + GATED + 5 * EXPERT + 36, 2 * EXPERT, 2 * 8 + 4, 0),
    ("minimax_m3_vl_text", {"layer_types": ["full_attention", "minimax_m3_sparse"], "index_n_heads": 2,
                            "index_head_dim": 4, "index_block_size": 8, "index_topk_blocks": 2,
                            "num_local_experts": 3, "num_experts_per_tok": 2, "shared_intermediate_size": 7,
                            "mlp_layer_types": ["dense", "sparse"], "dense_intermediate_size": 12},
     AROUND + 2 * (GQA + 6 + NORMS) + GATED + 3 * GATED + 24 + 3 + 3 * 8 * 7 + 8 * 8 + 8 * 4 + 2 * 4,
     GATED, 24 + 4, 0),
    ("qwen3_next", {**DELTA, "mlp_only_layers": [0, 1], "layer_types": ["linear_attention", "full_attention"]},
     AROUND + DELTA_NET + (GQA + 8 * 12 + 6) + 2 * (GATED + NORMS), 0, 12, 4 * 3 * 5 + 3 * 32),
    ("minimax", {"num_local_experts": 2, "num_experts_per_tok": 1},
     AROUND + GQA + (8 * 12 * 4 + 12 + 12 * 8) + 2 * (2 * GATED + 16 + NORMS), 2 * GATED, 12, 4 * 3 * 3),
    ("kimi_linear", {**LATENT, **EXPERTS, "q_lora_rank": None, "num_experts": 4, "first_k_dense_replace": 2,
                     "linear_attn_config": {"num_heads": 2, "head_dim": 3, "short_conv_kernel_size": 4,
                                            "full_attn_layers": [2], "kda_layers": [1]}},
     AROUND + (MLA - 145 + 160) + (8 * (18 + 3 + 3 + 2) + 3 * 12 + 6 + 2 + 3 + 18 * 4 + 48) + 2 * (GATED + NORMS),
     0, 8, 2 * 9 + 3 * 18),
    ("bamba", {**MAMBA, "attn_layer_indices": [1]}, AROUND + MAMBA2 + GQA + 2 * (GATED + NORMS), 0, 12, 48 + 66),
    ("falcon_h1", {**MAMBA, "mamba_d_ssm": 16, "mamba_rms_norm": True},
     AROUND + 2 * (MAMBA2 + GQA + GATED + NORMS), 0, 24, 2 * (48 + 66)),
    ("granitemoehybrid", {**MAMBA, "num_local_experts": 3, "num_experts_per_tok": 2, "shared_intermediate_size": 7,
                          "layers_block_type": ["mamba", "attention"]},
     AROUND + MAMBA2 + GQA + 2 * (3 * GATED + 24 + 3 * 8 * 7 + NORMS), 2 * GATED, 12, 48 + 66),
    ("jamba", {**MAMBA, "mamba_dt_rank": 2, "attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 1},
     AROUND + (8 * 32 + 16 * (2 + 6) + 3 * 16 + 16 * 4 + 16 * 5 + 16 * 8 + 8) + GQA + 2 * (GATED + NORMS),
     0, 12, 16 * (3 + 3)),
    ("mamba", {"expand": 2, "state_size": 3, "time_step_rank": 2, "conv_kernel": 4, "intermediate_size": None},
     AROUND + 2 * (8 * 32 + 16 * 8 + 48 + 64 + 80 + 128 + 8), 0, 0, 2 * 16 * 6),
    ("nemotron_h", {"hybrid_override_pattern": "M*E-", "mamba_num_heads": 4, "mamba_head_dim": 4, "ssm_state_size": 3,
                    "n_groups": 1, **EXPERTS, "moe_latent_size": 3, "moe_shared_expert_intermediate_size": 7},
     AROUND + MAMBA2 + GQA + (4 * 2 * 3 * 5 + 36 + 2 * 8 * 7 + 2 * 8 * 3) + 2 * 8 * 12 + 4 * 8, 2 * 30, 12, 48 + 66),
    ("lfm2", {"conv_L_cache": 3, "layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False},
     AROUND + (8 * 24 + 8 * 3 + 64) + (GQA + 6) + 2 * (GATED + NORMS), 0, 12, 8 * 2),
    ("gemma3n_text", {"altup_num_inputs": 2, "laurel_rank": 3, "hidden_size_per_layer_input": 4,
                      "vocab_size_per_layer_input": 10, "num_kv_shared_layers": 1, "sliding_window": 5,
                      "layer_types": ["sliding_attention", "full_attention"]},
     AROUND + 2 * (GQA + 3 + GATED + 5 * 8 + (2 * 8 + 2 * 8 + 4 + 8) + (2 * 24 + 8) + 2 * 32)
     + 3 - 8 * 12 + 2 * 64 + 10 * 8 + 8 * 8 + 4, 0, 12, 0),
    ("gemma4_text", {"hidden_size_per_layer_input": 0, "enable_moe_block": True, "num_experts": 3, "top_k_experts": 2,
                     "moe_intermediate_size": 5, "attention_k_eq_v": True, "global_head_dim": 4, "sliding_window": 5,
                     "num_global_key_value_heads": 1, "layer_types": ["sliding_attention", "full_attention"]},
     AROUND + (GQA + 6) + (8 * (16 + 4) + 16 * 8 + 8) + 2 * (GATED + 3 * EXPERT + 24 + 8 + 3 + 7 * 8),
     2 * EXPERT, 12 + 8, 0),
]  # fmt: skip


def read(family: str, keys: dict[str, Any]) -> ModelArchitecture:
    return architecture({**SMALL, "model_type": family, "dtype": "bfloat16", **keys}, Path("config.json"), "small")


@pytest.mark.parametrize(("family", "keys", "parameters", "idle", "kv", "state"), CASES)
def test_totals_worked_out_by_hand(
    family: str, keys: dict[str, Any], parameters: int, idle: int, kv: int, state: int
) -> None:
    model = read(family, keys)
    assert (model.parameters, model.parameters - model.active_parameters) == (parameters, idle)
    assert (figures(model)["kv_elements_per_token_total"], model.state_elements) == (kv, state)


def test_a_window_and_entries_of_many_tokens(tmp_path: Path) -> None:
    """DeepSeek V4: every layer keeps a window of 5 tokens, one number of 6 each; beyond, 4 tokens share an entry of 6
    and its index of 4, or 8 share one of 6. Weights of the first kind: queries 8 x 5 + 5 x 24 + 5, keys 8 x 6 + 6,
    output 24 x 3 + 2 x 3 x 8, 4 sinks; the compressor 4 x 8 x 6 + 4 x 12 + 6 and alike for the index of 4, whose
    queries are 5 x 2 x 4 and weights 8 x 2."""
    keys = {
        **INDEX,
        **EXPERTS,
        "head_dim": 6,
        "q_lora_rank": 5,
        "o_lora_rank": 3,
        "o_groups": 2,
        "hc_mult": 2,
        "sliding_window": 5,
        "compress_rates": {"compressed_sparse_attention": 4, "heavily_compressed_attention": 8},
        "layer_types": ["compressed_sparse_attention", "heavily_compressed_attention"],
    }
    model = read("deepseek_v4", keys)
    plain = (40 + 120 + 5) + 54 + (72 + 48) + 4
    compressed = (4 * 48 + 48 + 6) + (4 * 32 + 4 * 8 + 4) + 40 + 16
    heavy = 2 * 48 + 8 * 6 + 6
    streams = 2 * ((2 + 2) * 2 * (2 * 8 + 1) + 3)
    layer = plain + 5 * EXPERT + 32 + NORMS + streams
    assert model.parameters == AROUND + 2 * layer + compressed + heavy + 2 * (2 * 8 + 1) + 1
    assert figures(model)["kv_elements_per_token_total"] == (6 + 4) / 4 + 6 / 8
    assert (windows(model), model.windows) == ("5x2", (5, 64))  # 16 entries of 4 tokens are looked at


@pytest.mark.parametrize(
    ("family", "absent", "found"),
    [
        ("mistral", ["num_key_value_heads", "sliding_window"], (8, 4, 4096)),
        ("qwen2", ["num_key_value_heads"], (32, 3, None)),
        ("qwen3", ["num_key_value_heads", "head_dim"], (32, 128, None)),
    ],
)
def test_what_a_file_leaves_out_is_its_class_s(
    family: str, absent: list[str], found: tuple[int, int, int | None]
) -> None:
    keys = {**SMALL, "num_attention_heads": 32, "hidden_size": 128, "model_type": family}
    if family == "mistral":
        del keys["head_dim"]
    left = {key: value for key, value in keys.items() if key not in absent}
    attention = architecture(left, Path("config.json"), "small").layers[0].attention
    assert isinstance(attention, GroupedAttention)
    assert (attention.kv_heads, attention.head_dim, attention.window) == found


WEIGHTS = 2 * (GQA + GATED)
REST = AROUND + 2 * NORMS


@pytest.mark.parametrize(
    ("said", "bits", "beside", "precision"),
    [
        ({"quant_method": "fp8"}, 8, 0, "fp8"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, 8 + 32 / 16384, 0, "fp8"),
        ({"quant_method": "fp8", "modules_to_not_convert": ["mlp"]}, 8, 2 * GATED, "fp8"),
        ({"quant_method": "fp8", "modules_to_not_convert": ["model.layers.0.self_attn.q_proj"]}, 8, 96, "fp8"),
        ({"quant_method": "gptq", "bits": 3, "group_size": 128}, 3 + 19 / 128, 0, "int4"),
        ({"quant_method": "awq", "bits": 4, "group_size": 32}, 4 + 20 / 32, 0, "int4"),
        ({"load_in_4bit": True}, 4.5, 0, "int4"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"]}, 4.5, 0, "nvfp4"),
        ({"quant_method": "mxfp8"}, 8.25, 0, "fp8"),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "Int8WeightOnlyConfig"}}}, 8, 0, "int8"),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {
                    "g": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "group_size": 64}}
                },
                "ignore": ["lm_head", "re:.*self_attn.*"],
            },
            4.25, 2 * GQA, "int4",
        ),
    ],
)  # fmt: skip
def test_bytes_of_quantised_weights(said: dict[str, Any], bits: float, beside: int, precision: str) -> None:
    """What no list names in the format's bits, the rest in 16."""
    model = read("llama", {"quantization_config": said})
    assert model.weights_bytes == pytest.approx((WEIGHTS - beside) * bits / 8 + (REST + beside) * 2)
    assert model.default_precision == precision


def test_mlx_takes_the_embedding_too() -> None:
    model = read("llama", {"quantization_config": {"bits": 4, "group_size": 64}})
    assert model.weights_bytes == pytest.approx((WEIGHTS + 160) * 4.5 / 8 + (8 + 2 * NORMS) * 2)


def test_what_stands_beside_says_how_it_is_kept() -> None:
    keys = {**SMALL, "model_type": "llama", "dtype": "bfloat16"}
    beside = {"quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}}
    model = architecture(keys, Path("config.json"), "small", beside)
    assert (model.weights_bytes, model.default_precision) == (WEIGHTS + 2 * REST, "fp8")


def test_nobody_says_how_it_is_kept() -> None:
    unsaid = architecture({**SMALL, "model_type": "llama"}, Path("config.json"), "small")
    named = architecture({**SMALL, "model_type": "llama", "dtype": "bfloat16"}, Path("config.json"), "small-NVFP4")
    assert [(model.default_precision, model.weights_bytes) for model in (unsaid, named)] == [("", None)] * 2


JOIN = 2 * (8 * 8 + 8) + 8
"""Of a layer that drafts: two vectors joined, each with its norm, and a norm before the head."""


@pytest.mark.parametrize(
    ("family", "keys", "layers", "each"),
    [
        ("deepseek_v3", {**LATENT, **EXPERTS, "first_k_dense_replace": 1, "num_nextn_predict_layers": 1}, 1,
         MLA + NORMS + 5 * EXPERT + 36 + JOIN),
        ("deepseek_v32", {**LATENT, **EXPERTS, **INDEX, "first_k_dense_replace": 1, "num_nextn_predict_layers": 1}, 1,
         MLA + INDEXER + NORMS + 5 * EXPERT + 36 + JOIN),
        ("nemotron_h", {"hybrid_override_pattern": "M*E-", "mamba_num_heads": 4, "mamba_head_dim": 4,
                        "ssm_state_size": 3, "n_groups": 1, **EXPERTS, "moe_shared_expert_intermediate_size": 7,
                        "num_nextn_predict_layers": 2}, 2, GQA + NORMS + 4 * 2 * 8 * 5 + 36 + 2 * 8 * 7 + JOIN),
        ("llama", {"num_nextn_predict_layers": 0}, 0, 0),
        ("mamba", {"expand": 2, "state_size": 3, "time_step_rank": 2, "conv_kernel": 4, "intermediate_size": None,
                   "num_nextn_predict_layers": 1}, 0, 0),
    ],
)  # fmt: skip
def test_layers_that_draft_are_read(family: str, keys: dict[str, Any], layers: int, each: int) -> None:
    model = read(family, keys)
    assert (len(model.drafts), model.draft_parameters) == (layers, layers * each)
    assert model.parameters == read(family, {**keys, "num_nextn_predict_layers": 0}).parameters


def test_more_layers_that_draft_than_the_model_has_are_refused() -> None:
    with pytest.raises(FormatError, match="3 layers that draft, more than the 2 of the model"):
        read("llama", {"num_nextn_predict_layers": 3})


def test_a_tower_counts_in_memory_and_not_in_a_token() -> None:
    """CLIP of width 4: a class and 4 + 1 positions, patches of 2 x 2 x 3, a layer of 4 x 16 + 2 x 4 x 6 and biases."""
    vision = {
        "model_type": "clip_vision_model",
        "hidden_size": 4,
        "intermediate_size": 6,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 4,
        "patch_size": 2,
        "num_channels": 3,
    }
    text = {**SMALL, "model_type": "llama"}
    keys = {"model_type": "llava", "text_config": text, "vision_config": vision, "dtype": "bfloat16"}
    model = architecture(keys, Path("config.json"), "small")
    tower = 4 + 5 * 4 + 12 * 4 + (64 + 16 + 48 + 10 + 16) + 16
    assert {each.name: each.parameters for each in model.towers} == {"vision": tower, "projector": 4 * 8 + 8 + 64 + 8}
    assert model.active_parameters == AROUND + WEIGHTS + 2 * NORMS


SOUND = {"model_type": "gemma3n_audio", "hidden_size": 4, "vocab_size": 6, "conf_num_attention_heads": 2,
         "conf_num_hidden_layers": 2, "conf_conv_kernel_size": 3, "input_feat_size": 8,
         "sscp_conv_channel_size": [2, 3]}  # fmt: skip


def gemma3n(**parts: Any) -> ModelArchitecture:
    text = {**SMALL, "model_type": "llama"}
    return architecture({"model_type": "gemma3n", "text_config": text, **parts}, Path("config.json"), "small")


def test_gemma_3n_hears_and_sees() -> None:
    """8 rows of a spectrum become 4, then 2. Of each block 2 networks, attention, a convolution and a norm."""
    vision = {"architecture": "mobilenetv5_300m_enc", "hidden_size": 5, "vocab_size": 7}
    model = gemma3n(vision_config={"model_type": "gemma3n_vision", **vision}, audio_config=SOUND)
    stem = (2 * 9 + 2) + (3 * 2 * 9 + 3) + 3 * 2 * 4
    block = 2 * (2 * 4 * 16 + 8) + (5 * 16 + 4 // 2 + 8) + (3 * 16 + 3 * 4 + 8) + 4
    projector = 5 * (7 + 2 + 8) + 4 * (6 + 2 + 8)
    counted = {"vision": 294_126_912, "sound": stem + 2 * block, "projector": projector}
    assert {each.name: each.parameters for each in model.towers} == counted
    # The class's own, as transformers 5.23.0 builds it; a file without an encoder has no projector of it either.
    own = {each.name: each.parameters for each in gemma3n().towers}
    assert own == {"vision": 294_126_912, "sound": 681_348_640, "projector": 2048 * (130 + 8) + 1536 * (130 + 8)}
    assert [each.parameters for each in gemma3n(vision_config=None, audio_config=SOUND).towers][1] == 4 * (6 + 2 + 8)


@pytest.mark.parametrize(
    ("name", "keys", "said"),
    [
        ("vision_config", {"architecture": "resnet50"}, "architecture 'resnet50'.*mobilenetv5_300m_enc is known"),
        ("audio_config", {"sscp_conv_kernel_size": [[3, 3]]}, "expected a number for each pair"),
        ("audio_config", {"sscp_conv_stride_size": [[2, 2], [0, 2]]}, "expected pairs of whole numbers"),
        ("audio_config", {"sscp_conv_kernel_size": [[3, 3], [3, 9]]}, "fewer rows than a convolution of 9 takes"),
    ],
)
def test_encoders_of_gemma_3n_that_nobody_built_are_refused(name: str, keys: dict[str, Any], said: str) -> None:
    part = SOUND if name == "audio_config" else {"model_type": "gemma3n_vision"}
    with pytest.raises(FormatError, match=said):
        gemma3n(**{name: {**part, **keys}})


HF_CONFIGS = Path(os.environ.get("INFERMODEL_HF_CONFIGS", "nowhere"))


@pytest.mark.skipif(not (HF_CONFIGS / "truth.csv").exists(), reason="INFERMODEL_HF_CONFIGS points to no truth.csv")
def test_counted_models_are_right_or_refused() -> None:
    found = list(verdicts(HF_CONFIGS))
    assert [each for each in found if each.outcome == "wrong"] == []
    assert Counter(each.outcome for each in found)["refused"] <= 12
