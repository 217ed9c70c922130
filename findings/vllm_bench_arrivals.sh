#!/usr/bin/env bash
# vllm 0.33.0: `vllm bench serve --request-rate` sends exactly N requests in N / rate seconds, whatever the seed.
#
# Expected: a Poisson process (burstiness 1): the time of the last of N arrivals scatters by 1 / sqrt(N).
# Instead:  the drawn gaps are scaled so that the last arrival falls on N / rate. Only the order of long and short gaps is
#           left to chance; the mean load never is.
# Output:   40 requests at 200/s, last arrival for seeds 0 to 3: 0.20 0.20 0.20 0.20 s; drawn plainly 0.23 0.18 0.12 0.17 s
# Matters:  repeats with other seeds scatter less than independent Poisson arrivals would, so an interval estimated from
#           them is too narrow; short runs never meet a high-load stretch that lasts the whole run.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install numpy==2.4.6 aiohttp==3.14.3 tqdm==4.67.1
"${pip[@]}" download --no-deps --only-binary=:all: vllm==0.33.0 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import asyncio
import importlib.util
import sys
import time
from unittest.mock import MagicMock

import numpy as np

parts = ("", "benchmarks.datasets", "benchmarks.lib.endpoint_request_func", "benchmarks.lib.ready_checker", "tokenizers",
         "benchmarks.lib.utils", "utils.argparse_utils", "utils.gc_utils", "utils.network_utils")
for part in parts:  # what the client imports from the engine; not used by the function below
    sys.modules[f"vllm.{part}".rstrip(".")] = MagicMock()
spec = importlib.util.spec_from_file_location("serve", f"{sys.argv[1]}/vllm/benchmarks/serve.py")
serve = sys.modules["serve"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(serve)
count, rate = 40, 200.0


async def last_arrival(seed):
    np.random.seed(seed)
    start = time.monotonic()
    async for _ in serve.get_request([None] * count, rate):
        last = time.monotonic() - start
    return last


def drawn(seed):
    np.random.seed(seed)
    return np.random.gamma(1.0, 1 / rate, count).sum()


sent, plain = [asyncio.run(last_arrival(seed)) for seed in range(4)], [drawn(seed) for seed in range(4)]
print(f"{count} requests at {rate:.0f}/s, last arrival for seeds 0 to 3: {' '.join(f'{s:.2f}' for s in sent)} s; "
      f"drawn plainly {' '.join(f'{s:.2f}' for s in plain)} s")
assert max(plain) - min(plain) > 0.03
assert all(count / rate - 0.001 <= s < count / rate + 0.02 for s in sent)  # a busy machine is late, never early
EOF
echo "as stated"
