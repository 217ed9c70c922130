#!/usr/bin/env bash
# guidellm 0.8.1: a mean prompt length with a minimum or maximum beside it, but no deviation, is not the mean.
#
# Expected: `prompt_tokens=1000, prompt_tokens_max=8000` is 1,000 tokens each; limits cut a spread, and none is given.
# Instead:  without a deviation lengths are uniform between the limits, and the mean stands for a limit that is missing.
# Output:   mean of lengths: 1000 alone 1000; maximum 8000: 4490; minimum 100: 549; both: 4035
# Matters:  the load is four times, or half, what the command line says, and so is every rate and price made of it.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" --quiet --disable-pip-version-check download --no-deps --only-binary=:all: guidellm==0.8.1 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import runpy
import sys
from itertools import islice

Sampler = runpy.run_path(f"{sys.argv[1]}/guidellm/utils/random.py")["IntegerRangeSampler"]


def mean(minimum=None, maximum=None, draws=50_000):
    sampler = Sampler(average=1_000, variance=None, min_value=minimum, max_value=maximum, random_seed=1)
    return sum(islice(sampler, draws)) / draws


alone, below, above, both = mean(), mean(maximum=8_000), mean(minimum=100), mean(100, 8_000)
print(f"mean of lengths: 1000 alone {alone:.0f}; maximum 8000: {below:.0f}; minimum 100: {above:.0f}; both: {both:.0f}")
assert alone == 1_000
assert abs(below - 4_500) < 60 and abs(above - 550) < 10 and abs(both - 4_050) < 60
EOF
echo "as stated"
