#!/usr/bin/env bash
# salabim 26.0.9: a seed set before the Environment is made has no effect; all replications are the same.
#
# Expected: `random.seed(run)` at the start of each replication, as with simpy, and another course of events in each.
# Instead:  making an Environment seeds Python's generator and numpy's with 1234567, unless it is given a seed or "*".
# Output:   first gap after seeds 1, 2 and 3: 3.301 3.301 3.301
# Matters:  the interval over replications has width zero, and whatever else draws numbers (a workload made with numpy
#           before and after) starts anew with each Environment.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check salabim==26.0.9
"$dir/venv/bin/python" - <<'EOF'
import random

import salabim


def first_gap(seed, **options):
    random.seed(seed)
    salabim.Environment(yieldless=False, **options)
    return salabim.Exponential(1).sample()


gaps = [first_gap(seed) for seed in (1, 2, 3)]
kept = [first_gap(seed, random_seed="") for seed in (1, 2, 3)]
print("first gap after seeds 1, 2 and 3:", *(f"{gap:.3f}" for gap in gaps))
assert len(set(gaps)) == 1 and len(set(kept)) == 3
EOF
echo "as stated"
