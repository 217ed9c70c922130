#!/usr/bin/env bash
# opentelemetry-semantic-conventions 0.66b2: its functions for the LLM durations make histograms whose first bucket is 5 s.
#
# Expected: a metric made by the convention's own function has the convention's buckets: for the time per output token
#           10 ms, 25 ms, 50 ms and so on up to 2.5 s.
# Instead:  the functions name metric and unit and leave the buckets to the SDK 1.45.2, whose own are meant for
#           milliseconds: 0, 5, 10, 25 to 10,000, here of seconds. Counts of tokens get the same, and end at 10,000.
# Output:   20 ms a token for nine of ten, 60 ms for one: all 1000 below 5 s; p50 read from the buckets 2.50 s, p99 4.95 s
# Matters:  any percentile of a time to first token or per token is what interpolation makes of one bucket, a hundred times
#           what it was, and does not move when the server becomes twice as fast; only sum and count are right.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install opentelemetry-sdk==1.45.2 opentelemetry-semantic-conventions==0.66b2
"$dir/venv/bin/python" - <<'EOF'
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics as made

reader = InMemoryMetricReader()
meter = MeterProvider([reader]).get_meter("engine")
token = made.create_gen_ai_server_time_per_output_token(meter)
first = made.create_gen_ai_server_time_to_first_token(meter)
usage = made.create_gen_ai_client_token_usage(meter)
for i in range(1_000):
    token.record(0.06 if i % 10 == 0 else 0.02)
    first.record(0.4)
    usage.record(30_000)
(scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
points = {metric.name: (metric.unit, metric.data.data_points[0]) for metric in scope.metrics}
unit, point = points["gen_ai.server.time_per_output_token"]


def percentile(share):  # as Prometheus reads a histogram: evenly spread within a bucket
    wanted, below = share * point.count, 0
    for low, high, count in zip(point.explicit_bounds, point.explicit_bounds[1:], point.bucket_counts[1:], strict=False):
        if below + count >= wanted:
            return low + (high - low) * (wanted - below) / count
        below += count
    raise ValueError(share)


print(f"20 ms a token for nine of ten, 60 ms for one: all {point.bucket_counts[1]} below {point.explicit_bounds[1]:.0f} {unit};"
      f" p50 read from the buckets {percentile(0.5):.2f} s, p99 {percentile(0.99):.2f} s")
assert unit == "s" and point.explicit_bounds[:4] == (0, 5, 10, 25) and point.explicit_bounds[-1] == 10_000
assert point.bucket_counts[1] == point.count == 1_000 and abs(point.sum - 24) < 1e-6
assert abs(percentile(0.5) - 2.5) < 1e-9 and abs(percentile(0.99) - 4.95) < 1e-9
assert points["gen_ai.server.time_to_first_token"][1].bucket_counts[1] == 1_000
assert points["gen_ai.client.token.usage"][1].bucket_counts[-1] == 1_000
EOF
echo "as stated"
