#!/usr/bin/env bash
# lmcache 0.5.6: its cache simulator evicts the beginning of a prompt first, its cache the end.
#
# Expected: the simulator replays a log of the cache's look-ups by the cache's own policy, least recently used.
# Instead:  it touches the chunks of a request in their order, so the first is the oldest and goes first, and without it
#           the rest of the prefix is of no use. The policies of the cache touch them from the last to the first.
# Output:   one prompt of ten chunks again and again, room for nine: simulated hit rate 0.00; the cache gives up chunk 9
#           first, and the nine before it are 0.90 of the prompt
# Matters:  near the capacity where prompts just do not fit, the range that one sizes a cache in, a simulated sweep shows a
#           cliff that the cache does not have, and asks for more memory than is needed.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
pip=("$dir/venv/bin/pip" --quiet --disable-pip-version-check)
"${pip[@]}" install sortedcontainers==2.4.0
"${pip[@]}" download --no-deps --only-binary=:all: lmcache==0.5.6 --dest "$dir"
"$dir/venv/bin/python" -m zipfile --extract "$dir"/*.whl "$dir/wheel"
"$dir/venv/bin/python" - "$dir/wheel" <<'EOF'
import importlib
import sys
import types
from unittest.mock import MagicMock

packages = ("lmcache", "lmcache.tools", "lmcache.tools.cache_simulator", "lmcache.v1", "lmcache.v1.distributed",
            "lmcache.v1.distributed.eviction_policy")
for name in packages:  # without their other dependencies
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [f"{sys.argv[1]}/{name.replace('.', '/')}"]
for name in ("api", "eviction", "internal_api"):
    sys.modules[f"lmcache.v1.distributed.{name}"] = MagicMock(
        EvictionPolicy=object, EvictionAction=types.SimpleNamespace, EvictionDestination=MagicMock())
simulator = importlib.import_module("lmcache.tools.cache_simulator.simulator")
policy = importlib.import_module("lmcache.v1.distributed.eviction_policy.lru").LRUEvictionPolicy()

chunks = [f"chunk {i}" for i in range(10)]
request = {"chunk_hashes": chunks, "seq_len": 2_560, "chunk_size": 256}
simulated = {room: [simulator.simulate([request] * 100, room, 1, fast=fast)["token_hit_rate"] for fast in (True, False)]
             for room in (9, 10)}
policy.on_keys_created(chunks)
policy.on_keys_touched(chunks)
(action,) = policy.get_eviction_actions(0.1)
kept = len(chunks) - len(action.keys)
print(f"one prompt of ten chunks again and again, room for nine: simulated hit rate {simulated[9][0]:.2f}; the cache gives up "
      f"{action.keys[0]} first, and the nine before it are {kept / len(chunks):.2f} of the prompt")
assert simulated == {9: [0.0, 0.0], 10: [0.99, 0.99]}
assert action.keys == ["chunk 9"] and kept == 9
EOF
echo "as stated"
