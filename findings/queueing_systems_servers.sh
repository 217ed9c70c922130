#!/usr/bin/env bash
# queueing-systems 0.1.2: several servers are as many queues, each with its share of the arrivals.
#
# Expected: of "multi-server queueing systems" with "M/M/1" servers and a number of them the M/M/c queue: whoever is next
#           goes to whichever server is free.
# Instead:  the arrival rate is divided by the number and one M/M/1 queue is worked out; a queue that is shared is not in
#           the package.
# Output:   10/s to five servers of 4/s: wait 250 ms; Erlang C: 13 ms
# Matters:  replicas behind one queue, or behind a balancer that looks at their load, seem to need 19 times the wait: a
#           fleet that is sized by it has machines too many.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps queueing-systems==0.1.2
"$dir/venv/bin/python" - <<'EOF'
from math import factorial

from queueing_systems import msqs

RATE, SERVERS, EACH = 10.0, 5, 4.0
told = msqs(ar=RATE, sn=SERVERS, sr1=EACH)

load = RATE / EACH
all_busy = load**SERVERS / factorial(SERVERS) / (1 - load / SERVERS)
waits = all_busy / (sum(load**n / factorial(n) for n in range(SERVERS)) + all_busy)
shared_s = waits / (SERVERS * EACH - RATE)
print(f"10/s to five servers of 4/s: wait {1e3 * told['wq']:.0f} ms; Erlang C: {1e3 * shared_s:.0f} ms")
assert abs(told["wq"] - 0.25) < 1e-9 and told["ar"] == RATE / SERVERS
assert round(shared_s, 5) == 0.01304
EOF
echo "as stated"
