#!/usr/bin/env bash
# torch 2.13.0: the FLOP counter counts nothing for attention on a CPU, for grouped experts and for int8 products.
#
# Expected: what a layer multiplies, whatever device and format: 2 m n k a product, 4 heads width tokens^2 of attention.
# Instead:  operators without a formula count 0 and say nothing: fused attention of the CPU, `_grouped_mm`, `_int_mm`, and a
#           matrix times a vector. On the meta device attention is counted, and in full where a causal mask halves it.
# Output:   attention 0 on a CPU, 33,554,432 on meta, causal or not; experts 0 of 262,144; int8 0 of 65,536
# Matters:  FLOPs of a mixture of experts or of a quantised model that were counted by it lack their largest part.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" --quiet --disable-pip-version-check install torch==2.13.0
"$dir/venv/bin/python" - <<'EOF'
import warnings

warnings.filterwarnings("ignore")  # torch without numpy says so
import torch
from torch.nn.functional import scaled_dot_product_attention as attention
from torch.utils.flop_counter import FlopCounterMode


def counted(product, *tensors, **options):
    with FlopCounterMode(display=False) as counter:
        product(*tensors, **options)
    return counter.get_total_flops()


queries = torch.randn(1, 8, 128, 64)
on_meta = queries.to("meta")
experts, ends = torch.randn(4, 32, 64).bfloat16(), torch.tensor([16, 32, 48, 64], dtype=torch.int32)
ones = torch.ones(32, 32, dtype=torch.int8)
rows = [
    ("a plain product", 2 * 16 * 32 * 64, counted(torch.mm, torch.randn(16, 32), torch.randn(32, 64))),
    ("attention, CPU", 4 * 8 * 64 * 128 * 128, counted(attention, queries, queries, queries)),
    ("attention, meta", 4 * 8 * 64 * 128 * 128, counted(attention, on_meta, on_meta, on_meta)),
    ("causal, meta", 4 * 8 * 64 * 128 * 129 // 2, counted(attention, on_meta, on_meta, on_meta, is_causal=True)),
    ("four experts", 2 * 64 * 32 * 64, counted(torch._grouped_mm, torch.randn(64, 32).bfloat16(), experts, offs=ends)),
    ("int8 product", 2 * 32**3, counted(torch._int_mm, ones, ones)),
    ("matrix and vector", 2 * 64 * 32, counted(torch.mv, torch.randn(64, 32), torch.randn(32))),
]
for name, multiplied, said in rows:
    print(f"{name:18} {multiplied:>12,} multiplied and added, {said:>12,} counted")
assert [said for _, _, said in rows] == [65_536, 0, 33_554_432, 33_554_432, 0, 0, 0]
EOF
echo "as stated"
