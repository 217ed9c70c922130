#!/usr/bin/env bash
# simpy 4.1.2: a small request of a Container waits behind a large one that does not fit.
#
# Expected: what fits is taken: with 3 blocks free, a request for 1 succeeds although one for 8 is waiting.
# Instead:  requests are served strictly in order, so the small one waits for ever; a FilterStore, whose waiting requests
#           look just the same in code, lets later ones pass.
# Output:   Container: nothing served of 8 and 1 with 3 free; FilterStore: served b
# Matters:  as a pool of KV blocks a Container brings head-of-line blocking into a model that never asked for it.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check simpy==4.1.2
"$dir/venv/bin/python" - <<'EOF'
import simpy

served = []


def take(environment, event, name):
    yield event
    served.append(name)


environment = simpy.Environment()
blocks = simpy.Container(environment, capacity=10, init=3)
for amount in (8, 1):
    environment.process(take(environment, blocks.get(amount), amount))
environment.run()
from_container, served = served, []
store = simpy.FilterStore(environment)
store.put("b")
for name in ("a", "b"):
    environment.process(take(environment, store.get(lambda item, name=name: item == name), name))
environment.run()
print(f"Container: {from_container or 'nothing'} served of 8 and 1 with 3 free; FilterStore: served {', '.join(served)}")
assert from_container == [] and served == ["b"]
EOF
echo "as stated"
