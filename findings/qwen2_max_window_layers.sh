#!/usr/bin/env bash
# transformers 5.23.0: `max_window_layers` of Qwen2 counts the layers WITHOUT a sliding window.
#
# Expected: at most that many layers use the window; a larger figure, a smaller KV cache.
# Instead:  the first `max_window_layers` layers attend to everything and only those after them slide. The default is 28,
#           so a model of 28 layers that says `use_sliding_window: true` has no sliding layer at all.
# Output:   28 layers, window on: max_window_layers 28 slides 0, 21 slides 7, 0 slides 28
# Matters:  reading the key by its name gives the KV cache of long prompts the wrong way round.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0
"$dir/venv/bin/python" - <<'EOF'
from transformers import AutoConfig


def sliding(limit):
    said = {} if limit is None else {"max_window_layers": limit}
    config = AutoConfig.for_model("qwen2", num_hidden_layers=28, use_sliding_window=True, sliding_window=4096, **said)
    return config.layer_types.count("sliding_attention"), config.layer_types[0], config.layer_types[-1]


print(", ".join(f"max_window_layers {limit} slides {sliding(limit)[0]}" for limit in (28, 21, 0)))
assert sliding(None) == sliding(28) == (0, "full_attention", "full_attention")
assert sliding(21) == (7, "full_attention", "sliding_attention")
assert sliding(0)[0] == 28
EOF
echo "as stated"
