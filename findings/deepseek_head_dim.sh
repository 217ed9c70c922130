#!/usr/bin/env bash
# transformers 5.23.0: `head_dim` of DeepSeek-V3 is 64, a width that no cached tensor of it has.
#
# Expected: the width of a head: keys of 192 (128 without rotation and 64 with), values of 128; or 7,168 / 128 = 56.
# Instead:  it is the rotated part of a key alone, and `num_key_value_heads` says 128 although the model caches one latent
#           vector of 512 + 64 a layer for all heads. The usual 2 x KV heads x head_dim is 28 times what is stored.
# Output:   head_dim 64; by the usual formula 16384 numbers a token and layer, latent cache 576
# Matters:  capacity planners that read these three keys size the KV cache of this family 28 times too large.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0
"$dir/venv/bin/python" - <<'EOF'
from transformers import AutoConfig

config = AutoConfig.for_model("deepseek_v3")
usual = 2 * config.num_key_value_heads * config.head_dim
latent = config.kv_lora_rank + config.qk_rope_head_dim
print(f"head_dim {config.head_dim}; by the usual formula {usual} numbers a token and layer, latent cache {latent}")
assert config.head_dim == config.qk_rope_head_dim == 64
assert (config.qk_nope_head_dim, config.v_head_dim, config.num_key_value_heads) == (128, 128, 128)
assert (usual, latent) == (16384, 576)
EOF
echo "as stated"
