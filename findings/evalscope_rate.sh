#!/usr/bin/env bash
# evalscope 1.14.1: `perf --rate 10` keeps one request in flight, and the time that the others wait is in no latency.
#
# Expected: ten requests a second, sent whether or not earlier ones are answered, as a rate means in other clients.
# Instead:  arrivals follow the rate only as far as `--parallel`, 1 by default, has a place; `--open-loop` is another
#           option. The clock of a request starts when it gets its place.
# Output:   40 requests at 10/s, answers after 0.3 s: 3.3/s sent, slowest answer 0.30 s, last sent 8 s late
# Matters:  a server at three times its capacity shows its unloaded latency. Only the throughput tells that the load was
#           never offered.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install numpy==2.4.6
"${pip[@]}" download --no-deps --only-binary=:all: evalscope==1.14.1 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import asyncio
import importlib
import sys
import time
import types
from unittest.mock import MagicMock

for name in ("evalscope", "evalscope.perf", "evalscope.perf.core", "evalscope.perf.core.strategies"):
    sys.modules[name] = types.ModuleType(name)  # without their other dependencies
    sys.modules[name].__path__ = [f"{sys.argv[1]}/{name.replace('.', '/')}"]
for name in ("evalscope.perf.arguments", "evalscope.utils", "evalscope.utils.logger"):
    sys.modules[name] = MagicMock()
strategy = importlib.import_module("evalscope.perf.core.strategies.closed_loop").ClosedLoopStrategy
count, rate, answer_s = 40, 10.0, 0.3
sent, latencies = [], []


class Client:
    """A server with room for all that answers each request after the same time."""

    async def post(self, request):
        sent.append(time.perf_counter())
        await asyncio.sleep(answer_s)
        latencies.append(time.perf_counter() - sent[-1])
        return types.SimpleNamespace()


async def run():
    options = types.SimpleNamespace(parallel=1, rate=rate, in_flight_task_multiplier=2, duration=None,
                                    api="openai")
    bench = strategy(options, None, Client(), asyncio.Queue(), None)
    start = time.perf_counter()
    await bench._run_phase([({}, False)] * count)
    return sent[-1] - start


last_sent = asyncio.run(run())
print(f"{count} requests at {rate:.0f}/s, answers after {answer_s} s: {count / (sent[-1] - sent[0] + answer_s):.1f}/s "
      f"sent, slowest answer {max(latencies):.2f} s, last sent {last_sent - count / rate:.0f} s late")
assert last_sent > (count - 1) * answer_s - 0.01 and max(latencies) < 2 * answer_s
EOF
echo "as stated"
