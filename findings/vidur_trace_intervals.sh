#!/usr/bin/env bash
# vidur 0.0.26: arrivals replayed from a trace are moved to whole seconds.
#
# Expected: the gaps of the trace, times `time_scale_factor`.
# Instead:  each time since the first is rounded down to a second before the gaps are taken, so all requests of a second
#           come at once. The scale is applied after that and so does not bring the fractions back.
# Output:   gaps in the trace 0.6 0.6 0.6 0.6 s, replayed 0 1 0 1
# Matters:  at tens of requests a second, as in the public Azure traces, a smooth load becomes a burst at every second,
#           with the queues and first-token times of bursts.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1
"$dir/venv/bin/pip" --quiet --disable-pip-version-check download --no-deps --only-binary=:all: vidur==0.0.26 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" "$dir/trace.csv" <<'EOF'
import sys
import types

sys.path.insert(0, sys.argv[1])
for name in ("vidur.entities", "vidur.request_generator", "vidur.utils"):  # without their other dependencies
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{sys.argv[1]}/{name.replace('.', '/')}"]
from datetime import datetime, timedelta

from vidur.config import TraceRequestIntervalGeneratorConfig
from vidur.request_generator.trace_request_interval_generator import TraceRequestIntervalGenerator

start = datetime(1970, 1, 4, 13)
with open(sys.argv[2], "w") as trace:
    print("arrival_time", *(start + timedelta(seconds=0.6 * n, microseconds=1) for n in range(5)), sep="\n", file=trace)
generator = TraceRequestIntervalGenerator(TraceRequestIntervalGeneratorConfig(trace_file=sys.argv[2]))
gaps = [int(generator.get_next_inter_request_time()) for _ in range(4)]
print("gaps in the trace 0.6 0.6 0.6 0.6 s, replayed", *gaps)
assert gaps == [0, 1, 0, 1]
EOF
echo "as stated"
