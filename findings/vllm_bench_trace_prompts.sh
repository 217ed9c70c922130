#!/usr/bin/env bash
# vllm 0.33.0: `vllm bench serve` with a timed trace sends other prompts at each run, whatever the seed.
#
# Expected: with the same trace, tokeniser and `--seed` the same prompts: each block is drawn from its hash id.
# Instead:  the block's generator is seeded with Python's `hash` of a string, which differs from process to process unless
#           PYTHONHASHSEED is set. Within one run equal ids do give equal blocks.
# Output:   first tokens of one block in two runs: two lists; with PYTHONHASHSEED=0: 2281 18011 8163 twice
# Matters:  a second run finds nothing of the first in the server's prefix cache, and two clients that replay parts of one
#           trace share none of the prefixes that it records.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install numpy==2.4.6
"${pip[@]}" download --no-deps --only-binary=:all: vllm==0.33.0 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" "$dir/trace.jsonl" <<'EOF'
import os
import subprocess
import sys

REPLAY = '''
import importlib.util
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

parts = ("vllm", "vllm.benchmarks.datasets.utils", "vllm.inputs", "vllm.lora.request", "vllm.lora.utils",
         "vllm.multimodal.audio", "vllm.multimodal.image", "vllm.multimodal.utils", "vllm.tokenizers",
         "vllm.transformers_utils.repo_utils", "vllm.utils.argparse_utils", "vllm.utils.import_utils",
         "vllm.utils.mistral", "PIL", "pybase64", "datasets", "pandas", "soundfile")
for part in parts:  # what the module imports; not used by the class below
    sys.modules[part] = MagicMock()
spec = importlib.util.spec_from_file_location("datasets_of_vllm", f"{sys.argv[1]}/vllm/benchmarks/datasets/datasets.py")
module = sys.modules["datasets_of_vllm"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
trace = module.TimedTrace(
    dataset_path=sys.argv[2], random_seed=0, timed_trace_label_timestamp="timestamp",
    timed_trace_label_hash_ids="hash_ids", timed_trace_label_input_length="input_length",
    timed_trace_label_output_length="output_length")
tokenizer = SimpleNamespace(all_special_ids=[], get_vocab=lambda: {str(token): token for token in range(32_000)})
first, second = trace.sample(tokenizer, num_requests=2)
assert first.prompt[:16] == second.prompt[:16]
print(*first.prompt[:3])
'''
with open(sys.argv[2], "w") as trace:
    for hash_ids in ("[7, 8]", "[7, 9]"):
        print('{"timestamp": 0, "input_length": 32, "output_length": 8, "hash_ids": %s}' % hash_ids, file=trace)


def first_tokens(**environment):
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    run = subprocess.run([sys.executable, "-c", REPLAY, *sys.argv[1:]], env=kept | environment, check=True,
                         capture_output=True, text=True)
    return run.stdout.splitlines()[-1]


runs, fixed = [first_tokens() for _ in range(2)], [first_tokens(PYTHONHASHSEED="0") for _ in range(2)]
print(f"first tokens of one block in two runs: {runs[0]}, {runs[1]}; with PYTHONHASHSEED=0: {fixed[0]}, {fixed[1]}")
assert runs[0] != runs[1] and fixed[0] == fixed[1]
EOF
echo "as stated"
