#!/usr/bin/env bash
# gguf 0.19.0: the size label of a mixture of experts is no product; "256x20B" holds 671 billion parameters, not 5,120.
#
# Expected: 8x7B: eight times something that adds up to the model, or the experts alone.
# Instead:  the second figure is the model as one expert would see it: everything shared plus one expert. Multiplied, the
#           shared part counts once for each expert, so the error grows with the number of experts.
# Output:   8 experts: 8x7.2B, product 57.6e9 of 46.7e9; 256 experts: 256x20B, product 5120e9 of 671e9
# Matters:  file names carry this label and people size GPUs by file names; for a model of 256 experts the product is
#           seven times too high, while the figure after the x is below the active parameters as well (one expert, not 8).
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check gguf==0.19.0
"$dir/venv/bin/python" - <<'EOF'
import gguf

# total, shared by all tokens, all experts together (billions); shapes of Mixtral 8x7B and of DeepSeek-V3
for count, total, shared, label, product in ((8, 46.7, 1.6, "8x7.2B", 57.6), (256, 671.0, 17.0, "256x20B", 5120.0)):
    one_expert = (total - shared) / count
    found = gguf.size_label(int(total * 1e9), int(shared * 1e9), int(one_expert * 1e9), count)
    times, each = found.removesuffix("B").split("x")
    print(f"{count} experts: {found}, product {float(times) * float(each):.1f}e9 of {total}e9")
    assert found == label and abs(float(times) * float(each) - product) < 0.01
    assert abs(float(each) - (shared + one_expert)) < 0.5
EOF
echo "as stated"
