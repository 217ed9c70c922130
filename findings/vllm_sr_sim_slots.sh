#!/usr/bin/env bash
# vllm-sr-sim 0.1.0.dev20260713123629: a simulated GPU serves as many times its capacity as it has slots.
#
# Expected: the simulation of a fleet agrees with the capacity that its own profile of the GPU states: beyond it a queue.
# Instead:  a request holds its slot for the time that it takes divided by the number of slots, which also count: 64 slots
#           are 64 times the requests a second, and latency is that of a nearly empty GPU.
# Output:   one GPU of 63 requests/s, offered 500: served 500/s, none waits, slowest hundredth 1.0 s, objective met 100 %
# Matters:  the check of a plan by simulation never fails: a fleet of one GPU passes where eight are too few. Only the
#           analytic sizing of the same package says so.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install numpy==2.4.6 scipy==1.17.1
"${pip[@]}" install --no-deps vllm-sr-sim==0.1.0.dev20260713123629
"$dir/venv/bin/python" - <<'EOF'
from random import Random

from fleet_sim.core.fleet import Fleet, FleetConfig, PoolConfig
from fleet_sim.core.request import Request
from fleet_sim.gpu_profiles import ManualProfile

gpu = ManualProfile(name="steps of 10 ms", W=0.010, H=0.0, chunk=512, blk_size=16, total_kv_blks=100_000, max_slots=64,
                    cost_per_hr=1.0)
capacity = gpu.throughput(8192, mean_l_in=512, mean_l_out=100)
assert gpu.n_slots(8192) == 64 and abs(capacity - 64 / (101 * 0.010)) < 1e-9

random, at, arrivals = Random(1), 0.0, []
for number in range(10_000):
    at += random.expovariate(500.0)
    arrivals.append((at, Request(number, at, l_in=512, l_out=100)))
pool = PoolConfig("only", gpu, n_gpus=1, max_ctx=8192)
result = Fleet(FleetConfig([pool], router_kwargs={"threshold": 8192})).run(arrivals)
slowest, met = result.percentile("e2e_latency", 99), result.slo_compliance(500)
print(f"one GPU of {capacity:.0f} requests/s, offered 500: served {result.throughput():.0f}/s, p99 of waiting "
      f"{result.p99_queue_wait_ms():.0f} ms, slowest hundredth {slowest:.1f} s, objective met {met:.0%}")
assert len(result.completed) == 10_000 and result.throughput() > 490
assert result.p99_queue_wait_ms() == 0 and slowest < 1.02 and met == 1
EOF
echo "as stated"
