#!/usr/bin/env bash
# aiperf 0.13.0: the time to the second token is counted from the first one, the time to the first from the request.
#
# Expected: both from the start of the request, so that the second is the larger and their difference is a gap.
# Instead:  "time to second token" is that gap. The first chunk with text counts as the first token, however many it holds.
# Output:   request at 0 ms, chunks at 400 and 450 ms: time to first token 400 ms, to second token 50 ms
# Matters:  the difference of the two columns, taken for the first decode step, comes out negative; it is the second
#           alone, and where prefill and decode run on different machines that holds the transfer of the cache.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" --quiet --disable-pip-version-check download --no-deps --only-binary=:all: aiperf==0.13.0 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import runpy
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock


class Metric:  # in place of the base that registers a metric
    def __class_getitem__(cls, _):
        return cls


for name in ("aiperf", "aiperf.common", "aiperf.common.enums", "aiperf.common.exceptions", "aiperf.common.models",
             "aiperf.metrics", "aiperf.metrics.metric_dicts"):
    sys.modules[name] = MagicMock(BaseRecordMetric=Metric)


def milliseconds(file, name, record):
    metric = runpy.run_path(f"{sys.argv[1]}/aiperf/metrics/types/{file}.py")[name]()
    return metric._parse_record(record, {}) / 1e6


chunks = [SimpleNamespace(perf_ns=time * 1_000_000) for time in (400, 450)]
record = SimpleNamespace(request=SimpleNamespace(start_perf_ns=0), content_responses=chunks)
first = milliseconds("ttft_metric", "TTFTMetric", record)
second = milliseconds("ttst_metric", "TTSTMetric", record)
print(f"request at 0 ms, chunks at 400 and 450 ms: time to first token {first:.0f} ms, to second token {second:.0f} ms")
assert (first, second) == (400, 50)
EOF
echo "as stated"
