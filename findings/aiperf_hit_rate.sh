#!/usr/bin/env bash
# aiperf 0.13.0: the cache hit rate that it finds in a trace is the mean over requests, not the share of tokens.
#
# Expected: the share of the trace's blocks, or tokens, that an endless prefix cache would already hold.
# Instead:  each request's own share, averaged with equal weight. Its `prefix_reuse_ratio` is of blocks, but of prefixes
#           that recur anywhere, their first time with them.
# Output:   one prompt of 100 blocks and nine times another of one: hit rate 0.80, of all blocks 0.07
# Matters:  the prefill that a cache saves goes by tokens. Short prompts that repeat hide long ones that do not, and a
#           fleet sized with 80 % of its prefill saved has a fifth of the chips it needs.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install numpy==2.4.6
"${pip[@]}" download --no-deps --only-binary=:all: aiperf==0.13.0 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import importlib
import sys
import types
from unittest.mock import MagicMock


class Base:  # in place of the one that gives a class its logger
    def __init__(self, **_):
        pass


for name in ("aiperf", "aiperf.dataset", "aiperf.dataset.synthesis"):  # without their other dependencies
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{sys.argv[1]}/{name.replace('.', '/')}"]
for name in ("aiperf.common", "aiperf.common.mixins", "aiperf.config", "aiperf.config.dataset",
             "aiperf.config.dataset.defaults", "aiperf.dataset.synthesis.models", "orjson"):
    sys.modules[name] = MagicMock(AIPerfLoggerMixin=Base, AnalysisStats=types.SimpleNamespace)
analyzer = importlib.import_module("aiperf.dataset.synthesis.prefix_analyzer").PrefixAnalyzer(block_size=512)
trace = [{"input_length": 51_200, "output_length": 10, "hash_ids": list(range(100))}]
trace += [{"input_length": 512, "output_length": 10, "hash_ids": [1_000]} for _ in range(9)]
stats = analyzer.analyze_traces(trace)
seen, hits = set(), 0
for request in trace:
    hits += sum(block in seen for block in request["hash_ids"])
    seen.update(request["hash_ids"])
share = hits / sum(len(request["hash_ids"]) for request in trace)
print(f"one prompt of 100 blocks and nine times another of one: hit rate {stats.cache_hit_rate:.2f}, "
      f"of all blocks {share:.2f}")
assert abs(stats.cache_hit_rate - 8 / 10) < 1e-9 and abs(share - 8 / 109) < 1e-9
assert abs(stats.prefix_reuse_ratio - 9 / 109) < 1e-9
EOF
echo "as stated"
