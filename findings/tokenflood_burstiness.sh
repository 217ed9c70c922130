#!/usr/bin/env bash
# tokenflood 0.9.2: its largest burstiness, 10, is a Poisson process, and its default of 1 is close to a metronome.
#
# Expected: as in vLLM's client, where burstiness 1 is Poisson, 10 nearly even and 0.1 in bursts.
# Instead:  the scale runs the other way and stops at Poisson: gaps are gamma with a shape of 21 - 2 x burstiness, and
#           are stretched so that the last request falls on the end of the phase.
# Output:   deviation of a gap over its mean: 0.00 at burstiness 0, 0.23 at 1 (the default), 0.30 at 5, 1.00 at 10
# Matters:  at the default a queue hardly forms before the rate reaches the capacity, so first-token times are those of no
#           independent users; no setting plays traffic in bursts, and a value carried over from vLLM means its opposite.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install numpy==2.4.6
"${pip[@]}" install --no-deps tokenflood==0.9.2
"$dir/venv/bin/python" - <<'EOF'
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy

sys.modules["tokenflood.models.run_specs.load_test_spec"] = MagicMock()  # a type's name
from tokenflood.schedule import create_load_test_phase_schedule

phase = SimpleNamespace(total_num_requests=50_000, duration_seconds=5_000.0, requests_per_second=10.0)
numpy.random.seed(1)
spread, length = {}, {}
for burstiness in (0, 1, 5, 10):
    gaps = numpy.array(create_load_test_phase_schedule(phase, burstiness)[:-1])
    spread[burstiness], length[burstiness] = gaps.std() / gaps.mean(), gaps.sum()
print("deviation of a gap over its mean: " + ", ".join(f"{each:.2f} at {at}" for at, each in spread.items()))
for burstiness, shape in ((1, 19), (5, 11), (10, 1)):
    assert abs(spread[burstiness] - shape**-0.5) < 0.02
assert spread[0] < 1e-6 and all(abs(each - 5_000) < 1e-6 for each in length.values())
EOF
echo "as stated"
