#!/usr/bin/env bash
# transformers 5.23.0: `num_kv_heads` of Falcon says 71 in a model that has one KV head.
#
# Expected: a key named so, with a value, is the number of key-value heads.
# Instead:  where `multi_query` is true and `new_decoder_architecture` false (the class's defaults, the shape of the 7B
#           model) it is filled with the number of heads and means nothing; GPT-BigCode, with the same flag, says 1.
# Output:   falcon: multi_query True, num_kv_heads 71 of 71; gpt_bigcode: multi_query True, num_key_value_heads 1
# Matters:  multi-query attention was this model's point: read by the key, its KV cache is 71 times too large.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0
"$dir/venv/bin/python" - <<'EOF'
from transformers import AutoConfig

falcon, bigcode = AutoConfig.for_model("falcon"), AutoConfig.for_model("gpt_bigcode")
print(f"falcon: multi_query {falcon.multi_query}, num_kv_heads {falcon.num_kv_heads} of {falcon.num_attention_heads}; "
      f"gpt_bigcode: multi_query {bigcode.multi_query}, num_key_value_heads {bigcode.num_key_value_heads}")
assert falcon.multi_query and not falcon.new_decoder_architecture
assert falcon.num_kv_heads == falcon.num_attention_heads == 71
assert bigcode.multi_query and bigcode.num_key_value_heads == 1
EOF
echo "as stated"
