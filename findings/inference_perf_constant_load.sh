#!/usr/bin/env bash
# inference-perf 0.7.0: load of type "constant" is not constant: its gaps are as random as a Poisson process's.
#
# Expected: at 10 requests/s one every 100 ms, but for a little noise.
# Instead:  gaps are drawn from an exponential distribution and stretched so that they fill the stage: their coefficient
#           of variation is 1. What is constant is the number of requests in the stage, and the last one's time.
# Output:   1000 requests in 100 s, last at 100.0 s, gaps vary by 1.0 of their mean
# Matters:  a queue fed evenly waits far less than one fed at random; results of this "constant" belong beside other
#           tools' Poisson, and no tail of theirs says anything about a paced load.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install numpy==2.4.6
"${pip[@]}" download --no-deps --python-version 3.12 --only-binary=:all: inference-perf==0.7.0 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import importlib
import sys
import types

import numpy as np

for name in ("inference_perf", "inference_perf.loadgen", "inference_perf.utils"):  # without their other dependencies
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{sys.argv[1]}/{name.replace('.', '/')}"]
timer = importlib.import_module("inference_perf.loadgen.load_timer").ConstantLoadTimer(rate=10, duration=100)
times = np.array(list(timer.start_timer(0.0)))
gaps = np.diff(times, prepend=0)
variation = gaps.std() / gaps.mean()
print(f"{times.size} requests in 100 s, last at {times[-1]:.1f} s, gaps vary by {variation:.1f} of their mean")
assert times.size == 1000 and abs(times[-1] - 100) < 1e-6
assert 0.8 < variation < 1.2  # 1 for an exponential distribution, 0 for a constant load; five sigma are 0.16
EOF
echo "as stated"
