#!/usr/bin/env bash
# ray 2.60.0: an idle deployment of Serve goes to zero replicas after twice its delay, by way of one.
#
# Expected: with `min_replicas` 0 and `downscale_delay_s` 600, the default, ten idle replicas are gone after ten minutes.
# Instead:  only the last replica may be taken to zero. The first decision leaves one, and the delay starts anew; a
#           `downscale_to_zero_delay_s` replaces the second wait and not the first.
# Output:   ten replicas, idle from 0 s: 1 from 600 s, 0 from 1201 s
# Matters:  with a model of eight GPUs a replica the last one alone costs 1.3 GPU hours after each busy period.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" --quiet --disable-pip-version-check download --no-deps --only-binary=:all: ray==2.60.0 --dest "$dir"
"$dir/venv/bin/python" - "$dir"/*.whl <<'EOF'
import sys
import types
import zipfile
from unittest.mock import MagicMock

for name in ("ray", "ray.serve", "ray.serve._private", "ray.serve._private.common", "ray.serve._private.constants",
             "ray.serve.config", "ray.util", "ray.util.annotations"):  # what the policy imports; not used below
    sys.modules[name] = MagicMock(SERVE_LOGGER_NAME="ray.serve")
policy = types.ModuleType("autoscaling_policy")
with zipfile.ZipFile(sys.argv[1]) as wheel:
    exec(wheel.read("ray/serve/autoscaling_policy.py"), policy.__dict__)
config = types.SimpleNamespace(upscale_delay_s=30.0, downscale_delay_s=600.0, downscale_to_zero_delay_s=None)
replicas, state, changes = 10, {}, []
for second in range(2_000):
    wanted, state = policy._apply_delay_logic(0, replicas, config, state, _now=float(second))
    if wanted != replicas:
        replicas = wanted
        changes.append((replicas, second))
print("ten replicas, idle from 0 s:", ", ".join(f"{count} from {second} s" for count, second in changes))
assert [count for count, _ in changes] == [1, 0]
assert changes[0][1] == 600 and 1200 <= changes[1][1] <= 1201
EOF
echo "as stated"
