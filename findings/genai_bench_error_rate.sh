#!/usr/bin/env bash
# genai-bench 0.0.5: its error rate is 0 however many requests failed, beside the right number of failures.
#
# Expected: failed requests over all requests.
# Instead:  the rate is worked out before the number of requests is known, which is then still 0, and 0 requests have no
#           errors; the warning that is meant for rates of one half and more never comes.
# Output:   1 request answered, 9 failed with status 503: num_error_requests 9, num_requests 10, error_rate 0
# Matters:  a gate on `error_rate` lets a server pass that refused nine of ten, with latencies of the one that it took.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" --quiet --disable-pip-version-check install numpy==2.3.5 pydantic==2.12.5 gevent==25.9.1 rich==14.2.0
"$dir/venv/bin/pip" --quiet --disable-pip-version-check install --no-deps genai-bench==0.0.5
"$dir/venv/bin/python" - <<'EOF'
import logging
import sys
import types

quiet = types.ModuleType("genai_bench.logging")  # whose own needs its screen
quiet.init_logger = logging.getLogger
sys.modules["genai_bench.logging"] = quiet
warned = []
logging.getLogger("genai_bench.metrics.aggregated_metrics_collector").warning = lambda text, *_: warned.append(text)
from genai_bench.metrics.aggregated_metrics_collector import AggregatedMetricsCollector
from genai_bench.metrics.metrics import RequestLevelMetrics

collector = AggregatedMetricsCollector()
collector.add_single_request_metrics(
    RequestLevelMetrics(
        ttft=0.1, tpot=0.01, e2e_latency=0.59, output_latency=0.49, output_inference_speed=100.0,
        num_input_tokens=100, num_output_tokens=50, num_reasoning_tokens=0, total_tokens=150,
        input_throughput=1000.0, output_throughput=100.0,
    )
)
for _ in range(9):
    collector.add_single_request_metrics(RequestLevelMetrics(error_code=503, error_message="Service Unavailable"))
collector.aggregate_metrics_data(0.0, 100.0, None, None)
found = collector.aggregated_metrics
print(
    f"1 request answered, 9 failed with status 503: num_error_requests {found.num_error_requests}, "
    f"num_requests {found.num_requests}, error_rate {found.error_rate:g}"
)
assert (found.num_error_requests, found.num_requests, found.error_rate) == (9, 10, 0)
assert not [text for text in warned if "Error rate" in text]
EOF
echo "as stated"
