#!/usr/bin/env bash
# guidellm 0.8.1: "poisson" arrivals come in runs of equal gaps, one gap for each worker process.
#
# Expected: gaps drawn independently from an exponential distribution, however many processes send.
# Instead:  each process draws from a generator of its own with the same seed and adds to a clock that all share. With the
#           ten processes it starts by default every gap occurs ten times, one after the other as long as they keep step.
# Output:   first gaps of 4 processes, ms: 102.01 102.01 102.01 102.01 2.53 2.53 2.53 2.53 32.16 32.16 32.16 32.16
# Matters:  a stretch of ten short gaps is a burst that Poisson arrivals never have: queues and tails come out longer, and
#           a run holds a tenth of the chance that its number of requests suggests.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install pydantic==2.14.4 pydantic-settings==2.16.3 numpy==2.4.6 loguru==0.7.3 click==8.5.1 pyyaml==6.0.4 faker==40.63.0 httpx==0.28.1 ftfy==6.3.1 msgpack==1.2.4 protobuf==7.36.2 culsans==0.11.0 uvloop==0.23.0 tabulate==0.10.0 rich==15.0.0
"${pip[@]}" install --no-deps guidellm==0.8.1 2>"$dir/log"
"$dir/venv/bin/python" - <<'EOF'
import asyncio
import time
from multiprocessing import get_context

from guidellm.scheduler.strategies import AsyncPoissonStrategy


async def draw(strategy, number, arrivals, results):
    for _ in range(arrivals):
        due = await strategy.next_request_time(number)
        await asyncio.sleep(max(0.0, due - time.time()))  # as the worker waits until then
        results.put(due)


def worker(*arguments):
    asyncio.run(draw(*arguments))


context, processes, arrivals = get_context("fork"), 4, 20
strategy, results, start = AsyncPoissonStrategy(rate=10.0), context.Queue(), time.time()
strategy.init_processes_timings(processes, processes, context)
workers = [context.Process(target=worker, args=(strategy, number, arrivals, results)) for number in range(processes)]
for process in workers:
    process.start()
strategy.init_processes_start(start)
times = sorted(results.get(timeout=60) for _ in range(processes * arrivals))
for process in workers:
    process.join()
gaps = [round(later - earlier, 4) for earlier, later in zip([start, *times], times)]
print(f"first gaps of {processes} processes, ms:", *(f"{1000 * gap:.2f}" for gap in gaps[:12]))
print(f"{len(gaps)} arrivals, different gaps: {len(set(gaps))}")
assert 15 <= len(set(gaps)) <= 24  # twenty, but for rounding
EOF
echo "as stated"
