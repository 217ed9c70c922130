#!/usr/bin/env bash
# gguf 0.19.0: a tensor has two shapes in its reader, in opposite order, and the second counts bytes.
#
# Expected: `tensor.shape` and `tensor.data.shape` are the shape that was written, 32 rows of 64.
# Instead:  `shape` is reversed, fastest axis first as the file stores it: (64, 32). `data.shape` keeps the order of
#           numpy, and for a quantised tensor its last axis is bytes: 68, the size of two blocks of Q8_0.
# Output:   written (32, 64): F32 shape (64, 32), data (32, 64); Q8_0 shape (64, 32), data (32, 68)
# Matters:  rows and columns of a projection tell grouped-query heads from hidden size; read from `shape` they swap,
#           and parameters counted from `data.shape` come out 6 % high for Q8_0 and at 56 % for Q4_0.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check gguf==0.19.0
"$dir/venv/bin/python" - "$dir/a.gguf" <<'EOF'
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

weights = np.linspace(-1, 1, 32 * 64, dtype=np.float32).reshape(32, 64)
writer = gguf.GGUFWriter(sys.argv[1], "llama")
for kind in (Type.F32, Type.Q8_0, Type.Q4_0):
    writer.add_tensor(kind.name, gguf.quantize(weights, kind), raw_dtype=kind)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
seen = {}
for tensor in gguf.GGUFReader(sys.argv[1]).tensors:
    seen[tensor.name] = tuple(int(n) for n in tensor.shape), tensor.data.shape
    assert tensor.n_elements == weights.size
    print(f"{tensor.name}: written {weights.shape}, shape {seen[tensor.name][0]}, data {tensor.data.shape}")
assert seen == {"F32": ((64, 32), (32, 64)), "Q8_0": ((64, 32), (32, 68)), "Q4_0": ((64, 32), (32, 36))}
EOF
echo "as stated"
