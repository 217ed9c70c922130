#!/usr/bin/env bash
# evalscope 1.14.1: its decoded tokens per iteration leave out every request in which speculation did not help.
#
# Expected: tokens over steps of the whole run, or at least the mean over its requests.
# Instead:  the mean over requests whose own figure is above 1. One with a token a step, as when no draft is accepted,
#           counts as a stream of empty chunks and is dropped.
# Output:   nine requests of 1 token a step and one of 3: 3.00, over all requests 1.20
# Matters:  the acceptance length that a speculative-decoding model is fed with comes from the lucky requests only.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" download --no-deps --only-binary=:all: evalscope==1.14.1 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import sys
import types
from unittest.mock import MagicMock

for name in ("evalscope", "evalscope.perf", "evalscope.perf.utils"):  # without their other dependencies
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{sys.argv[1]}/{name.replace('.', '/')}"]
for name in ("evalscope.utils", "evalscope.utils.import_utils", "evalscope.utils.logger"):
    sys.modules[name] = MagicMock()
from evalscope.perf.utils.benchmark_util import BenchmarkData, MetricsAccumulator


def request(tokens_per_step, steps=20):
    """A streamed answer: one chunk for the prefill's token, then one for each decode step, 50 ms apart."""
    return BenchmarkData(success=True, is_stream=True, prompt_tokens=100, completion_tokens=1 + steps * tokens_per_step,
                         chunk_times=[0.05 * step for step in range(1 + steps)], first_chunk_latency=0.05,
                         query_latency=0.05 * (1 + steps), start_time=1.0, completed_time=1.0 + 0.05 * (1 + steps))


run, served = MetricsAccumulator(), [request(1) for _ in range(9)] + [request(3)]
for answer in served:
    run.update(answer, api_plugin=None)
reported = run.to_result().avg_decoded_tokens_per_iter
mean = sum(answer.decoded_tokens_per_iter for answer in served) / len(served)
print(f"nine requests of 1 token a step and one of 3: {reported:.2f}, over all requests {mean:.2f}")
assert abs(reported - 3) < 1e-9 and abs(mean - 1.2) < 1e-9
EOF
echo "as stated"
