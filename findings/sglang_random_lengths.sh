#!/usr/bin/env bash
# sglang 0.5.23: `--dataset-name random --random-input-len 1024` sends 512 tokens a prompt on average.
#
# Expected: 1,024 tokens each, as the same two options give with `vllm bench serve`: no range asked, no range.
# Instead:  lengths are uniform from `--random-range-ratio` x N to N and the ratio's default is 0, so from 1 to 1,024, for
#           prompts and outputs alike; 1 is exact. To vLLM the same ratio is the half-width around N: 0 is exact.
# Output:   ratio 0: mean 510, least 1, most 1024; ratio 1: mean 1024
# Matters:  same command line, half the tokens: results of the two clients at their defaults differ twofold.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install numpy==2.4.6
"${pip[@]}" download --no-deps --only-binary=:all: --python-version 3.11 sglang==0.5.23 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import importlib
import sys
import types

import numpy as np

for name in ("sglang", "sglang.benchmark", "sglang.benchmark.datasets"):  # without the engine
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{sys.argv[1]}/{name.replace('.', '/')}"]
lengths = importlib.import_module("sglang.benchmark.datasets.common").compute_random_lens
np.random.seed(0)
wide, exact = lengths(1024, 0.0, 20_000), lengths(1024, 1.0, 20_000)
print(f"ratio 0: mean {np.mean(wide):.0f}, least {min(wide)}, most {max(wide)}; ratio 1: mean {np.mean(exact):.0f}")
assert abs(np.mean(wide) - 512.5) < 10 and min(wide) == 1 and max(wide) == 1024
assert set(exact) == {1024}
EOF
echo "as stated"
