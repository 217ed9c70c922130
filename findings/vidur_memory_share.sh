#!/usr/bin/env bash
# vidur 0.0.26: `gpu_memory_utilization` of a replica changes nothing: the share of memory is set by another option.
#
# Expected: as in vLLM, the share of a GPU's memory that weights and KV cache may take; here its default is 0.8.
# Instead:  the planner of the memory does not read it. It leaves out `memory_margin_fraction` of the cache's options, 0.1
#           by default, so 0.9 is used; the weights it subtracts have no embeddings (6.98 of Llama-3-8B's 8.03 billion).
# Output:   Llama-3-8B on one H100, tokens of KV cache at 0.5, 0.8 and 0.95: 483328 483328 483328
# Matters:  a study of this option shows no effect at all, and one meant for 0.8 has a cache that is 16 % too large.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" --quiet --disable-pip-version-check download --no-deps --only-binary=:all: vidur==0.0.26 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import sys
import types

sys.path.insert(0, sys.argv[1])
for name in ("vidur.entities", "vidur.request_generator", "vidur.utils"):  # without their other dependencies
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{sys.argv[1]}/{name.replace('.', '/')}"]
from vidur.config import CacheConfig, ReplicaConfig
from vidur.utils.memory_planner import MemoryPlanner
from vidur.utils.param_counter import ParamCounter

tokens = {}
for share in (0.5, 0.8, 0.95):
    replica = ReplicaConfig(model_name="meta-llama/Llama-3-8B", device="h100", tensor_parallel_size=1,
                            num_pipeline_stages=1, gpu_memory_utilization=share)
    tokens[share] = int(MemoryPlanner(replica, CacheConfig()).get_max_kv_cache_size_in_tokens())
parameters = ParamCounter(replica).get_num_parameters_per_device()
print("Llama-3-8B on one H100, tokens of KV cache at 0.5, 0.8 and 0.95:", *tokens.values())
assert parameters == 6_979_321_856
assert set(tokens.values()) == {int((0.9 * 80 * 2**30 - 2 * parameters) // (32 * 2 * 8 * 128 * 2))}
EOF
echo "as stated"
