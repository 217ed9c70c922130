#!/usr/bin/env bash
# hf-mem 0.5.6: one model's KV cache is twice as large in safetensors as in GGUF.
#
# Expected: the cache depends on layers, heads, their width and the type, not on the file that the weights came in.
# Instead:  the width of a head is read from `head_dim` of the one format, and from the other always worked out as hidden
#           size over heads; the header's `attention.key_length` is not read. Qwen3-0.6B has 16 heads of 128 over 1,024.
# Output:   Qwen3-0.6B, 40960 tokens at 16 bit: 4.70 GB as safetensors, 2.35 GB as GGUF
# Matters:  memory for the same model on two engines is compared by these numbers; wherever heads are wider or narrower
#           than that (Qwen3's small models, Gemma, Mistral-Nemo) they differ by the ratio of the widths.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check hf-mem==0.5.6
"$dir/venv/bin/python" - <<'EOF'
from hf_mem.gguf.kv_cache import KV_CACHE_FIELD_ENDINGS, compute_gguf_kv_cache_size
from hf_mem.safetensors import compute_safetensors_kv_cache_size

tokens = 40_960
safetensors = compute_safetensors_kv_cache_size(
    {"hidden_size": 1024, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128},
    "BF16", max_model_len=tokens)
header = {"embedding_length": 1024, "block_count": 28, "head_count": 16, "head_count_kv": 8, "context_length": tokens,
          "key_length": 128, "value_length": 128}
gguf = compute_gguf_kv_cache_size(header, "F16")
print(f"Qwen3-0.6B, {tokens} tokens at 16 bit: {safetensors / 1e9:.2f} GB as safetensors, {gguf / 1e9:.2f} GB as GGUF")
assert safetensors == 28 * 2 * 8 * 128 * 2 * tokens
assert gguf == 28 * 2 * 8 * (1024 // 16) * 2 * tokens
assert "key_length" not in KV_CACHE_FIELD_ENDINGS  # what it takes from a file's header
EOF
echo "as stated"
