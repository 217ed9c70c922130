#!/usr/bin/env bash
# huggingface-hub 2.4.0: `parameter_count` of a safetensors header counts stored numbers, so a 4-bit layer has an eighth.
#
# Expected: the number of parameters: 4,096 x 4,096 = 16.8 million for one square layer.
# Instead:  the elements as stored. Formats that pack eight 4-bit weights into one 32-bit integer (GPTQ, AWQ,
#           compressed-tensors) report 2.1 million, in a dtype I32; the scales are counted as if they were parameters.
# Output:   16777216 weights: {'I32': 2097152, 'F16': 131072}
# Matters:  a script that sums this dictionary for a model's size, or takes FLOPs from it, is low by nearly eight times.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check huggingface-hub==2.4.0 safetensors==0.8.0 numpy==2.4.6
"$dir/venv/bin/python" - "$dir/model.safetensors" <<'EOF'
import sys

import numpy as np
from huggingface_hub import parse_local_safetensors_file_metadata
from safetensors.numpy import save_file

inputs, outputs, group = 4096, 4096, 128
save_file({"q_proj.qweight": np.zeros((inputs // 8, outputs), np.int32),
           "q_proj.scales": np.zeros((inputs // group, outputs), np.float16)}, sys.argv[1])
count = parse_local_safetensors_file_metadata(sys.argv[1]).parameter_count
print(f"{inputs * outputs} weights: {count}")
assert count == {"I32": inputs * outputs // 8, "F16": inputs * outputs // group}
EOF
echo "as stated"
