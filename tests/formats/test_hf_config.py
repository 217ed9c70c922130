"""Small configurations with the keys that Hugging Face writes, against the catalog's own entries of the same models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infermodel import catalog
from infermodel.formats.hf_config import architecture, read_hf_config
from infermodel.formats.text import FormatError

LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 131072,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 128256,
}
DEEPSEEK = {
    "model_type": "deepseek_v3",
    "first_k_dense_replace": 3,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "kv_lora_rank": 512,
    "max_position_embeddings": 163840,
    "moe_intermediate_size": 2048,
    "moe_layer_freq": 1,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_attention_heads": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 61,
    "num_key_value_heads": 128,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]},
    "torch_dtype": "bfloat16",
    "v_head_dim": 128,
    "vocab_size": 129280,
}
GPT_OSS = {
    "model_type": "gpt_oss",
    "attention_bias": True,
    "experts_per_token": 4,
    "head_dim": 64,
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "layer_types": ["sliding_attention", "full_attention"] * 12,
    "max_position_embeddings": 131072,
    "num_attention_heads": 64,
    "num_hidden_layers": 24,
    "num_key_value_heads": 8,
    "num_local_experts": 32,
    "quantization_config": {"quant_method": "mxfp4"},
    "sliding_window": 128,
    "vocab_size": 201088,
}
MAVERICK = {
    "model_type": "llama4",
    "torch_dtype": "bfloat16",
    "text_config": {
        "model_type": "llama4_text",
        "attention_chunk_size": 8192,
        "head_dim": 128,
        "hidden_size": 5120,
        "interleave_moe_layer_step": 2,
        "intermediate_size": 8192,
        "intermediate_size_mlp": 16384,
        "max_position_embeddings": 1048576,
        "no_rope_layers": [1, 1, 1, 0] * 12,
        "num_attention_heads": 40,
        "num_experts_per_tok": 1,
        "num_hidden_layers": 48,
        "num_key_value_heads": 8,
        "num_local_experts": 128,
        "vocab_size": 202048,
    },
}
QWEN3_MOE = {
    "model_type": "qwen3_moe",
    "attention_bias": False,
    "decoder_sparse_step": 1,
    "head_dim": 128,
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "max_position_embeddings": 40960,
    "max_window_layers": 94,
    "mlp_only_layers": [],
    "moe_intermediate_size": 1536,
    "num_attention_heads": 64,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 94,
    "num_key_value_heads": 4,
    "sliding_window": None,
    "torch_dtype": "bfloat16",
    "use_sliding_window": False,
    "vocab_size": 151936,
}
FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("llama-3.1-8b", LLAMA),
    (
        "mistral-7b",
        LLAMA
        | {"model_type": "mistral", "max_position_embeddings": 32768, "vocab_size": 32768, "sliding_window": None},
    ),
    (
        "mistral-nemo-12b",
        LLAMA
        | {
            "model_type": "mistral",
            "hidden_size": 5120,
            "head_dim": 128,
            "num_hidden_layers": 40,
            "sliding_window": None,
            "vocab_size": 131072,
        },
    ),
    (
        "mixtral-8x7b",
        LLAMA
        | {
            "model_type": "mixtral",
            "max_position_embeddings": 32768,
            "num_experts_per_tok": 2,
            "num_local_experts": 8,
            "sliding_window": None,
            "vocab_size": 32000,
        },
    ),
    (
        "qwen2.5-7b",
        {
            "model_type": "qwen2",
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "max_position_embeddings": 131072,
            "max_window_layers": 28,
            "num_attention_heads": 28,
            "num_hidden_layers": 28,
            "num_key_value_heads": 4,
            "sliding_window": 131072,
            "torch_dtype": "bfloat16",
            "use_sliding_window": False,
            "vocab_size": 152064,
        },
    ),
    (
        "qwen3-32b",
        {
            "model_type": "qwen3",
            "attention_bias": False,
            "head_dim": 128,
            "hidden_size": 5120,
            "intermediate_size": 25600,
            "max_position_embeddings": 40960,
            "num_attention_heads": 64,
            "num_hidden_layers": 64,
            "num_key_value_heads": 8,
            "sliding_window": None,
            "torch_dtype": "bfloat16",
            "vocab_size": 151936,
        },
    ),
    ("qwen3-235b-a22b", QWEN3_MOE),
    ("deepseek-v3", DEEPSEEK),
    ("gpt-oss-20b", GPT_OSS),
    ("llama-4-maverick", MAVERICK),
    (
        "kimi-k2",
        DEEPSEEK
        | {
            "model_type": "kimi_k2",
            "first_k_dense_replace": 1,
            "max_position_embeddings": 131072,
            "n_routed_experts": 384,
            "num_attention_heads": 64,
            "vocab_size": 163840,
        },
    ),
    (
        "glm-4.5",
        {
            "model_type": "glm4_moe",
            "attention_bias": True,
            "first_k_dense_replace": 3,
            "head_dim": 128,
            "hidden_size": 5120,
            "intermediate_size": 12288,
            "max_position_embeddings": 131072,
            "moe_intermediate_size": 1536,
            "n_routed_experts": 160,
            "n_shared_experts": 1,
            "num_attention_heads": 96,
            "num_experts_per_tok": 8,
            "num_hidden_layers": 92,
            "num_key_value_heads": 8,
            "torch_dtype": "bfloat16",
            "use_qk_norm": True,
            "vocab_size": 151552,
        },
    ),
]


def written(folder: Path, content: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


@pytest.mark.parametrize(("name", "keys"), FAMILIES)
def test_reads_what_the_catalog_says(tmp_path: Path, name: str, keys: dict[str, Any]) -> None:
    read, known = read_hf_config(written(tmp_path / name, keys)), catalog.load_model(name)
    assert read.name == name
    assert read.layers == known.layers
    assert (read.hidden, read.vocabulary, read.max_context) == (known.hidden, known.vocabulary, known.max_context)
    assert (read.tied_embeddings, read.default_precision) == (known.tied_embeddings, known.default_precision)
    assert read.parameters == known.parameters
    assert read.tower_parameters == (455_178_240 if name == "llama-4-maverick" else 0)


def test_the_first_mistral_has_a_window(tmp_path: Path) -> None:
    read = architecture(LLAMA | {"model_type": "mistral", "sliding_window": 4096}, tmp_path, "mistral")
    assert read.windows == (4096,)


def test_qwen_windows_start_at_a_layer(tmp_path: Path) -> None:
    keys = LLAMA | {
        "model_type": "qwen2",
        "use_sliding_window": True,
        "sliding_window": 1024,
        "max_window_layers": 20,
    }
    windows = [layer.attention.window for layer in architecture(keys, tmp_path, "q").layers]
    assert windows == [None] * 20 + [1024] * 12


def test_some_layers_of_a_qwen_mixture_are_dense(tmp_path: Path) -> None:
    keys = QWEN3_MOE | {"num_hidden_layers": 6, "decoder_sparse_step": 2, "mlp_only_layers": [3]}
    sparse = [hasattr(layer.feed_forward, "experts") for layer in architecture(keys, tmp_path, "q").layers]
    assert sparse == [False, True, False, False, False, True]


def test_tied_embeddings_are_counted_once(tmp_path: Path) -> None:
    loose = architecture(LLAMA, tmp_path, "a")
    tied = architecture(LLAMA | {"tie_word_embeddings": True}, tmp_path, "a")
    assert loose.parameters - tied.parameters == 128256 * 4096


@pytest.mark.parametrize(
    ("change", "precision"),
    [
        ({"torch_dtype": "float16"}, "fp16"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "int4"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 8}}, "int8"),
    ],
)
def test_precision_of_the_stored_weights(tmp_path: Path, change: dict[str, Any], precision: str) -> None:
    assert architecture(LLAMA | change, tmp_path, "a").default_precision == precision


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            LLAMA | {"model_type": "mistrall", "experts_of_mine": 3},
            "config.json: model_type 'mistrall' is not supported; the nearest that are: mistral, mistral4, ministral;"
            " 'mistral' knows nothing of experts_of_mine",
        ),
        ({}, "config.json: model_type None is not supported"),
        (LLAMA | {"num_hidden_layers": "32"}, "config.json: num_hidden_layers: expected a whole number, found '32'"),
        (GPT_OSS | {"layer_types": ["full_attention"]}, "layer_types: expected a list of num_hidden_layers entries"),
        (GPT_OSS | {"layer_types": ["linear"] * 24}, "config.json: layer_types: 'linear' is not supported"),
        (DEEPSEEK | {"moe_layer_freq": "2"}, "moe_layer_freq: expected a whole number or a list, found '2'"),
        ({"model_type": "deepseek_v2"}, "config.json: key 'num_experts_per_tok' is missing"),
        ({"model_type": "doge", "is_moe": True}, "config.json: is_moe: Doge's experts are not supported"),
        (MAVERICK | {"vision_config": {"model_type": "eyes"}}, "vision_config.model_type 'eyes' is no encoder"),
        (
            MAVERICK | {"model_type": "llava5"},
            "model_type 'llava5' is no wrapper that is known; the nearest that are: llava",
        ),
        (
            LLAMA | {"quantization_config": {"quant_method": "modelopt", "quant_algo": "INT2"}},
            "quantization_config: quant_algo 'INT2' is none of FP8",
        ),
        (LLAMA | {"torch_dtype": "int3"}, "config.json: torch_dtype: 'int3' is none of bfloat16, float16, float32"),
        (LLAMA | {"quantization_config": {"quant_method": "x"}}, "quant_method 'x' is not supported"),
        (LLAMA | {"quantization_config": "fp8"}, "quantization_config: expected an object of keys, found 'fp8'"),
        (LLAMA | {"quantization_config": {"quant_method": ["fp8"]}}, "quant_method ['fp8'] is not supported"),
        (LLAMA | {"torch_dtype": {"a": 1}}, "config.json: torch_dtype: {'a': 1} is none of bfloat16"),
        (LLAMA | {"tie_word_embeddings": "yes"}, "tie_word_embeddings: expected true or false, found 'yes'"),
        (LLAMA | {"text_config": [1]}, "text_config: expected an object of keys, found [1]"),
        (LLAMA | {"model_type": ["llama"]}, "model_type ['llama'] is not supported"),
        (LLAMA | {"num_hidden_layers": 10**9}, "num_hidden_layers: expected at most 10,000, found 1000000000"),
        (LLAMA | {"vocab_size": 10**30}, "vocab_size: expected at most 1,000,000,000, found"),
        (LLAMA | {"hidden_size": 1}, "expected at least one head of keys and values"),
        (LLAMA | {"num_key_value_heads": 0}, "expected at least one head of keys and values"),
        (GPT_OSS | {"layer_types": "full_attention"}, "layer_types: expected a list of num_hidden_layers entries"),
        (GPT_OSS | {"layer_types": [[]] * 24}, "layer_types: expected a word or a number for each layer"),
        (QWEN3_MOE | {"mlp_only_layers": 3}, "mlp_only_layers: expected a list of whole numbers, found 3"),
        ("[1]", "config.json: expected a JSON object of configuration keys"),
        ('{\n "a": 1,\n oops}', "config.json:3:2: Expecting property name enclosed in double quotes"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(FormatError) as error:
        read_hf_config(written(tmp_path, content))
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read"):
        read_hf_config(tmp_path / "nowhere.json")


ODD = [None, True, "x", "", [], {}, [[]], {"a": 1}, 0, -1, 1, 1.5, 10**9, 10**30, [1], ["x"], float("nan")]
FURTHER = ("quantization_config", "text_config", "layer_types", "mlp_only_layers", "head_dim", "sliding_window")


@pytest.mark.parametrize("content", [LLAMA, DEEPSEEK, GPT_OSS, MAVERICK, QWEN3_MOE], ids=lambda each: str(len(each)))
def test_a_key_of_any_other_kind_is_refused_or_makes_a_model(tmp_path: Path, content: dict[str, Any]) -> None:
    for key in (*content, *FURTHER):
        for odd in ODD:
            try:
                model = architecture(content | {key: odd}, tmp_path, "a")
            except FormatError:
                continue
            assert model.parameters > 0
            assert 1 <= len(model.layers) <= 10_000
            assert all(layer.attention.kv_elements > 0 for layer in model.layers)
