#!/usr/bin/env bash
# genai-bench 0.0.5: with a warm-up or a cool-down share its tokens a second are those of the requests that are kept, over
# the whole run, while its requests a second are of all.
#
# Expected: what is left out as warm-up and cool-down is left out of time as well as of tokens, or of neither.
# Instead:  tokens of the first and last requests are not counted, but the run's whole duration divides; the rate of
#           requests, printed beside, counts every completed one over the same time.
# Output:   100 requests of 100 + 50 tokens in 100 s: output 50.0 tok/s; warm-up 0.2 and cool-down 0.1: 35.0 tok/s, still 1.00 requests/s
# Matters:  a server seems 30 % slower for being measured more carefully, and a price per token taken from the file is
#           1.4 times what it is; tokens a request worked out from both rates are wrong by the same factor.
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
logging.disable(logging.CRITICAL)
from genai_bench.metrics.aggregated_metrics_collector import AggregatedMetricsCollector
from genai_bench.metrics.metrics import RequestLevelMetrics


def rates(warm_up: float | None, cool_down: float | None) -> tuple[float, float]:
    collector = AggregatedMetricsCollector()
    for _ in range(100):
        collector.add_single_request_metrics(
            RequestLevelMetrics(
                ttft=0.1, tpot=0.01, e2e_latency=0.59, output_latency=0.49, output_inference_speed=100.0,
                num_input_tokens=100, num_output_tokens=50, num_reasoning_tokens=0, total_tokens=150,
                input_throughput=1000.0, output_throughput=100.0,
            )
        )
    collector.aggregate_metrics_data(0.0, 100.0, warm_up, cool_down)
    found = collector.aggregated_metrics
    return found.mean_output_throughput_tokens_per_s, found.requests_per_second


whole, cut = rates(None, None), rates(0.2, 0.1)
print(
    f"100 requests of 100 + 50 tokens in 100 s: output {whole[0]:.1f} tok/s; "
    f"warm-up 0.2 and cool-down 0.1: {cut[0]:.1f} tok/s, still {cut[1]:.2f} requests/s"
)
assert whole == (50.0, 1.0), whole
assert cut == (35.0, 1.0), cut
EOF
echo "as stated"
