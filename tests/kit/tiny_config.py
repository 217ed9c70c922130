"""A checkpoint's `config.json` small enough to be summed by hand."""

from __future__ import annotations

TINY = {
    "model_type": "qwen2",
    "dtype": "bfloat16",
    "hidden_size": 8,
    "intermediate_size": 12,
    "max_position_embeddings": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "vocab_size": 10,
}
