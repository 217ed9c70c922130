#!/usr/bin/env bash
# tdigest 0.5.2.2: percentiles of values that repeat are values that nobody measured.
#
# Expected: a sketch is off by a little in the rank: of 1,000 times that are 100 ms and 1,000 that are 5 s, p40 is 100 ms.
# Instead:  equal values become one centroid of any weight, without the bound on its size, and between two centroids the
#           digest draws a straight line. The same times with a nanosecond of noise are split up and come out right.
# Output:   1000 x 0.1 s and 1000 x 5 s: p40 1.57 s, p60 3.53 s; with noise of 1 ns: p40 0.10 s, p60 5.00 s
# Matters:  latencies rounded to milliseconds, and counts of tokens, repeat all the time: prompts that hit the cache and
#           prompts that miss it, or outputs cut at a limit, look like one broad spread, and an objective between is missed.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check tdigest==0.5.2.2
"$dir/venv/bin/python" - <<'EOF'
import random

from tdigest import TDigest


def percentiles(noise):
    random.seed(1)
    times = [0.1] * 1_000 + [5.0] * 1_000
    random.shuffle(times)
    digest = TDigest()
    digest.batch_update([time + noise * random.random() for time in times])
    return digest.percentile(40), digest.percentile(60)


equal, split = percentiles(0.0), percentiles(1e-9)
print(f"1000 x 0.1 s and 1000 x 5 s: p40 {equal[0]:.2f} s, p60 {equal[1]:.2f} s; "
      f"with noise of 1 ns: p40 {split[0]:.2f} s, p60 {split[1]:.2f} s")
assert abs(equal[0] - 1.57) < 0.01 and abs(equal[1] - 3.53) < 0.01
assert abs(split[0] - 0.1) < 0.01 and abs(split[1] - 5) < 0.01
EOF
echo "as stated"
