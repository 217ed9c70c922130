#!/usr/bin/env bash
# vllm 0.33.0: a Mooncake trace at the defaults of `vllm bench serve` has prompts of a 32nd of their length.
#
# Expected: `input_length` tokens a prompt, as each line of the trace says, whatever the size of a block.
# Instead:  a prompt is its blocks of `--timed-trace-chunk-hash-size`, 16 tokens by default and 512 in that trace, and what
#           is missing to `input_length` is not made up. A trace without `hash_ids` sends empty prompts. Milliseconds are
#           seconds unless `--timed-trace-sec-multiplier` says 0.001.
# Output:   a line of 5,120 tokens in 10 blocks at 3,000 ms: prompt 160 tokens at 3000 s; without hash_ids: 0 tokens
# Matters:  prefill is a 32nd and the load a thousandth of the trace's; nothing compares the lengths asked with those sent.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install numpy==2.4.6
"${pip[@]}" download --no-deps --only-binary=:all: vllm==0.33.0 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" "$dir/trace.jsonl" <<'EOF'
import argparse
import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

parts = ("vllm", "vllm.benchmarks.datasets.utils", "vllm.inputs", "vllm.lora.request", "vllm.lora.utils",
         "vllm.multimodal.audio", "vllm.multimodal.image", "vllm.multimodal.utils", "vllm.tokenizers",
         "vllm.transformers_utils.repo_utils", "vllm.utils.import_utils", "vllm.utils.mistral", "PIL", "pybase64",
         "datasets", "pandas", "soundfile")
for part in parts:  # what the module imports; not used by what is run below
    sys.modules[part] = MagicMock()
sys.modules["vllm.utils.argparse_utils"] = SimpleNamespace(FlexibleArgumentParser=argparse.ArgumentParser)
spec = importlib.util.spec_from_file_location("datasets_of_vllm", f"{sys.argv[1]}/vllm/benchmarks/datasets/datasets.py")
module = sys.modules["datasets_of_vllm"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

parser = argparse.ArgumentParser()
module.add_dataset_parser(parser)
options = vars(parser.parse_args(["--dataset-name", "timed_trace", "--dataset-path", sys.argv[2]]))
tokenizer = SimpleNamespace(all_special_ids=[], get_vocab=lambda: {str(token): token for token in range(32_000)})


def request(**line):
    Path(sys.argv[2]).write_text(json.dumps(line) + "\n")
    trace = module.TimedTrace(random_seed=0, **options)
    return trace.sample(tokenizer, num_requests=1)[0]


line = {"timestamp": 3000, "input_length": 5120, "output_length": 8}
blocks, plain = request(**line, hash_ids=list(range(10))), request(**line)
print(f"a line of 5,120 tokens in 10 blocks at 3,000 ms: prompt {blocks.prompt_len} tokens at {blocks.timestamp:.0f} s; "
      f"without hash_ids: {plain.prompt_len} tokens")
assert (blocks.prompt_len, blocks.timestamp, plain.prompt_len) == (160, 3000, 0)
EOF
echo "as stated"
