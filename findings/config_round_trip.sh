#!/usr/bin/env bash
# transformers 5.23.0: reading a config.json and writing it back removes `rope_theta` and `torch_dtype` from it.
#
# Expected: keys of the published files survive a round trip; at worst new ones are added.
# Instead:  `rope_theta` and `rope_scaling` go into `rope_parameters`, `torch_dtype` becomes `dtype`. `config.rope_theta`
#           raises AttributeError. Gemma 3 nests one level deeper, by kind of layer, where there is no single theta.
# Output:   lost: rope_scaling, rope_theta, torch_dtype; theta now at rope_parameters.rope_theta = 500000.0
# Matters:  a reader that falls back to theta 10,000 or to 32-bit weights when the key is absent does so on every
#           checkpoint saved since version 5, at twice the bytes of its weights.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0
"$dir/venv/bin/python" - "$dir" <<'EOF'
import json
import pathlib
import sys

from transformers import AutoConfig

folder = pathlib.Path(sys.argv[1])
said = {"model_type": "llama", "rope_theta": 5e5, "rope_scaling": {"rope_type": "linear", "factor": 2.0},
        "torch_dtype": "bfloat16"}
(folder / "config.json").write_text(json.dumps(said))
config = AutoConfig.from_pretrained(folder)
config.save_pretrained(folder)
saved = json.loads((folder / "config.json").read_text())
lost = sorted(set(said) - set(saved))
print(f"lost: {', '.join(lost)}; theta now at rope_parameters.rope_theta = {saved['rope_parameters']['rope_theta']}")
assert lost == ["rope_scaling", "rope_theta", "torch_dtype"] and saved["dtype"] == "bfloat16"
assert not hasattr(config, "rope_theta") and saved["rope_parameters"]["rope_theta"] == 5e5
assert "rope_theta" not in AutoConfig.for_model("gemma3_text").rope_parameters
EOF
echo "as stated"
