#!/usr/bin/env bash
# simpy 4.1.2: a PriorityStore does not give items of equal priority first come, first served; a PriorityResource does.
#
# Expected: first come, first served among equals, as with PriorityResource and PriorityRequest.
# Instead:  the store is a heap of the items alone, without their time: equals come out in the heap's order.
# Output:   put in 0 1 2 3 4 5, got 0 2 5 4 1 3
# Matters:  in a queue of requests built on it, later ones overtake within each class: mean waits stay, tails grow.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check simpy==4.1.2
"$dir/venv/bin/python" - <<'EOF'
import simpy


def through_store(env, got):
    store = simpy.PriorityStore(env)
    for number in range(6):
        yield store.put(simpy.PriorityItem(0, number))
    for _ in range(6):
        item = yield store.get()
        got.append(item.item)


def through_resource(env, resource, number, got):
    with resource.request(priority=0) as turn:
        yield turn
        got.append(number)
        yield env.timeout(1)


env, store, resource = simpy.Environment(), [], []
one = simpy.PriorityResource(env)
env.process(through_store(env, store))
for number in range(6):
    env.process(through_resource(env, one, number, resource))
env.run()
print("put in 0 1 2 3 4 5, got", *store)
assert resource == [0, 1, 2, 3, 4, 5]
assert store == [0, 2, 5, 4, 1, 3]
EOF
echo "as stated"
