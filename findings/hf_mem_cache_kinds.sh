#!/usr/bin/env bash
# hf-mem 0.5.6: the KV cache it estimates knows neither latent attention nor layers that keep no cache.
#
# Expected: DeepSeek-V3 keeps 512 + 64 numbers a layer and token; Qwen3-Next keeps keys and values in 12 of its 48 layers.
# Instead:  every layer is given keys and values of all its heads. `kv_lora_rank` is not read, the head is hidden size over
#           heads (56, which no tensor of that model has). Linear-attention layers count as sliding windows, and those,
#           beside layers of full attention, are given the full context.
# Output:   bytes a token at 16 bit: DeepSeek-V3 1748992 for 70272, Qwen3-Next 98304 for 24576
# Matters:  the two designs that were made to shrink the cache look as if they had not: 25 and 4 times too few fit.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check hf-mem==0.5.6
"$dir/venv/bin/python" - <<'EOF'
from hf_mem.safetensors import compute_safetensors_kv_cache_size

deepseek = {"hidden_size": 7168, "num_attention_heads": 128, "num_key_value_heads": 128, "num_hidden_layers": 61,
            "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}
qwen = {"hidden_size": 2048, "num_attention_heads": 16, "num_key_value_heads": 2, "num_hidden_layers": 48,
        "head_dim": 256, "layer_types": 12 * (3 * ["linear_attention"] + ["full_attention"])}
estimates = [compute_safetensors_kv_cache_size(config, "BF16", max_model_len=1) for config in (deepseek, qwen)]
kept = [61 * (512 + 64) * 2, 12 * 2 * 2 * 256 * 2]  # 2 B for each number
print(f"bytes a token at 16 bit: DeepSeek-V3 {estimates[0]} for {kept[0]}, Qwen3-Next {estimates[1]} for {kept[1]}")
assert estimates == [61 * 2 * 128 * (7168 // 128) * 2, 48 * 2 * 2 * 256 * 2] == [1748992, 98304]
EOF
echo "as stated"
