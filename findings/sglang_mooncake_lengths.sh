#!/usr/bin/env bash
# sglang 0.5.23: replaying a Mooncake trace, a prompt is a quarter as long as the trace says.
#
# Expected: `input_length` tokens; each of `hash_ids` is a block of 512 tokens.
# Instead:  each block becomes its number and 128 short words, and `input_length` is not read.
# Output:   trace 5120 tokens in 10 blocks, prompt 1280 words
# Matters:  prefill work, KV cache and the prefixes shared are a quarter of the trace's; nothing in the result says so.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install numpy==2.4.6
"${pip[@]}" download --no-deps --only-binary=:all: --python-version 3.11 sglang==0.5.23 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import asyncio
import importlib
import sys
import types
from unittest.mock import MagicMock

for name in ("sglang", "sglang.benchmark", "sglang.benchmark.datasets"):  # without the engine
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{sys.argv[1]}/{name.replace('.', '/')}"]
sys.modules["sglang.benchmark.utils"] = sys.modules["transformers"] = MagicMock()  # downloads and a type's name
mooncake = importlib.import_module("sglang.benchmark.datasets.mooncake")


class Words:
    """Tokenizer of one token a word."""

    def apply_chat_template(self, messages, **options):
        return " ".join(message["content"] for message in messages)

    def encode(self, text):
        return text.split()


async def lengths():
    record = {"timestamp": 0, "input_length": 5120, "output_length": 100, "hash_ids": list(range(10))}
    return [row.prompt_len async for row in mooncake.get_mooncake_request_over_time([record], Words(), 1.0, 1)]


words = asyncio.run(lengths())[0]
print(f"trace 5120 tokens in 10 blocks, prompt {words} words")
assert 1270 <= words <= 1300
EOF
echo "as stated"
