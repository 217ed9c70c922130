#!/usr/bin/env bash
# transformers 5.23.0: a key left out of config.json takes its family's default, whatever the sizes beside it.
#
# Expected: no `num_key_value_heads` means as many as heads; no `head_dim` means hidden size / heads; no `sliding_window`
#           means none.
# Instead:  each class has figures of its first published model. With 16 heads, hidden size 1,024 and nothing else said,
#           Llama has 16 KV heads of 64; Mistral 8 KV heads and a window of 4,096; Qwen3 32 KV heads (more than heads),
#           128 wide. `null` is not absent either: it turns Mistral's window off, and for the KV heads it is 16 to Llama
#           and an error to Mistral.
# Output:   llama 16 x 64, window None | mistral 8 x 64, window 4096 | qwen2 32 x 64, window None | qwen3 32 x 128, ...
# Matters:  the KV bytes a token of the same few lines differ eight times between families, without a word.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0
"$dir/venv/bin/python" - <<'EOF'
from transformers import AutoConfig


def shape(family, **said):
    config = AutoConfig.for_model(family, hidden_size=1024, num_attention_heads=16, **said)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return config.num_key_value_heads, width, getattr(config, "sliding_window", None)


found = {family: shape(family) for family in ("llama", "mistral", "qwen2", "qwen3")}
print(" | ".join(f"{family} {heads} x {width}, window {window}" for family, (heads, width, window) in found.items()))
assert found == {"llama": (16, 64, None), "mistral": (8, 64, 4096), "qwen2": (32, 64, None), "qwen3": (32, 128, None)}
assert shape("mistral", sliding_window=None) == (8, 64, None)
assert shape("llama", num_key_value_heads=None) == (16, 64, None)
try:
    shape("mistral", num_key_value_heads=None)
except Exception as error:  # the strict data class of huggingface-hub
    assert "num_key_value_heads" in str(error)
else:
    raise AssertionError("null was taken")
EOF
echo "as stated"
