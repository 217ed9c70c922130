#!/usr/bin/env bash
# locust 2.47.0: percentiles are of rounded times: above ten seconds they are whole seconds.
#
# Expected: percentiles of the response times, as exact as the mean and the maximum beside them.
# Instead:  each time is first rounded to two digits (three from a hundred seconds on): 147 ms to 150, 10,400 ms to 10,000.
#           The mean, minimum and maximum of the same row are exact, so a percentile can lie above the maximum.
# Output:   100 answers of 10,400 ms: median and p99 10000 ms, maximum 10400; of 10,600 ms: p99 11000, maximum 10600
# Matters:  answers of language models last seconds: an objective of 10 s is met or missed by up to half a second of
#           rounding, and two servers 8 % apart have the same p99.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" download --no-deps --only-binary=:all: locust==2.47.0 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import sys
import types
from unittest.mock import MagicMock

sys.modules["gevent"] = MagicMock()  # neither is used by the statistics below
sys.modules["locust"] = types.ModuleType("locust")
sys.modules["locust"].__path__ = [f"{sys.argv[1]}/locust"]
from locust.stats import RequestStats


def row(milliseconds):
    stats = RequestStats()
    for _ in range(100):
        stats.log_request("POST", "/v1/completions", milliseconds, content_length=1_000)
    entry = stats.total
    return entry.get_response_time_percentile(0.5), entry.get_response_time_percentile(0.99), entry.max_response_time


low, high = row(10_400), row(10_600)
print(f"100 answers of 10,400 ms: median {low[0]}, p99 {low[1]}, maximum {low[2]}; "
      f"of 10,600 ms: p99 {high[1]}, maximum {high[2]}")
assert low == (10_000, 10_000, 10_400) and high == (11_000, 11_000, 10_600)
EOF
echo "as stated"
