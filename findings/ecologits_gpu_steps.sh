#!/usr/bin/env bash
# ecologits 0.11.3: a model of 34 billion parameters takes twice the energy of one of 33 billion.
#
# Expected: the energy of a token grows in proportion to the parameters read for it, or more slowly.
# Instead:  it is an energy fitted to the active parameters times the number of GPUs that hold all of them, 16-bit and a
#           fifth more in 80 GB, rounded up to a power of two. It doubles at each step; sparse models pay for idle experts.
# Output:   energy of a token against 33 billion: 34 billion 2.02, 70 billion 5.50, 671 billion with 37 active 33.30
# Matters:  no size in between exists: a comparison of two models says on which side of a step they are.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check ecologits==0.11.3
"$dir/venv/bin/python" - <<'EOF'
from ecologits.impacts.llm import compute_llm_impacts


def energy(active, total):
    impacts = compute_llm_impacts(active, total, 1_000, 0, 0, 0, 0, 1.2, 0, request_latency=1e9)
    value = impacts.usage.energy.value
    return getattr(value, "mean", value)


base = energy(33, 33)
ratios = [energy(*size) / base for size in ((34, 34), (70, 70), (37, 671))]
print("energy of a token against 33 billion: 34 billion {:.2f}, 70 billion {:.2f}, 671 billion with 37 active {:.2f}"
      .format(*ratios))
assert energy(32, 32) / base < 1 < 2 < ratios[0] < 2.1
assert ratios[1] > 4 and ratios[2] > 30
EOF
echo "as stated"
