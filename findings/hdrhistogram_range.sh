#!/usr/bin/env bash
# hdrhistogram 0.10.8: times above the range that it was made for are left out, and times below one unit are zero.
#
# Expected: an error, as from the Java original, or at least the largest value of the range; and 0.4 s counts as 0.4 s.
# Instead:  `record_value` answers False, keeps nothing and the percentiles go on as if the request had not been. The edge
#           is not the number given but the next one that fits the buckets. A float is cut off to a whole number, unasked.
# Output:   range to 60,000 ms, 9 of 100 ms and 91 of 70,000 ms: 9 kept, p99 100 ms; 65,000 ms kept; 0.4 s and 1.9 s: 0 and 1
# Matters:  an overloaded server whose requests take longer than the range has the latencies of those that did not, and
#           histograms filled with seconds say that every first token came at once.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check hdrhistogram==0.10.8
"$dir/venv/bin/python" - <<'EOF'
from hdrh.histogram import HdrHistogram

times = HdrHistogram(1, 60_000, 2)
for milliseconds in [100] * 9 + [70_000] * 91:
    times.record_value(milliseconds)
kept, p99 = times.get_total_count(), times.get_value_at_percentile(99)
beyond = HdrHistogram(1, 60_000, 2).record_value(65_000)

seconds = []
for value in (0.4, 1.9):
    histogram = HdrHistogram(1, 3_600, 2)
    histogram.record_value(value)
    seconds.append(histogram.get_value_at_percentile(50))
print(f"range to 60,000 ms, 9 of 100 ms and 91 of 70,000 ms: {kept} kept, p99 {p99} ms; "
      f"65,000 ms {'kept' if beyond else 'left out'}; 0.4 s and 1.9 s: {seconds[0]} and {seconds[1]}")
assert (kept, p99, beyond, seconds) == (9, 100, True, [0, 1])
EOF
echo "as stated"
