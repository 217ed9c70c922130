#!/usr/bin/env bash
# ciw 3.2.7: the `mean` and `sd` of a log-normal service time are neither its mean nor its deviation.
#
# Expected: Lognormal(mean=1, sd=0.5) has mean 1.
# Instead:  they are those of the logarithm; the mean is exp(1 + 0.5^2 / 2) = 3.08. `Normal(mean=1, sd=2)` is cut off at
#           zero, so its mean is 2.02.
# Output:   Lognormal(mean=1, sd=0.5): 3.08; Normal(mean=1, sd=2): 2.02
# Matters:  prompt lengths and service times are log-normal in this field: a queue meant to be half loaded is never stable.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check ciw==3.2.7
"$dir/venv/bin/python" - <<'EOF'
import ciw

lognormal, normal = ciw.dists.Lognormal(mean=1, sd=0.5), ciw.dists.Normal(mean=1, sd=2)
print(f"Lognormal(mean=1, sd=0.5): {lognormal.mean:.2f}; Normal(mean=1, sd=2): {normal.mean:.2f}")
ciw.seed(1)
drawn = sum(lognormal.sample() for _ in range(20_000)) / 20_000
assert abs(lognormal.mean - 3.0802) < 1e-3 and abs(drawn - 3.08) < 0.1
assert abs(normal.mean - 2.018) < 1e-3
EOF
echo "as stated"
