#!/usr/bin/env bash
# vllm 0.33.0: `max_concurrent_requests` of a result counts the requests of a whole second, not those at one time.
#
# Expected: with `--max-concurrency 1` at most 1.
# Instead:  time is cut into seconds and each request counts in every second that it touches. Eight requests of 250 ms, one
#           after the other, make 5. `max_output_tokens_per_s` counts stream chunks: ten tokens in five chunks are 5.
# Output:   one at a time: max_concurrent_requests 5; ten tokens in a second: output_throughput 10, max 5
# Matters:  the figure is no evidence of the batch that ran, the peak can be below the mean, and both are in every file.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install numpy==2.4.6 aiohttp==3.14.3 tqdm==4.67.1
"${pip[@]}" download --no-deps --only-binary=:all: vllm==0.33.0 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import importlib.util
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

parts = ("", "benchmarks.datasets", "benchmarks.lib.endpoint_request_func", "benchmarks.lib.ready_checker", "tokenizers",
         "benchmarks.lib.utils", "utils.argparse_utils", "utils.gc_utils", "utils.network_utils")
for part in parts:  # what the client imports from the engine; not used by the function below
    sys.modules[f"vllm.{part}".rstrip(".")] = MagicMock()
spec = importlib.util.spec_from_file_location("serve", f"{sys.argv[1]}/vllm/benchmarks/serve.py")
serve = sys.modules["serve"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(serve)


def metrics(duration, *requests):
    outputs = [SimpleNamespace(success=True, prompt_len=1, ttft=0.1, input_audio_duration=0, start_time=start, itl=gaps,
                               latency=latency, output_tokens=tokens) for start, latency, tokens, gaps in requests]
    return serve.calculate_metrics([], outputs, duration, None, [99], {})[0]


turns = metrics(2.0, *[(0.25 * turn, 0.25, 2, [0.1]) for turn in range(8)])
pairs = metrics(1.0, (0.0, 0.9, 10, [0.2] * 4))
print(f"one at a time: max_concurrent_requests {turns.max_concurrent_requests}; ten tokens in a second: "
      f"output_throughput {pairs.output_throughput:.0f}, max {pairs.max_output_tokens_per_s:.0f}")
assert turns.max_concurrent_requests == 5
assert (pairs.output_throughput, pairs.max_output_tokens_per_s) == (10, 5)
EOF
echo "as stated"
