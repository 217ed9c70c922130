#!/usr/bin/env bash
# pandas 3.1.1: the integers behind a column of times are of nanoseconds or microseconds by how many digits the file has.
#
# Expected: nanoseconds since 1970, as up to version 2; or one other unit for all.
# Instead:  strings of up to six digits after the second become microseconds, of seven to nine nanoseconds. The Azure LLM
#           trace of 2023 writes seven, the one of 2024 six; each column is judged by itself.
# Output:   two arrivals 52 ms apart, integers over 1e9: as in 2023 0.052000 s, as in 2024 0.000052 s
# Matters:  a replay that turns arrivals into seconds this way, as code written for pandas 2 does, sends one trace at its
#           own rate and the other at a thousand times it. `.dt.as_unit("ns")` or division by a Timedelta is safe.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check pandas==3.1.1
"$dir/venv/bin/python" - <<'EOF'
import io

import pandas

arrivals = {"2023": ("2023-11-16 18:17:03.9799600", "2023-11-16 18:17:04.0319600"),
            "2024": ("2024-05-10 00:00:00.979960+00:00", "2024-05-10 00:00:01.031960+00:00")}
gaps, units = {}, {}
for year, lines in arrivals.items():
    table = pandas.read_csv(io.StringIO("\n".join(("TIMESTAMP", *lines))), parse_dates=["TIMESTAMP"])
    times = table["TIMESTAMP"]
    seconds = times.astype("int64") / 1e9
    gaps[year], units[year] = seconds[1] - seconds[0], times.dt.unit
    assert abs((times[1] - times[0]) / pandas.Timedelta(seconds=1) - 0.052) < 1e-9
print("two arrivals 52 ms apart, integers over 1e9:", ", ".join(f"as in {year} {gap:.6f} s" for year, gap in gaps.items()))
assert units == {"2023": "ns", "2024": "us"}
assert abs(gaps["2023"] - 0.052) < 1e-6 and abs(gaps["2024"] - 0.000052) < 1e-6
EOF
echo "as stated"
