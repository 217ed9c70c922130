#!/usr/bin/env bash
# inference-perf 0.7.0: load of type "poisson" has a request at every whole second.
#
# Expected: arrivals of a Poisson process: no moment is special.
# Instead:  each second gets a Poisson number of requests, spread at random but stretched so that the last one falls on
#           the second's end; a second's only request therefore always arrives on the full second.
# Output:   0.5 requests/s: 79 % of the arrivals at whole seconds; 1: 62 %; 10: 10 % (a draw; 79, 63 and 10 expected)
# Matters:  at the low rates of large models most arrivals sit on one clock edge: gaps cluster at whole seconds, so what
#           such a run says about bunched arrivals is not what a Poisson process does.
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
import itertools
import sys
import types

import numpy as np

for name in ("inference_perf", "inference_perf.loadgen", "inference_perf.utils"):  # without their other dependencies
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{sys.argv[1]}/{name.replace('.', '/')}"]
load_timer = importlib.import_module("inference_perf.loadgen.load_timer")
shares = {}
for rate in (0.5, 1, 10):
    timer = load_timer.PoissonLoadTimer(rate=rate, duration=4000)
    times = np.array(list(itertools.islice(timer.start_timer(0.0), 4000)))
    shares[rate] = np.mean(np.abs(times - np.round(times)) < 1e-6)
print("; ".join(f"{rate} requests/s: {share:.0%} of the arrivals at whole seconds" for rate, share in shares.items()))
for rate, share in shares.items():  # seconds with any request, per request: (1 - exp(-rate)) / rate
    assert abs(share - (1 - np.exp(-rate)) / rate) < 0.05
EOF
echo "as stated"
